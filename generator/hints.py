"""Writes annotations."""

from dataclasses import dataclass, field

from generator.names import module_of
from generator.schemas import BOUNDS, Schemas, bounds, types
from generator.spec import COMMON, Json, Key, SpecError

ANY_INTEGER = bounds({"type": "integer"})
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


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
        found = bounds(schema)
        if found == ANY_INTEGER:
            return self.use(module_of(COMMON), "Integer")
        if not found:
            return hint
        self.use("typing", "Annotated")
        self.use("msgspec", "Meta")
        words = ", ".join(f"{BOUNDS[word]}={found[word]}" for word in BOUNDS if word in found)
        return f"Annotated[{hint}, Meta({words})]"

    def lines(self) -> str:
        """The import statements."""
        return "\n".join(f"from {module} import {name}" for module, name in sorted(self.imports))
