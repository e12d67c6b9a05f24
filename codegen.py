"""Turn spec/ into generated/: models, routing stubs, clients and the published OpenAPI documents.

    python codegen.py            write generated/
    python codegen.py --check    exit 1 where generated/ is not what would be written

The steps, in order of the file: load the YAML, follow references, normalise schemas for
datamodel-code-generator, write one module per YAML file, one table of routes per API, and the
documents. Everything is sorted and free of dates and paths, so that equal specs give equal files.
"""

import argparse
import ast
import copy
import hashlib
import json
import keyword
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from datamodel_code_generator import InputFileType, LiteralType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import PythonVersion

ROOT = Path(__file__).resolve().parent
METHODS = ("get", "put", "post", "delete", "patch")
SERVED = ("client-server", "media", "federation", "identity", "admin", "extra")
CALLED = ("federation", "identity", "application-service", "push-gateway")
COMMON = "common/schemas.yaml"
LEGACY = "extra/legacy_paths.yaml"
DEFAULT_MAX_BODY_BYTES = 1 << 20
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
STRUCT_OPTIONS = {"frozen": True, "omit_defaults": True}
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

Json: TypeAlias = dict[str, Any]


class SpecError(Exception):
    """spec/ says something that cannot be generated; the message names the file."""


# --- Loading ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """A schema component: its file, relative to spec/, and its name."""

    file: str
    name: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation, resolved; `field` is its name in the request record."""

    name: str
    place: str
    field: str
    required: bool
    schema: Json
    file: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a YAML file: `node` is the YAML, `file` the file it stands in."""

    file: str
    path: str
    method: str
    node: Json
    aliases: tuple[str, ...]
    parameters: tuple[Parameter, ...]

    @property
    def id(self) -> str:
        """The operationId."""
        return str(self.node["operationId"])

    @property
    def function(self) -> str:
        """The handler's name."""
        return snake(self.id)

    @property
    def record(self) -> str:
        """The class of the request record."""
        return f"{pascal(self.id)}Request"

    @property
    def api(self) -> str:
        """The API that the file belongs to."""
        return self.file.split("/", maxsplit=1)[0]

    @property
    def stem(self) -> str:
        """The name of the module."""
        return Path(self.file).stem


class Spec:
    """All documents under a directory, by path relative to it."""

    def __init__(self, directory: Path) -> None:
        self.texts = {
            path.relative_to(directory).as_posix(): path.read_text("utf-8")
            for path in sorted(directory.glob("*/*.yaml"))
        }
        self.documents: dict[str, Json] = {
            name: yaml.load(text, yaml.CSafeLoader) for name, text in self.texts.items()
        }

    def digest(self, *files: str) -> str:
        """What the header of a generated file says of its sources."""
        texts = "".join(self.texts[name] for name in files)
        return hashlib.sha256(texts.encode()).hexdigest()[:16]

    def follow(self, file: str, ref: str) -> tuple[str, str, Json]:
        """The file, the last name and the node that `ref` in `file` leads to."""
        path, _, pointer = ref.partition("#/")
        target = (Path(file).parent / path).as_posix() if path else file
        target = re.sub(r"(^|/)[^/]+/\.\./", r"\1", target)
        parts = pointer.split("/")
        node: Any = self.documents.get(target)
        for part in parts:
            if not isinstance(node, dict) or part not in node:
                raise SpecError(f"{file}: {ref} leads nowhere")
            node = node[part]
        return target, parts[-1], node

    def resolve(self, file: str, node: Json) -> tuple[str, Json]:
        """`node`, or what its `$ref` leads to; with the file that further references start from."""
        while "$ref" in node:
            file, _, node = self.follow(file, node["$ref"])
        return file, node

    def schemas(self, file: str) -> Json:
        """The schema components of a file."""
        document = self.documents[file]
        if file == COMMON:
            return document
        components: Json = document.get("components", {})
        found: Json = components.get("schemas", {})
        return found

    def files(self, api: str) -> list[str]:
        """The YAML files of an API that hold operations or schemas."""
        prefix = f"{api}/"
        return [
            name for name in self.documents if name.startswith(prefix) and self.has_module(name)
        ]

    def has_module(self, file: str) -> bool:
        """Whether a module is made from a file."""
        return file == COMMON or bool(self.documents[file].get("paths")) or bool(self.schemas(file))

    @cached_property
    def aliases(self) -> dict[str, list[str]]:
        """Older paths by the path of today that they stand for."""
        found: dict[str, list[str]] = {}
        for old, today in self.documents.get(LEGACY, {}).get("x-aliases", {}).items():
            found.setdefault(today, []).append(old)
        return found

    @cached_property
    def operations(self) -> list[Operation]:
        """Every operation, in the order of files and of the operations in them."""
        return [operation for file in self.documents for operation in self._operations(file)]

    def operations_of(self, file: str) -> list[Operation]:
        """The operations of one file."""
        return [operation for operation in self.operations if operation.file == file]

    def _operations(self, file: str) -> Iterator[Operation]:
        for path, item in (self.documents[file].get("paths") or {}).items():
            for method in METHODS:
                if method not in item:
                    continue
                node = item[method]
                raw = [*item.get("parameters", []), *node.get("parameters", [])]
                parameters = tuple(self._parameter(file, one) for one in raw)
                aliases = tuple(self.aliases.get(path, ()))
                yield Operation(file, path, method, node, aliases, parameters)

    def _parameter(self, file: str, node: Json) -> Parameter:
        home, found = self.resolve(file, node)
        place = found["in"]
        required = place == "path" or bool(found.get("required"))
        return Parameter(
            found["name"], place, python_name(found["name"]), required, found["schema"], home
        )


