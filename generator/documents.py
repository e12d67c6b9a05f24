"""Writes the published description: all APIs that are served, as one OpenAPI document.

References between files become references into `components.schemas`; parameters and responses are
written out. Errors stand in full: those of `x-errors`, and those that the pipeline adds everywhere.
"""

from collections import Counter
from typing import Any

import yaml

from generator.names import pascal
from generator.schemas import Schemas
from generator.spec import SERVED, Json, Key, Operation, Spec

INTERNAL = {"x-raw", "x-errors"}
TITLE = "Chat Server"
DESCRIPTION = (
    "A Matrix homeserver and identity server. This document holds every route that it has; those"
    " that are not filled yet answer 404 M_UNRECOGNIZED. Its prose is the project's own, the"
    " protocol is that of https://spec.matrix.org/v1.19/."
)

MISSING_TOKEN = {"M_MISSING_TOKEN": "The request carries no access token."}
UNKNOWN_TOKEN = {"M_UNKNOWN_TOKEN": "The access token is not known, or no longer."}
UNSIGNED = {
    "M_UNAUTHORIZED": "The request is not signed as it must be.",
    "M_FORBIDDEN": "The signature of the calling server is wrong.",
}
NO_GUESTS = {"M_GUEST_ACCESS_FORBIDDEN": "Guests may not do this."}
UNREADABLE_BODY = {
    "M_NOT_JSON": "The body is not JSON.",
    "M_BAD_JSON": "A field of the body has a wrong type or lies out of bounds.",
}
MISSING_PARAM = {"M_MISSING_PARAM": "A required parameter or field is absent."}
INVALID_PARAM = {"M_INVALID_PARAM": "A parameter has a wrong type or lies out of bounds."}
TOO_LARGE = {"M_TOO_LARGE": "The body is larger than allowed."}
INTERNAL_ERROR = {"M_UNKNOWN": "The server failed."}
UNAVAILABLE = {"M_UNKNOWN": "The server cannot reach its database, or not write to it."}
WORDS = {
    "400": "The request cannot be understood.",
    "401": "The caller is not known.",
    "403": "The caller may not do this.",
    "413": "The request is too large.",
    "500": "The server failed; what it was stands in its log.",
    "503": "The server cannot do this now; `Retry-After` says when to try again.",
}
SOFT_LOGOUT = {
    "type": "boolean",
    "description": "With M_UNKNOWN_TOKEN: whether the device is kept, to be logged in again.",
}


def shared_errors(operation: Operation, spec: Spec) -> dict[str, dict[str, str]]:
    """The errcodes that the steps around a handler give, by status; what each means."""
    node = operation.node
    schemes = {name for one in node.get("security", []) for name in one}
    has_json = "application/json" in node.get("requestBody", {}).get("content", {})
    found: dict[str, dict[str, str]] = {"400": {}, "401": {}, "403": {}, "413": {}}
    if has_json:
        found["400"] |= UNREADABLE_BODY
    if operation.parameters:
        found["400"] |= INVALID_PARAM
    if requires_something(operation, spec):
        found["400"] |= MISSING_PARAM
    if "requestBody" in node:
        found["413"] |= TOO_LARGE
    if "xMatrix" in schemes:
        found["401"] |= UNSIGNED
    elif schemes:
        found["401"] |= UNKNOWN_TOKEN if {} in node["security"] else MISSING_TOKEN | UNKNOWN_TOKEN
    if "accessToken" in schemes and not node.get("x-guests"):
        found["403"] |= NO_GUESTS
    found["500"] = INTERNAL_ERROR
    found["503"] = UNAVAILABLE
    return {status: codes for status, codes in found.items() if codes}


def requires_something(operation: Operation, spec: Spec) -> bool:
    """Whether a request can lack a parameter, or a field somewhere in its body."""
    if any(one.required and one.place != "path" for one in operation.parameters):
        return True
    content = operation.node.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("schema", {})
    return _has_required_field(operation.file, body, spec, set())


def _has_required_field(file: str, schema: Json, spec: Spec, seen: set[int]) -> bool:
    if "$ref" in schema:
        file, _, schema = spec.follow(file, schema["$ref"])
    if id(schema) in seen:
        return False
    seen.add(id(schema))
    parts = list(schema.get("properties", {}).values())
    for word in ("allOf", "anyOf", "oneOf"):
        parts += schema.get(word, [])
    parts += [schema[word] for word in ("items", "additionalProperties") if word in schema]
    return bool(schema.get("required")) or any(
        _has_required_field(file, part, spec, seen) for part in parts if isinstance(part, dict)
    )


