"""Makes msgspec Structs of the schemas, by datamodel-code-generator."""

import ast
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from datamodel_code_generator import InputFileType, LiteralType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import PythonVersion

from generator.hints import Hints
from generator.names import python_name, snake
from generator.schemas import Schemas, bounds, types
from generator.spec import COMMON, Json, Key

INTEGER = {"type": "integer"} | bounds({"type": "integer"})
STRUCT_OPTIONS = {"frozen": True, "omit_defaults": True}
# datamodel-code-generator drops a default of None beside a field's name on the wire.
RENAMED_OPTIONAL = re.compile(r"(\| None = field\(name=['\"][^'\"]*['\"])\)")


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
        found: Json = {"type": kind} | bounds(schema)
        if found == INTEGER:
            return {"$ref": self._at(COMMON, "Integer")}
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
            definitions |= {"RawJson": {"type": "object", "properties": {}}, "Integer": INTEGER}
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


def with_defaults(text: str) -> str:
    """Let renamed fields be absent too."""
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
