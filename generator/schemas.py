"""What a schema means for Python: one place for each rule of spec/README.md."""

from collections.abc import Iterator
from typing import Any

from generator.spec import CALLED, Json, Key, Operation, Spec

# JSON Schema's bounds, and msgspec's words for them.
BOUNDS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minProperties": "min_length",
    "maxProperties": "max_length",
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}

# Integers lie in this range unless the YAML says less. Spec: appendices/#canonical-json
LARGEST = 2**53 - 1


class Schemas:
    """What a schema means for Python: one place for every rule of spec/README.md."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.class_names = self._class_names()
        self.incoming = self._incoming()

    def _class_names(self) -> dict[Key, str]:
        """The class of each component; of a body `FooRequest` it is `FooBody`."""
        bodies = {
            self.key(op.file, schema["$ref"]) for op, schema in self._bodies() if "$ref" in schema
        }
        names = {}
        for file in self.spec.documents:
            for name in self.spec.schemas(file) if self.spec.has_module(file) else ():
                key = Key(file, name)
                is_request = key in bodies and name.endswith("Request")
                names[key] = f"{name.removesuffix('Request')}Body" if is_request else name
        return names

    def _bodies(self) -> Iterator[tuple[Operation, Json]]:
        for operation in self.spec.operations:
            schema = json_schema(operation.node.get("requestBody", {}))
            if schema is not None:
                yield operation, schema

    def _incoming(self) -> set[Key]:
        """The components that are read from somebody else: bodies, and answers to our own calls."""
        seen: set[Key] = set()
        for operation, schema in self._bodies():
            self._walk(operation.file, schema, seen)
        for operation in self.spec.operations:
            if operation.api in CALLED:
                for _, schema in self.json_answers(operation):
                    self._walk(operation.file, schema, seen)
        return seen

    def _walk(self, file: str, schema: Json, seen: set[Key]) -> None:
        if "$ref" in schema:
            key = self.key(file, schema["$ref"])
            if key not in seen:
                seen.add(key)
                self._walk(key.file, self.schema(key), seen)
        for child in subschemas(schema):
            self._walk(file, child, seen)

    def json_answers(self, operation: Operation) -> list[tuple[str, Json]]:
        """The successful answers that carry JSON: status and schema."""
        found = []
        for status, response in operation.node["responses"].items():
            if status.startswith("2"):
                _, node = self.spec.resolve(operation.file, response)
                schema = json_schema(node)
                if schema is not None:
                    found.append((status, schema))
        return found

    def key(self, file: str, ref: str) -> Key:
        """The component that a reference names."""
        target, name, _ = self.spec.follow(file, ref)
        return Key(target, name)

    def schema(self, key: Key) -> Json:
        """The schema of a component."""
        found: Json = self.spec.schemas(key.file)[key.name]
        return found

    def plain(self, file: str, schema: Json) -> Json:
        """`schema` with `allOf` merged into one object."""
        if "allOf" not in schema:
            return schema
        merged: Json = {"type": "object", "properties": {}, "required": []}
        merged |= {k: v for k, v in schema.items() if k in ("description", "x-open")}
        for part in schema["allOf"]:
            home, node = self.spec.resolve(file, part)
            node = self.plain(home, node)
            merged["properties"] |= self._at(file, home, node.get("properties", {}))
            merged["required"] += node.get("required", [])
            if "x-open" in node:
                merged["x-open"] = node["x-open"]
        return merged

    def _at(self, file: str, home: str, node: Any) -> Any:
        """`node` of `home` with its references rewritten to be read from `file`."""
        if isinstance(node, list):
            return [self._at(file, home, one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node and file != home:
            target, _, _ = self.spec.follow(home, node["$ref"])
            pointer = node["$ref"].partition("#")[2]
            node = node | {"$ref": f"../{target}#{pointer}"}
        return {k: v if k == "$ref" else self._at(file, home, v) for k, v in node.items()}

    def is_open(self, file: str, schema: Json) -> bool:
        """Whether the value is handed on as a plain dict."""
        schema = self.plain(file, schema)
        return "x-open" in schema and "object" in types(schema)

    def is_any(self, file: str, schema: Json) -> bool:
        """Whether no Python type narrower than Any fits: unions that msgspec cannot tell apart."""
        home, node = self.spec.resolve(file, schema)
        branches = node.get("oneOf") or node.get("anyOf")
        if branches is None:
            return len(types(node) - {"null"}) > 1
        kinds = [self._kind(home, branch) for branch in branches]
        return len(kinds) != len(set(kinds)) or "any" in kinds

    def _kind(self, file: str, schema: Json) -> str:
        home, node = self.spec.resolve(file, schema)
        if self.is_any(home, node):
            return "any"
        if "allOf" in node:
            return "object"
        return next(iter(types(node) - {"null"}), "null")


def types(schema: Json) -> set[str]:
    """The JSON types that a schema names."""
    named = schema.get("type", [])
    return {named} if isinstance(named, str) else set(named)


def bounds(schema: Json) -> Json:
    """The bounds of a schema; an integer has some always."""
    found = {word: schema[word] for word in BOUNDS if word in schema}
    if types(schema) - {"null"} != {"integer"} or "enum" in schema:
        return found
    if not {"minimum", "exclusiveMinimum"} & found.keys():
        found["minimum"] = -LARGEST
    if not {"maximum", "exclusiveMaximum"} & found.keys():
        found["maximum"] = LARGEST
    return found


def json_schema(node: Json) -> Json | None:
    """The schema of the JSON form of a body or response."""
    media: Json | None = node.get("content", {}).get("application/json")
    if media is None:
        return None
    schema: Json = media["schema"]
    return schema


def subschemas(schema: Json) -> Iterator[Json]:
    """The schemas directly inside a schema."""
    yield from schema.get("properties", {}).values()
    for word in ("oneOf", "anyOf", "allOf"):
        yield from schema.get(word, [])
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield schema[word]