def snake(name: str) -> str:
    """`uploadContentToMXC` as `upload_content_to_mxc`."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    return re.sub(r"[^a-zA-Z0-9]+", "_", parted).strip("_").lower()


def pascal(name: str) -> str:
    """`inviteUser`, `room_send` as `InviteUser`, `RoomSend`."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^a-zA-Z0-9]+", name))


def python_name(name: str) -> str:
    """The field of a record for a name on the wire."""
    found = snake(name)
    if found[0].isdigit():
        return f"field_{found}"
    return f"{found}_" if keyword.iskeyword(found) else found


def module_of(file: str) -> str:
    """`client-server/room_send.yaml` as `chat_api.client_server.room_send`."""
    api, stem = file.removesuffix(".yaml").split("/")
    return f"chat_api.{snake(api)}.{stem}"


# --- Schemas ---------------------------------------------------------------------------------


class Schemas:
    """What a schema means for Python: one place for every rule of spec/README.md."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.class_names = self._class_names()
        self.incoming = self._incoming()

    def _class_names(self) -> dict[Key, str]:
        """The class of each component. A body `FooRequest` is `FooBody`: the record is the request."""
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


# --- Annotations -----------------------------------------------------------------------------


@dataclass(slots=True)
class Hints:
    """Writes the annotations of one module and remembers what they need imported."""

    schemas: Schemas
    file: str
    imports: set[tuple[str, str]] = field(default_factory=set)

    def use(self, module: str, name: str) -> str:
        """`name`, imported from `module`."""
        if module != module_of(self.file):
            self.imports.add((module, name))
        return name

    def of(self, file: str, schema: Json, *, fields: bool = False) -> str:
        """The annotation for a schema. With `fields`, open objects are their checked fields."""
        if schema.get("x-raw"):
            self.use("msgspec", "Raw")
            return "list[Raw]" if self._is_array(file, schema) else "Raw"
        if self.schemas.is_any(file, schema):
            return self.use("typing", "Any")
        if "$ref" in schema:
            return self._reference(self.schemas.key(file, schema["$ref"]), fields=fields)
        branches = schema.get("oneOf") or schema.get("anyOf")
        if branches:
            return " | ".join(self.of(file, one, fields=fields) for one in branches)
        hint = self._inline(file, schema, fields=fields)
        return f"{hint} | None" if "null" in types(schema) else hint

    def _is_array(self, file: str, schema: Json) -> bool:
        return "array" in types(self.schemas.spec.resolve(file, schema)[1])

    def _reference(self, key: Key, *, fields: bool) -> str:
        schema = self.schemas.schema(key)
        if schema.get("x-raw"):
            return self.of(key.file, schema)
        if not self.schemas.is_open(key.file, schema):
            alias_of_open = fields and self._open_inside(key)
            if alias_of_open:
                return self.of(key.file, schema, fields=True)
            return self.use(module_of(key.file), self.schemas.class_names[key])
        if fields and self.schemas.plain(key.file, schema).get("properties"):
            return self.use(module_of(key.file), f"{self.schemas.class_names[key]}Fields")
        self.use("typing", "Any")
        return "dict[str, Any]"

    def _open_inside(self, key: Key) -> bool:
        """Whether a component that is no class (a list, map or union) holds open objects."""
        schema = self.schemas.schema(key)
        if "properties" in schema or "allOf" in schema:
            return False
        plain = Hints(self.schemas, key.file).of(key.file, schema)
        return plain != Hints(self.schemas, key.file).of(key.file, schema, fields=True)

    def _inline(self, file: str, schema: Json, *, fields: bool) -> str:
        named = types(schema) - {"null"}
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            self.use("typing", "Literal")
            return f"Literal[{', '.join(repr(v) for v in values if v is not None)}]"
        if named == {"array"}:
            items = self.of(file, schema.get("items", {"x-raw": False}), fields=fields)
            return self._bounded(f"list[{items}]", schema)
        if named == {"object"}:
            return self._bounded(self._mapping(file, schema, fields=fields), schema)
        if len(named) == 1 and (kind := next(iter(named))) in SCALARS:
            return self._bounded(SCALARS[kind], schema)
        return self.use("typing", "Any")

    def _mapping(self, file: str, schema: Json, *, fields: bool) -> str:
        values = schema.get("additionalProperties")
        if isinstance(values, dict) and "x-open" not in schema:
            return f"dict[str, {self.of(file, values, fields=fields)}]"
        if "x-open" not in schema:
            raise SpecError(f"{file}: an object inside another needs a name of its own: {schema}")
        return f"dict[str, {self.use('typing', 'Any')}]"

    def _bounded(self, hint: str, schema: Json) -> str:
        bounds = [f"{BOUNDS[word]}={schema[word]}" for word in BOUNDS if word in schema]
        if not bounds:
            return hint
        self.use("typing", "Annotated")
        self.use("msgspec", "Meta")
        return f"Annotated[{hint}, Meta({', '.join(bounds)})]"

    def lines(self) -> str:
        """The import statements."""
        return "\n".join(f"from {module} import {name}" for module, name in sorted(self.imports))


# --- Models, by datamodel-code-generator -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelWriter:
    """Restates the components of one file so that datamodel-code-generator makes what we want."""

    schemas: Schemas
    file: str

    def definitions(self) -> Json:
        """The `$defs` of the file: classes, aliases, and the checked fields of open objects."""
        found: Json = {}
        for name, schema in self.schemas.spec.schemas(self.file).items():
            key = Key(self.file, name)
            plain = self.schemas.plain(self.file, schema)
            class_name = self.schemas.class_names[key]
            if self.schemas.is_open(self.file, schema):
                if plain.get("properties") and key in self.schemas.incoming:
                    found[f"{class_name}Fields"] = self._object(plain, fields=True)
            elif plain.get("properties") is not None:
                found[class_name] = self._object(plain, fields=False)
            elif not self.schemas.is_any(self.file, plain) and not plain.get("x-raw"):
                found[class_name] = self._node(plain, fields=False)
        return found

    def _object(self, schema: Json, *, fields: bool) -> Json:
        required = set(schema.get("required", []))
        properties = {
            name: self._property(node, name in required, fields=fields)
            for name, node in schema["properties"].items()
        }
        return {
            "type": "object",
            "description": " ".join(schema.get("description", "").split()),
            "properties": properties,
            "required": list(properties),
        }

    def _property(self, node: Json, required: bool, *, fields: bool) -> Json:
        """A field; one that may be absent is None, unless it has a default of its own."""
        found = self._node(node, fields=fields)
        if required:
            return found
        if node.get("default") is not None:
            return found | {"default": node["default"]}
        return nullable(found) | {"default": None}

    def _node(self, schema: Json, *, fields: bool) -> Json:
        if schema.get("x-raw"):
            raw = {"$ref": self._at(COMMON, "RawJson")}
            resolved = self.schemas.spec.resolve(self.file, schema)[1]
            return {"type": "array", "items": raw} if "array" in types(resolved) else raw
        if self.schemas.is_any(self.file, schema):
            return {}
        if "$ref" in schema:
            return self._reference(self.schemas.key(self.file, schema["$ref"]), fields=fields)
        branches = schema.get("oneOf") or schema.get("anyOf")
        if branches:
            return {"anyOf": [self._node(one, fields=fields) for one in branches]}
        found = self._inline(schema, fields=fields)
        return nullable(found) if "null" in types(schema) else found

    def _reference(self, key: Key, *, fields: bool) -> Json:
        schema = self.schemas.schema(key)
        name = self.schemas.class_names[key]
        if schema.get("x-raw"):
            return ModelWriter(self.schemas, key.file)._node(schema, fields=fields)
        if not self.schemas.is_open(key.file, schema):
            return {"$ref": self._at(key.file, name)}
        if fields and self.schemas.plain(key.file, schema).get("properties"):
            return {"$ref": self._at(key.file, f"{name}Fields")}
        return {"type": "object", "additionalProperties": True}

    def _inline(self, schema: Json, *, fields: bool) -> Json:
        kind = next(iter(types(schema) - {"null"}))
        found: Json = {"type": kind} | {word: schema[word] for word in BOUNDS if word in schema}
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            found["enum"] = [value for value in values if value is not None]
        if kind == "array":
            found["items"] = self._node(schema.get("items", {}), fields=fields)
        if kind == "object":
            values = schema.get("additionalProperties", True)
            is_map = isinstance(values, dict) and "x-open" not in schema
            found["additionalProperties"] = self._node(values, fields=fields) if is_map else True
        return found

    def _at(self, file: str, name: str) -> str:
        here = "" if file == self.file else f"../{json_name(file)}"
        return f"{here}#/$defs/{name}"


def nullable(schema: Json) -> Json:
    """The schema with null beside its own values."""
    if "type" in schema and "enum" not in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema | {"type": [*(kind for kind in named if kind != "null"), "null"]}
    if schema.get("anyOf", [{}])[-1] == {"type": "null"} or not schema:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def json_name(file: str) -> str:
    """Where the restated components of a YAML file stand, for datamodel-code-generator."""
    api, stem = file.removesuffix(".yaml").split("/")
    return f"{snake(api)}/{stem}.json"


def write_models(schemas: Schemas, work: Path) -> dict[str, str]:
    """The models as datamodel-code-generator writes them: text by YAML file."""
    source, target = work / "schemas", work / "models"
    files = [file for file in schemas.spec.documents if schemas.spec.has_module(file)]
    for file in files:
        definitions = ModelWriter(schemas, file).definitions()
        if file == COMMON:
            definitions["RawJson"] = {"type": "object", "properties": {}}
        path = source / json_name(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"$defs": definitions}), "utf-8")
    generate(
        input_=source,
        output=target,
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.MsgspecStruct,
        target_python_version=PythonVersion.PY_311,
        keyword_only=True,
        extra_template_data=defaultdict(dict, {"#all#": {"base_class_kwargs": STRUCT_OPTIONS}}),
        snake_case_field=True,
        enum_field_as_literal=LiteralType.All,
        use_annotated=True,
        use_schema_description=True,
        use_single_line_docstring=True,
        use_typed_nullable_map_values=True,
        use_exact_imports=True,
        use_union_operator=True,
        use_standard_collections=True,
        apply_default_values_for_required_fields=True,
        skip_root_model=True,
        disable_timestamp=True,
        type_overrides={"RawJson": "msgspec.Raw"},
        formatters=[],
    )
    paths = {file: (target / json_name(file)).with_suffix(".py") for file in files}
    return {
        file: with_defaults(path.read_text("utf-8")) if path.exists() else ""
        for file, path in paths.items()
    }


RENAMED_OPTIONAL = re.compile(r"(\| None = field\(name=['\"][^'\"]*['\"])\)")


def with_defaults(text: str) -> str:
    """Let renamed fields be absent too: datamodel-code-generator drops the default beside a name."""
    return RENAMED_OPTIONAL.sub(r"\1, default=None)", text)


def with_checks(schemas: Schemas, hints: Hints, text: str) -> str:
    """Give each class that is read and holds open objects a `__post_init__` that checks these."""
    checks = {}
    for name, schema in schemas.spec.schemas(hints.file).items():
        key = Key(hints.file, name)
        plain = schemas.plain(hints.file, schema)
        if key in schemas.incoming and not schemas.is_open(hints.file, schema):
            lines = _check_lines(hints, plain.get("properties", {}))
            if lines:
                checks[schemas.class_names[key]] = lines
    lines = text.splitlines()
    classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    for node in reversed(classes):
        if node.name in checks:
            hints.use("chat_api.base", "check_open")
            end = node.end_lineno or 0
            lines[end:end] = ["", "    def __post_init__(self) -> None:", *checks[node.name]]
    return "\n".join(lines) + "\n"


def _check_lines(hints: Hints, properties: Json) -> list[str]:
    lines = []
    for name, node in properties.items():
        plain = Hints(hints.schemas, hints.file).of(hints.file, node)
        if plain == Hints(hints.schemas, hints.file).of(hints.file, node, fields=True):
            continue
        hint = hints.of(hints.file, node, fields=True)
        lines.append(f"        check_open({name!r}, self.{python_name(name)}, {hint})")
    return lines


# --- Routing stubs ---------------------------------------------------------------------------


@dataclass(slots=True)
class StubWriter:
    """Writes, after the models of a file, its request records, its Protocol and its clients."""

    schemas: Schemas
    hints: Hints
    operations: list[Operation]

    def text(self) -> str:
        """The source; empty for a file without operations."""
        if not self.operations:
            return ""
        parts = [self._record(operation) for operation in self.operations]
        api = self.operations[0].api
        if api in SERVED:
            parts.append(self._protocol())
        if api in CALLED:
            parts += [self._client(operation) for operation in self.operations]
        return "\n\n".join(parts)

    def _record(self, operation: Operation) -> str:
        self.hints.use("dataclasses", "dataclass")
        fields = [self._field(parameter) for parameter in operation.parameters]
        body = self.body(operation)
        if body is not None:
            fields.append(f"    body: {body}")
        head = f"@dataclass(frozen=True, slots=True, kw_only=True)\nclass {operation.record}:\n"
        title = f'    """{operation.method.upper()} {operation.path}"""\n\n'
        return head + title + "\n".join(fields)

    def _field(self, parameter: Parameter) -> str:
        hint = self.hints.of(parameter.file, parameter.schema)
        if parameter.required:
            return f"    {parameter.field}: {hint}"
        _, schema = self.schemas.spec.resolve(parameter.file, parameter.schema)
        default = schema.get("default")
        if default is None:
            return f"    {parameter.field}: {hint} | None = None"
        return f"    {parameter.field}: {hint} = {default!r}"

    def body(self, operation: Operation) -> str | None:
        """The annotation of the body, None where there is none."""
        request = operation.node.get("requestBody")
        if request is None:
            return None
        schema = json_schema(request)
        if schema is None:
            return self.hints.use("chat_api.base", "Stream")
        return self.hints.of(operation.file, schema)

    def check(self, operation: Operation) -> str | None:
        """The class of the fields to check in a body that is an open object or holds some."""
        schema = json_schema(operation.node.get("requestBody", {}))
        return None if schema is None else self.open_check(operation, schema)

    def open_check(self, operation: Operation, schema: Json) -> str | None:
        """The annotation by which to check an open value, None where nothing is to be checked."""
        plain = Hints(self.schemas, operation.file).of(operation.file, schema)
        if plain == Hints(self.schemas, operation.file).of(operation.file, schema, fields=True):
            return None
        return self.hints.of(operation.file, schema, fields=True)

    def answer(self, operation: Operation) -> str:
        """The annotation of what the handler returns."""
        found: list[str] = []
        for status, response in operation.node["responses"].items():
            if status[0] not in "23":
                continue
            _, node = self.schemas.spec.resolve(operation.file, response)
            schema = json_schema(node)
            if schema is None:
                found.append(self.hints.use("chat_api.base", "RawResponse"))
            else:
                found.append(self.hints.of(operation.file, schema))
        return " | ".join(dict.fromkeys(found))

    def _protocol(self) -> str:
        self.hints.use("typing", "Protocol")
        self.hints.use("chat_api.base", "Ctx")
        name = f"{pascal(self.operations[0].stem)}Handlers"
        methods = [self._method(operation) for operation in self.operations]
        return f"class {name}(Protocol[Ctx]):\n" + "\n\n".join(methods)

    def _method(self, operation: Operation) -> str:
        head = f"    def {operation.function}(self, ctx: Ctx, request: {operation.record}, /)"
        indent = " " * 8
        lines = []
        errors = self._errors(operation)
        if errors:
            lines += textwrap.wrap(f"Refusals: {errors}.", 88)
        link = operation.node.get("externalDocs", {}).get("url")
        if link:
            lines.append(f"Spec: {re.sub(r'^https://spec.matrix.org/v[0-9.]+/', '', link)}")
        rest = "".join(f"\n{indent}{line}" for line in lines)
        doc = f"{operation.node['summary']}." + (f"\n{rest}\n{indent}" if rest else "")
        return f'{head} -> {self.answer(operation)}:\n{indent}"""{doc}"""\n{indent}...'

    def _errors(self, operation: Operation) -> str:
        found = []
        for status, response in operation.node["responses"].items():
            _, node = self.schemas.spec.resolve(operation.file, response)
            codes = " or ".join(node.get("x-errors", {}))
            if codes:
                found.append(f"{status} {codes}")
        return ", ".join(found)

    def _client(self, operation: Operation) -> str:
        return "\n\n".join(
            part for part in (self._call(operation), self._decoder(operation)) if part
        )

    def _call(self, operation: Operation) -> str:
        use = self.hints.use
        arguments = [f"method={operation.method.upper()!r}", f"path={self._path(operation)}"]
        for place in ("query", "header"):
            named = [p for p in operation.parameters if p.place == place]
            if named:
                word = "query" if place == "query" else "headers"
                pairs = ", ".join(f"{p.name!r}: request.{p.field}" for p in named)
                arguments.append(f"{word}={use('chat_api.base', 'pairs')}({{{pairs}}})")
        if json_schema(operation.node.get("requestBody", {})) is not None:
            arguments.append(f"body={use('msgspec', 'to_builtins')}(request.body)")
        used = "request" if operation.parameters or len(arguments) > 2 else "_request"
        return (
            f"def {operation.function}({used}: {operation.record})"
            f" -> {use('chat_api.base', 'OutgoingRequest')}:\n"
            f'    """{operation.node["summary"]}."""\n'
            f"    return OutgoingRequest({', '.join(arguments)})"
        )

    def _path(self, operation: Operation) -> str:
        named = {p.name: p.field for p in operation.parameters if p.place == "path"}
        if not named:
            return repr(operation.path)
        self.hints.use("chat_api.base", "quoted")
        written = re.sub(
            r"\{(\w+)\}", lambda found: f"{{quoted(request.{named[found[1]]})}}", operation.path
        )
        return f'f"{written}"'

    def _decoder(self, operation: Operation) -> str:
        answers = self.schemas.json_answers(operation)
        if not answers:
            return ""
        schema = answers[0][1]
        hint = self.hints.of(operation.file, schema)
        self.hints.use("msgspec", "json")
        lines = [
            f"def decode_{operation.function}(body: bytes) -> {hint}:",
            '    """The answer. Raises msgspec.DecodeError or UnicodeDecodeError."""',
        ]
        check = self.open_check(operation, schema)
        if check is None:
            return "\n".join([*lines, f"    return json.decode(body, type={hint})"])
        self.hints.use("msgspec", "convert")
        lines += [
            f"    answer = json.decode(body, type={hint})",
            f"    convert(answer, {check})",
            "    return answer",
        ]
        return "\n".join(lines)


def write_routes(spec: Spec, schemas: Schemas, api: str) -> str:
    """The table of an API's operations and the function that registers their handlers."""
    files = [file for file in spec.files(api) if spec.operations_of(file)]
    package = f"chat_api.{snake(api)}"
    modules = ", ".join(Path(file).stem for file in files)
    hints = Hints(schemas, f"{api}/routes.yaml")
    tables, arguments, calls = [], [], []
    for file in files:
        operations = spec.operations_of(file)
        stem = Path(file).stem
        writer = StubWriter(schemas, hints, operations)
        tables += [_route(writer, operation) for operation in operations]
        arguments.append(f"    {stem}: {stem}.{pascal(stem)}Handlers[Ctx] | None = None,")
        calls += [
            f"    router.add({op.function.upper()}, {stem}.{op.function} if {stem} else None)"
            for op in operations
        ]
    listing = "\n".join(
        f"    {op.function.upper()}," for f in files for op in spec.operations_of(f)
    )
    title = f'"""Every operation of the {api} API, and the place where handlers are handed over."""'
    imports = [
        "from __future__ import annotations",
        "from chat_api.base import Ctx, Operation, Parameter, Router",
        f"from {package} import {modules}",
        hints.lines(),
    ]
    register = [
        "def register(\n    router: Router[Ctx],\n    *,\n" + "\n".join(arguments) + "\n) -> None:",
        '    """Hand each operation to `router` with the function that fills it, None where none."""',
        *calls,
    ]
    body = ["\n".join(tables), f"OPERATIONS = (\n{listing}\n)", "\n".join(register)]
    return "\n\n".join([header(spec, *files), title, "\n".join(imports), *body]) + "\n"


