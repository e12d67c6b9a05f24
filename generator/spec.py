"""Reads spec/: documents, references, operations."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from generator.names import pascal, python_name, snake

METHODS = ("get", "put", "post", "delete", "patch")
SERVED = ("client-server", "media", "federation", "identity", "admin", "extra")
CALLED = ("federation", "identity", "application-service", "push-gateway")
COMMON = "common/schemas.yaml"
LEGACY = "extra/legacy_paths.yaml"

Json: TypeAlias = dict[str, Any]


class SpecError(Exception):
    """spec/ says something that cannot be generated; the message names the file."""


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
                node = _with_optional_token(item[method])
                raw = [*item.get("parameters", []), *node.get("parameters", [])]
                parameters = tuple(self._parameter(file, one) for one in raw)
                # A space at the end tells apart two operations on one path (x-selected-by).
                aliases = tuple(old.rstrip() for old in self.aliases.get(path, ()))
                yield Operation(file, path.rstrip(), method, node, aliases, parameters)

    def _parameter(self, file: str, node: Json) -> Parameter:
        home, found = self.resolve(file, node)
        place = found["in"]
        required = place == "path" or bool(found.get("required"))
        return Parameter(
            found["name"], place, python_name(found["name"]), required, found["schema"], home
        )


def _with_optional_token(node: Json) -> Json:
    """What `x-optional-token` says, in OpenAPI's words."""
    if "x-optional-token" not in node:
        return node
    return node | {"security": [{}, {"accessToken": []}]}