RATE_LIMITED = {"$ref": "../common/responses.yaml#/RateLimited"}


class Bundle:
    """All served APIs as one OpenAPI 3.1 document."""

    def __init__(self, spec: Spec, schemas: Schemas) -> None:
        self.spec = spec
        self.schemas = schemas
        self.operations = [one for one in spec.operations if one.api in SERVED]
        self.operation_ids = Counter(one.id for one in self.operations)
        self.names = self._names()
        self.components: Json = {}

    def _names(self) -> dict[Key, str]:
        """The name of each schema: its own where no other API has it, else with its API before."""
        keys = list(self.schemas.class_names)
        count = Counter(key.name for key in keys)
        names = {}
        for key in keys:
            api = key.file.partition("/")[0]
            is_own = count[key.name] == 1 or api == "common"
            names[key] = key.name if is_own else f"{pascal(api)}{key.name}"
        return names

    def document(self) -> Json:
        """The document, in the order in which it is read."""
        paths: Json = {}
        for operation in sorted(self.operations, key=lambda one: one.path):
            item = paths.setdefault(operation.path, {})
            if operation.aliases:
                item["x-aliases"] = sorted(operation.aliases)
            described = self._operation(operation)
            sharing = item.get(operation.method)
            item[operation.method] = _merged(sharing, described) if sharing else described
        return {
            "openapi": "3.1.0",
            "info": {"title": TITLE, "version": "1.19", "description": DESCRIPTION},
            "tags": self._tags(),
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.components.items())),
                "securitySchemes": self.spec.documents["common/security.yaml"],
            },
        }

    def _tags(self) -> list[Json]:
        files = dict.fromkeys(operation.file for operation in self.operations)
        return [{"name": self._tag(file)} for file in sorted(files, key=self._tag_order)]

    def _tag_order(self, file: str) -> tuple[int, str]:
        return SERVED.index(file.partition("/")[0]), file

    def _tag(self, file: str) -> str:
        return f"{file.partition('/')[0]}: {self.spec.documents[file]['info']['title']}"

    def _operation(self, operation: Operation) -> Json:
        node = operation.node
        found: Json = {
            "operationId": self.operation_id(operation),
            "tags": [self._tag(operation.file)],
        }
        for word in ("summary", "description", "deprecated", "externalDocs", "security"):
            if word in node:
                found[word] = node[word]
        found |= {word: node[word] for word in sorted(node) if word.startswith("x-")}
        if node.get("parameters"):
            found["parameters"] = self._plain(operation.file, node["parameters"])
        if "requestBody" in node:
            found["requestBody"] = self._plain(operation.file, node["requestBody"])
        found["responses"] = self._responses(operation)
        return found

    def operation_id(self, operation: Operation) -> str:
        """The operationId, with the API before it where several APIs have it."""
        if self.operation_ids[operation.id] == 1:
            return operation.id
        api = pascal(operation.api)
        return f"{api[0].lower()}{api[1:]}{operation.id[0].upper()}{operation.id[1:]}"

    def _responses(self, operation: Operation) -> Json:
        shared = shared_errors(operation, self.spec)
        declared = dict(operation.node["responses"])
        if "x-rate-limit" in operation.node:
            declared.setdefault("429", RATE_LIMITED)
        found: Json = {}
        for status in sorted({*declared, *shared}):
            node: Json = {"description": WORDS.get(status, "")}
            home = operation.file
            if status in declared:
                home, node = self.spec.resolve(home, declared[status])
            codes = node.get("x-errors", {}) | shared.get(status, {})
            found[status] = self._response(home, node, codes)
        return found

    def _response(self, home: str, node: Json, codes: dict[str, str]) -> Json:
        response: Json = self._plain(home, node)
        if not codes:
            return response
        media = response.setdefault("content", {}).setdefault("application/json", {})
        error = _error_schema(codes)
        media["schema"] = {"anyOf": [media["schema"], error]} if "schema" in media else error
        return response

    def _plain(self, file: str, node: Any) -> Any:
        """`node` of `file` with schemas by reference and everything else written out."""
        if isinstance(node, list):
            return [self._plain(file, one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return self._reference(file, node)
        return {word: self._plain(file, v) for word, v in node.items() if word not in INTERNAL}

    def _reference(self, file: str, node: Json) -> Any:
        target, name, found = self.spec.follow(file, node["$ref"])
        key = Key(target, name)
        if key not in self.names or found is not self.schemas.schema(key):
            return self._plain(target, found)
        unique = self.names[key]
        if unique not in self.components:
            self.components[unique] = {}  # a schema may hold itself
            self.components[unique] = self._plain(target, found)
        siblings = {w: v for w, v in node.items() if w in ("description", "deprecated")}
        return {"$ref": f"#/components/schemas/{unique}"} | siblings


def _merged(one: Json, other: Json) -> Json:
    """Two operations on one path and method as OpenAPI can say it: either body, either answer."""
    plain, special = (one, other) if "x-selected-by" in other else (other, one)
    merged = special | plain
    merged["description"] = f"{plain['description']} {special['description']}"
    parameters = {p["name"]: p for p in special.get("parameters", [])}
    parameters = {name: p | {"required": p["in"] == "path"} for name, p in parameters.items()}
    parameters |= {p["name"]: p for p in plain.get("parameters", [])}
    merged["parameters"] = list(parameters.values())
    bodies = [node["requestBody"] for node in (plain, special) if "requestBody" in node]
    if len(bodies) == 2:
        schemas = [body["content"]["application/json"]["schema"] for body in bodies]
        media = bodies[0]["content"]["application/json"] | {"schema": {"anyOf": schemas}}
        merged["requestBody"] = bodies[0] | {"content": {"application/json": media}}
    merged["responses"] = {
        status: _either(
            [node["responses"][status] for node in (plain, special) if status in node["responses"]]
        )
        for status in sorted({*plain["responses"], *special["responses"]})
    }
    return merged


def _either(responses: list[Json]) -> Json:
    schemas = [
        response["content"]["application/json"]["schema"]
        for response in responses
        if "application/json" in response.get("content", {})
    ]
    if len(schemas) < 2 or schemas[0] == schemas[1]:
        return responses[0]
    media = responses[0]["content"]["application/json"] | {"schema": {"anyOf": schemas}}
    return responses[0] | {"content": {"application/json": media}}


def _error_schema(codes: dict[str, str]) -> Json:
    meanings = "\n".join(f"- {code}: {when}" for code, when in sorted(codes.items()))
    properties: Json = {
        "errcode": {"type": "string", "enum": sorted(codes), "description": meanings},
        "error": {"type": "string", "description": "A sentence for a person."},
    }
    if "M_UNKNOWN_TOKEN" in codes:
        properties["soft_logout"] = SOFT_LOGOUT
    return {"type": "object", "required": ["errcode", "error"], "properties": properties}


# --- OpenAPI 3.0.3 ---------------------------------------------------------------------------


def downgrade(document: Json) -> Json:
    """The document in OpenAPI 3.0.3, for tools that do not know 3.1; looser where it must be."""
    found: Json = _older(document)
    found["openapi"] = "3.0.3"
    schemes = found["components"]["securitySchemes"]
    for name, scheme in schemes.items():
        if scheme.get("scheme") != "bearer":
            described = {"description": scheme["description"]}
            schemes[name] = {"type": "apiKey", "in": "header", "name": "Authorization"} | described
    return found


def _older(node: Any) -> Any:
    if isinstance(node, list):
        return [_older(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    return _older_schema({w: v if w == "example" else _older(v) for w, v in node.items()})


def _older_schema(node: Json) -> Json:
    kinds = node.get("type")
    if isinstance(kinds, list):
        node = {word: value for word, value in node.items() if word != "type"}
        named = [kind for kind in kinds if kind != "null"]
        if len(named) == 1:
            node = {"type": named[0]} | node
        if "null" in kinds:
            node["nullable"] = True
    if node.get("type") == "array" and "items" not in node:
        node["items"] = {}
    if "const" in node and isinstance(kinds, str):
        node["enum"] = [node.pop("const")]
    return node


# --- YAML ------------------------------------------------------------------------------------


class _Dumper(yaml.CSafeDumper):
    """Writes equal parts twice instead of naming them, and long texts as blocks."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never write an anchor."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(document: Json, head: str) -> str:
    """The document as YAML under a comment."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"{head}\n{text}"