def _route(writer: StubWriter, operation: Operation) -> str:
    node, stem = operation.node, operation.stem
    security = [name for one in node.get("security", []) for name in one]
    record = f"{stem}.{operation.record}"
    arguments = [
        f"id={operation.id!r}",
        f"api={operation.api!r}",
        f"module={stem!r}",
        f"method={operation.method.upper()!r}",
        f"paths={(operation.path, *operation.aliases)!r}",
        f"request={record}",
    ]
    parameters = [_route_parameter(writer.schemas, p) for p in operation.parameters]
    if parameters:
        arguments.append(f"parameters=({', '.join(parameters)},)")
    body = writer.body(operation)
    if body is not None:
        arguments.append(f"body={body}")
    check = writer.check(operation)
    if check is not None:
        arguments.append(f"check={check}")
    if security:
        arguments.append(f"security={security[0]!r}")
    if security and {} in node["security"]:
        arguments.append("auth_optional=True")
    if "x-rate-limit" in node:
        arguments.append(f"rate_limit={node['x-rate-limit']!r}")
    if node.get("x-guests"):
        arguments.append("guests=True")
    if "x-max-body-bytes" in node:
        arguments.append(f"max_body_bytes={node['x-max-body-bytes']}")
    status = next((s for s, _ in writer.schemas.json_answers(operation)), "200")
    if status != "200":
        arguments.append(f"status={status}")
    return f"{operation.function.upper()} = Operation({', '.join(arguments)},)"


