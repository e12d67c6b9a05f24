"""An operation as the published API describes it, references resolved."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation; `place` is "path", "query" or "header"."""

    name: str
    place: str
    required: bool
    schema: Json
    example: Any

    @classmethod
    def of(cls, node: Json, schema: Json) -> "Parameter":
        """Of a parameter in the document, and its resolved schema."""
        return cls(
            node["name"], node["in"], node.get("required", False), schema, node.get("example")
        )


@dataclass(frozen=True)
class Operation:
    """An operation; `name` is its method and path, `body` the schema of a JSON body.

    `example` is the API's example of the body, `guests` whether guests may ask for it at
    all, `for_users` whether it needs an access token.
    """

    name: str
    parameters: tuple[Parameter, ...]
    body: Json | None
    example: Any
    guests: bool
    for_users: bool
    outcomes: tuple[str, ...]

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        return self.name.partition(" ")[0]

    @property
    def template(self) -> str:
        """The path with its parameters in braces."""
        return self.name.partition(" ")[2].strip()
