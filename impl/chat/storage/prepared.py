"""Statements that a connection to PostgreSQL has prepared, so that they are not planned each time.

Planning costs most statements of ours more than running them. A statement that a connection runs
for the second time is prepared, in the same message, and from then on executed by its name. It is
known as prepared only when that message has succeeded; after a failure it is prepared anew, under
another name. (PREPARE is not undone by a rollback.)
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from chat.storage.positions import Pending

USES_BEFORE = 1  # of a statement on a connection, until it is prepared
STATEMENTS = 500  # of a connection; more are sent as they are

_PARAMETER = re.compile(r"%\((\w+)\)s")


class Cursor(Protocol):
    """What writes parameters into a statement."""

    def mogrify(self, sql: str, params: Mapping[str, Any]) -> bytes:
        """The statement as it is sent."""


class Text(NamedTuple):
    """A statement as it is sent, and what is prepared by sending it."""

    sent: bytes
    prepares: tuple[str, str] | None = None  # the statement, and how it is executed from then on


class PreparedStatements:
    """Those of one connection."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}
        self._execute: dict[str, str] = {}
        self._names = 0

    def text(self, cursor: Cursor, sql: str, params: Mapping[str, Any]) -> Text:
        """A statement with its parameters, in psycopg2's style `%(name)s`."""
        execute = self._execute.get(sql)
        if execute is not None:
            return Text(cursor.mogrify(execute, params))
        uses = self._uses.get(sql, 0)
        types = None if uses < USES_BEFORE else _types(sql, params)
        if types is None or len(self._execute) >= STATEMENTS:
            self._uses[sql] = uses + 1
            return Text(cursor.mogrify(sql, params))
        return self._prepare(cursor, sql, params, types)

    def _prepare(
        self, cursor: Cursor, sql: str, params: Mapping[str, Any], types: Mapping[str, str]
    ) -> Text:
        self._names += 1
        name, places = f"s{self._names}", {each: i for i, each in enumerate(types, 1)}
        body = _PARAMETER.sub(lambda match: f"${places[match[1]]}", sql).replace("%%", "%")
        given = ", ".join(f"%({each})s::{kind}" for each, kind in types.items())
        execute = f"EXECUTE {name}({given})" if types else f"EXECUTE {name}"
        declared = f"({', '.join(types.values())})" if types else ""
        prepare = f"PREPARE {name}{declared} AS {body};".encode()
        return Text(prepare + cursor.mogrify(execute, params), (sql, execute))

    def sent(self, text: Text) -> None:
        """A text has been sent, and did not fail."""
        if text.prepares is not None:
            sql, execute = text.prepares
            self._execute[sql] = execute
            self._uses.pop(sql, None)


def _types(sql: str, params: Mapping[str, Any]) -> dict[str, str] | None:
    """PostgreSQL's type of each parameter, in the order of their use; None where values hide it."""
    types = {}
    for name in dict.fromkeys(_PARAMETER.findall(sql)):
        kind = _type(params[name])
        if kind is None:
            return None
        types[name] = kind
    return types


def _type(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        first = next((one for one in value if one is not None), None)
        kind = None if first is None else _type(first)
        return None if kind is None else f"{kind}[]"
    if isinstance(value, int | Pending):
        return "bigint"
    if isinstance(value, bytes):
        return "bytea"
    return "text" if isinstance(value, str) else None