def _route_parameter(schemas: Schemas, parameter: Parameter) -> str:
    _, schema = schemas.spec.resolve(parameter.file, parameter.schema)
    arguments = [repr(parameter.name), repr(parameter.place), repr(parameter.field)]
    if "array" in types(schema):
        arguments.append("many=True")
    return f"Parameter({', '.join(arguments)})"


# --- Files -----------------------------------------------------------------------------------


def header(spec: Spec, *files: str) -> str:
    """The first line of a generated file."""
    names = files[0] if len(files) == 1 else f"{files[0].split('/')[0]}/*.yaml"
    digest = spec.digest(*files)
    return f"# Generated by codegen.py from spec/{names} (sha256 {digest}). DO NOT EDIT: run `make generate`."


def python_files(spec: Spec, work: Path) -> dict[str, str]:
    """Every generated module, not yet formatted, by its path under generated/."""
    schemas = Schemas(spec)
    models = write_models(schemas, work)
    files = {"chat_api/__init__.py": "", "chat_api/py.typed": "", "chat_api/base.py": BASE}
    for file, text in models.items():
        hints = Hints(schemas, file)
        checked = with_checks(schemas, hints, text)
        stubs = StubWriter(schemas, hints, spec.operations_of(file)).text()
        imports, rest = split_imports(checked, file)
        title = spec.documents[file].get("info", {}).get("title", "Shared schemas")
        parts = [header(spec, file), f'"""{title}."""', imports, hints.lines(), rest, stubs]
        files[module_of(file).replace(".", "/") + ".py"] = "\n\n".join(parts) + "\n"
    for api in sorted({file.split("/")[0] for file in models}):
        files[f"chat_api/{snake(api)}/__init__.py"] = ""
        if api in SERVED and any(spec.operations_of(file) for file in spec.files(api)):
            files[f"chat_api/{snake(api)}/routes.py"] = write_routes(spec, schemas, api)
    return files


