"""Checks spec/ against the rules of spec/README.md (`make check-spec`).

    python spec_check.py [SPEC_DIR]

Prints one line per problem, `file: location: problem`, and exits 1 where there is any.
Each rule is a generator over a loaded `Spec`; `RULES` lists them.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
COMBINERS = ("oneOf", "anyOf", "allOf")
FEWEST_WORDS = 15
JSON = "application/json"
BASE_URI = "file:///"
SHARED_SCHEMAS = "common/schemas.yaml"
LEGACY_PATHS = "extra/legacy_paths.yaml"

Node = dict[str, Any]


class SpecError(Exception):
    """A file cannot be read as YAML, or a `$ref` leads nowhere."""


class Problem(NamedTuple):
    """One breach of a rule; `str()` gives the line to print."""

    file: str
    keys: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.keys) or 'file'}: {self.text}"


class Place(NamedTuple):
    """A mapping of the spec and where it stands, by which relative `$ref`s are followed."""

    file: str
    keys: tuple[str, ...]
    node: Node

    def at(self, *keys: str) -> Place:
        """The mapping below, empty where there is none."""
        node: Any = self.node
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return Place(self.file, (*self.keys, *keys), node if isinstance(node, dict) else {})

    def each(self) -> Iterator[Place]:
        """The mappings that stand directly under the keys of this one."""
        for key, node in self.node.items():
            if isinstance(node, dict):
                yield Place(self.file, (*self.keys, str(key)), node)

    def listed(self, key: str) -> Iterator[Place]:
        """The mappings in the list under `key`."""
        for index, node in enumerate(self.node.get(key) or ()):
            if isinstance(node, dict):
                yield Place(self.file, (*self.keys, key, str(index)), node)

    def problem(self, text: str) -> Problem:
        """A problem that stands here."""
        return Problem(self.file, self.keys, text)


class Operation(NamedTuple):
    """One method of one path; `item` holds what all methods of the path share."""

    api: str
    item: Place
    place: Place


@dataclass(frozen=True)
class Spec:
    """All files of a spec directory, by their path in it (`federation/version.yaml`)."""

    files: dict[str, Node]

    def documents(self) -> Iterator[Place]:
        """Every file as a whole."""
        for file, node in self.files.items():
            yield Place(file, (), node)

    def operations(self) -> Iterator[Operation]:
        """Every operation of every file."""
        for document in self.documents():
            for item in document.at("paths").each():
                for method in METHODS:
                    if method in item.node:
                        yield Operation(document.file.split("/")[0], item, item.at(method))

    def follow(self, place: Place) -> Place:
        """Follows `$ref`s to what they stand for; raises SpecError where one leads nowhere."""
        seen = set()
        while "$ref" in place.node:
            target = absolute_ref(place.file, place.node["$ref"])
            if target in seen:
                raise SpecError(f"$ref {place.node['$ref']} leads back to itself")
            seen.add(target)
            place = self._find(target, place.node["$ref"])
        return place

    def _find(self, target: str, ref: str) -> Place:
        file, _, pointer = target.removeprefix(BASE_URI).partition("#")
        keys = tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])
        node: Any = self.files.get(file)
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise SpecError(f"$ref {ref} leads nowhere")
        return Place(file, keys, node)


# --- loading ---------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            line = node.start_mark.line + 1
            raise SpecError(f"a key stands twice in the mapping that begins in line {line}")
        return mapping


def load_spec(root: Path) -> Spec:
    """Reads every YAML file under `root`; raises SpecError for one that is not a YAML mapping."""
    files = {}
    for path in sorted(root.rglob("*.yaml")):
        name = path.relative_to(root).as_posix()
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
        except (yaml.YAMLError, SpecError) as error:
            raise SpecError(f"{name}: file: {error}") from error
        if not isinstance(document, dict):
            raise SpecError(f"{name}: file: not a mapping")
        files[name] = document
    return Spec(files)


def absolute_ref(file: str, ref: str) -> str:
    """A `$ref` as it stands in `file`, as a URI from the root of the spec."""
    target, _, pointer = ref.partition("#")
    if target:
        file = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
    return f"{BASE_URI}{file}#{pointer}"


# --- finding schemas -------------------------------------------------------------------------


def named_schemas(spec: Spec) -> Iterator[Place]:
    """The schemas under `components.schemas`, and those that all files share."""
    for document in spec.documents():
        shared = document.file == SHARED_SCHEMAS
        yield from (document if shared else document.at("components", "schemas")).each()


def unnamed_schemas(place: Place) -> Iterator[Place]:
    """The schemas under a `schema` key: those of parameters, headers and bodies."""
    for below in place.each():
        if below.keys[-1] == "schema":
            yield below
        elif below.keys[-1] not in ("schemas", "example"):
            yield from unnamed_schemas(below)
    yield from (found for entry in place.listed("parameters") for found in unnamed_schemas(entry))


def root_schemas(spec: Spec) -> Iterator[Place]:
    """Every schema that does not stand inside another."""
    yield from named_schemas(spec)
    for document in spec.documents():
        if document.file != SHARED_SCHEMAS:
            yield from unnamed_schemas(document)


def inner_schemas(schema: Place) -> Iterator[Place]:
    """The schemas that stand directly inside this one, `$ref`s not followed."""
    yield from schema.at("properties").each()
    for key in ("additionalProperties", "items"):
        if isinstance(schema.node.get(key), dict):
            yield schema.at(key)
    for key in COMBINERS:
        yield from schema.listed(key)


def with_inner(schema: Place) -> Iterator[Place]:
    """This schema and all that stand inside it, `$ref`s not followed."""
    yield schema
    for inner in inner_schemas(schema):
        yield from with_inner(inner)


def every_schema(spec: Spec) -> Iterator[Place]:
    """Every schema of every file."""
    for root in root_schemas(spec):
        yield from with_inner(root)


def request_schemas(spec: Spec) -> Iterator[Place]:
    """Every schema that a parameter or a request body leads to, each once."""
    pending = []
    for operation in spec.operations():
        for holder in (operation.item, operation.place):
            pending += [spec.follow(entry).at("schema") for entry in holder.listed("parameters")]
        body = spec.follow(operation.place.at("requestBody"))
        pending += [media.at("schema") for media in body.at("content").each()]
    seen = set()
    while pending:
        schema = spec.follow(pending.pop())
        if (schema.file, schema.keys) not in seen:
            seen.add((schema.file, schema.keys))
            pending += inner_schemas(schema)
            yield schema


# --- rules -----------------------------------------------------------------------------------


def references(spec: Spec) -> Iterator[Problem]:
    """Every `$ref` leads somewhere."""

    def broken(place: Place) -> Iterator[Problem]:
        if isinstance(place.node.get("$ref"), str):
            try:
                spec.follow(place)
            except SpecError as error:
                yield place.problem(str(error))
        for key, value in place.node.items():
            if isinstance(value, list):
                for entry in place.listed(key):
                    yield from broken(entry)
        for below in place.each():
            yield from broken(below)

    for document in spec.documents():
        yield from broken(document)


def typed_schemas(spec: Spec) -> Iterator[Problem]:
    """A schema says what it is."""
    for schema in every_schema(spec):
        if not any(key in schema.node for key in ("type", "$ref", *COMBINERS)):
            yield schema.problem("schema without type, $ref, oneOf, anyOf or allOf")


def open_objects(spec: Spec) -> Iterator[Problem]:
    """An object says which keys it has, or why it does not."""
    for schema in every_schema(spec):
        kinds = schema.node.get("type")
        is_object = "object" in (kinds if isinstance(kinds, list) else [kinds])
        if is_object and not _shaped(schema.node):
            yield schema.problem("object without properties, additionalProperties schema or x-open")


def _shaped(node: Node) -> bool:
    values = node.get("additionalProperties")
    described = "properties" in node or "$ref" in node or (isinstance(values, dict) and values)
    return bool(described or isinstance(node.get("x-open"), str))


def named_objects(spec: Spec) -> Iterator[Problem]:
    """An object with properties is a named component."""
    for root in root_schemas(spec):
        named = root.keys[-1] != "schema" or root.keys[:2] == ("components", "schemas")
        for schema in with_inner(root):
            if "properties" in schema.node and not (named and schema is root):
                yield schema.problem(
                    "anonymous object with properties: name it under components.schemas"
                )


def described_properties(spec: Spec) -> Iterator[Problem]:
    """A property has a description, its own or that of the schema it refers to."""
    for schema in every_schema(spec):
        for entry in schema.at("properties").each():
            if not entry.node.get("description") and not spec.follow(entry).node.get("description"):
                yield entry.problem("property without description")


def lenient_requests(spec: Spec) -> Iterator[Problem]:
    """A request is bounded in size and type only, so that no lawful value is refused."""
    for schema in request_schemas(spec):
        if "pattern" in schema.node:
            yield schema.problem("pattern on a request field")
        if schema.node.get("format", "binary") != "binary":  # binary bodies have no other mark
            yield schema.problem("format on a request field")


def descriptions(spec: Spec) -> Iterator[Problem]:
    """An operation has a description of its own, of 15 words or more."""
    seen: dict[str, Place] = {}
    for _, _, place in spec.operations():
        words = str(place.node.get("description") or "").casefold().split()
        if len(words) < FEWEST_WORDS:
            yield place.problem(f"description of {len(words)} words, {FEWEST_WORDS} are the fewest")
        elif (first := seen.setdefault(" ".join(words), place)) is not place:
            yield place.problem(f"same description as {first.file} {'.'.join(first.keys[1:])}")


def error_codes(spec: Spec) -> Iterator[Problem]:
    """An error response names its errcodes."""
    for _, _, place in spec.operations():
        for response in place.at("responses").each():
            if response.keys[-1][0] in "45" and not _names_errcodes(spec, spec.follow(response)):
                yield response.problem("error response without errcodes (x-errors)")


def _names_errcodes(spec: Spec, response: Place) -> bool:
    if response.node.get("x-errors"):
        return True
    media = response.at("content", JSON)
    schema = spec.follow(media.at("schema"))
    # A body in which errcode is optional, as in user-interactive auth, is no error in itself.
    optional = "errcode" not in schema.node.get("required", ())
    return bool(media.node) and (optional or "enum" in schema.at("properties", "errcode").node)


def default_responses(spec: Spec) -> Iterator[Problem]:
    """Each status has a response of its own."""
    for _, _, place in spec.operations():
        if "default" in place.at("responses").node:
            yield place.problem("default response")


def examples(spec: Spec) -> Iterator[Problem]:
    """JSON request bodies and 2xx answers carry an example; every example validates."""
    registry = Registry().with_resources(
        (BASE_URI + file, DRAFT202012.create_resource(node)) for file, node in spec.files.items()
    )
    for operation in spec.operations():
        for holder, needed in _example_holders(spec, operation):
            if "example" in holder.node:
                yield from _validate_example(holder, registry)
            elif needed:
                yield holder.problem("without an example")


def _example_holders(spec: Spec, operation: Operation) -> Iterator[tuple[Place, bool]]:
    """What may have an example, and whether it must."""
    for holder in (operation.item, operation.place):
        yield from ((spec.follow(entry), False) for entry in holder.listed("parameters"))
    body = spec.follow(operation.place.at("requestBody"))
    yield from ((media, media.keys[-1] == JSON) for media in body.at("content").each())
    for response in operation.place.at("responses").each():
        for media in spec.follow(response).at("content").each():
            yield media, media.keys[-1] == JSON and response.keys[-1].startswith("2")


def _validate_example(holder: Place, registry: Registry[Any]) -> Iterator[Problem]:
    schema = _with_absolute_refs(holder.file, holder.node.get("schema", {}))
    validator = Draft202012Validator(schema, registry=registry)
    if error := best_match(validator.iter_errors(holder.node["example"])):
        yield holder.problem(f"example does not validate at {error.json_path}: {error.message}")


def _with_absolute_refs(file: str, node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: absolute_ref(file, value) if key == "$ref" else _with_absolute_refs(file, value)
            for key, value in node.items()
        }
    return [_with_absolute_refs(file, entry) for entry in node] if isinstance(node, list) else node


def operation_ids(spec: Spec) -> Iterator[Problem]:
    """An operation has an operationId that no other of its API has."""
    seen: dict[tuple[str, str], Place] = {}
    for api, _, place in spec.operations():
        name = place.node.get("operationId")
        if not name:
            yield place.problem("without operationId")
        elif (first := seen.setdefault((api, name), place)) is not place:
            yield place.problem(f"operationId {name} stands in {first.file} too")


def schema_names(spec: Spec) -> Iterator[Problem]:
    """A named schema has a name that no other of its API has."""
    seen: dict[tuple[str, str], Place] = {}
    for schema in named_schemas(spec):
        api, name = schema.file.split("/")[0], schema.keys[-1]
        if (first := seen.setdefault((api, name), schema)) is not schema:
            yield schema.problem(f"schema {name} stands in {first.file} too")


def aliases(spec: Spec) -> Iterator[Problem]:
    """An older path stands for a path that exists, with the same parameters."""
    paths = {operation.item.keys[-1] for operation in spec.operations()}
    place = Place(LEGACY_PATHS, (), spec.files.get(LEGACY_PATHS, {})).at("x-aliases")
    for old, target in place.node.items():
        if target not in paths:
            yield place.problem(f"{old}: its target {target} does not exist")
        elif sorted(re.findall(r"{(.*?)}", old)) != sorted(re.findall(r"{(.*?)}", target)):
            yield place.problem(f"{old}: its parameters differ from those of {target}")


RULES: tuple[Callable[[Spec], Iterator[Problem]], ...] = (
    typed_schemas,
    open_objects,
    named_objects,
    described_properties,
    lenient_requests,
    descriptions,
    error_codes,
    default_responses,
    examples,
    operation_ids,
    schema_names,
    aliases,
)


def check(spec: Spec) -> list[Problem]:
    """All problems of the spec; where a `$ref` leads nowhere, these alone."""
    if broken := list(references(spec)):
        return broken
    return [problem for rule in RULES for problem in rule(spec)]


def main(arguments: list[str]) -> int:
    """Checks the directory that the command line names, by default spec/; the exit status."""
    root = Path(arguments[0] if arguments else "spec")
    try:
        spec = load_spec(root)
    except SpecError as error:
        print(error)
        return 1
    problems = check(spec)
    for problem in problems:
        print(problem)
    print(f"{sum(1 for _ in spec.operations())} operations, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