def split_imports(text: str, file: str) -> tuple[str, str]:
    """The import statements of a file's models, made absolute, and the rest without comments."""
    lines = text.splitlines()
    body = ast.parse(text).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom | ast.Import)]
    end = imports[-1].end_lineno or 0 if imports else 0
    package = module_of(file).rpartition(".")[0]
    kept = [
        line.replace("from ..", "from chat_api.").replace("from .", f"from {package}.")
        for line in lines[:end]
        if not line.startswith("#")
    ]
    rest = [line for line in lines[end:] if not line.startswith("#")]
    if not imports:
        kept = ["from __future__ import annotations"]
    return "\n".join(kept), "\n".join(rest)


def formatted(files: dict[str, str], work: Path) -> dict[str, str]:
    """The modules with imports sorted and pruned, in the format of the project."""
    root = work / "python"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", "--quiet", "--line-length", "100"]
    select = ["--fix", "--select", "I,F401,UP037", "--target-version", "py311"]
    subprocess.run([*ruff, "check", *select, *options, str(root)], check=True)
    subprocess.run([*ruff, "format", *options, str(root)], check=True)
    return {name: (root / name).read_text("utf-8") for name in files}


BASE = '''\
# Generated by codegen.py. DO NOT EDIT: run `make generate`.
"""What every generated module builds on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote, urlencode

from msgspec import ValidationError, convert

Ctx = TypeVar("Ctx", contravariant=True)
RouterCtx = TypeVar("RouterCtx", covariant=True)


def check_open(name: str, value: object, type_: Any) -> None:
    """Check the known fields of the open object, or list or map of such, in field `name`.

    Raises ValueError, which msgspec completes with the path of the object that has the field.
    """
    if value is None:
        return
    try:
        convert(value, type_)
    except ValidationError as error:
        raise ValueError(f"{name}: {error}") from None


@runtime_checkable
class Stream(Protocol):
    """A body that is not JSON; `read` gives at most `size` bytes, and b"" at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RawResponse:
    """An answer that is not one JSON struct: files, redirects, text, JSON from elsewhere."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name on the wire, and the field of the request record that holds it."""

    name: str
    place: Literal["path", "query", "header"]
    field: str
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as spec/ describes it. `paths` are the template of today and its old forms.

    `body` is the type of the body, None where none is read; `check` the type against which an open
    body is checked beside. `rate_limit` is a rc_* key of the configuration.
    """

    id: str
    api: str
    module: str
    method: str
    paths: tuple[str, ...]
    request: type[Any]
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    check: Any = None
    security: Literal["accessToken", "homeserverToken", "xMatrix", "identityToken"] | None = None
    auth_optional: bool = False
    rate_limit: str | None = None
    guests: bool = False
    max_body_bytes: int = 1_048_576
    status: int = 200


class Router(Protocol[RouterCtx]):
    """What `register` hands the operations to."""

    def add(
        self, operation: Operation, handler: Callable[[RouterCtx, Any], Any] | None, /
    ) -> None:
        """Answer an operation by `handler`, or as unknown where it is None or `unfilled`."""
        ...


def unfilled(_ctx: Any, _request: Any, /) -> NoReturn:
    """Stands in a module for an operation that is still to be written; it is never called."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """A request to send: `path` is encoded, `body` is a JSON value or None for no body."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def quoted(value: object) -> str:
    """A path segment, percent-encoded."""
    return quote(str(value), safe="")


def pairs(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Query parameters or headers as text; None is left out, a list is repeated."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        several = value if isinstance(value, list) else [value]
        found += [(name, _text(one)) for one in several if one is not None]
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
'''


def generated_files(spec: Spec) -> dict[str, str]:
    """Everything that belongs under generated/, by path."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        files = formatted(python_files(spec, work), work)
    return files


def differences(files: dict[str, str], target: Path) -> list[str]:
    """The paths under `target` that are missing, different or too many."""
    present = {
        path.relative_to(target).as_posix()
        for path in target.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    changed = [
        name
        for name, text in files.items()
        if name not in present or (target / name).read_text("utf-8") != text
    ]
    return sorted([*changed, *(present - files.keys())])


def write(files: dict[str, str], target: Path) -> list[str]:
    """Make `target` hold `files` and nothing else; gives the paths that changed."""
    changed = differences(files, target)
    for name in changed:
        path = target / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], "utf-8")
        else:
            path.unlink()
    return changed


def main() -> int:
    """Write generated/, or compare it with what would be written."""
    parser = argparse.ArgumentParser(description="Generate code and documents from spec/.")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 on a difference")
    arguments = parser.parse_args()
    target = ROOT / "generated"
    try:
        files = generated_files(Spec(ROOT / "spec"))
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.check:
        stale = differences(files, target)
        print("\n".join(f"generated/{name} is not up to date" for name in stale) or "up to date")
        return 1 if stale else 0
    changed = write(files, target)
    print(f"{len(files)} files, {len(changed)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
