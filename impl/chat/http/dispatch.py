"""Which operation a request is for: a trie over the segments of the raw path.

The path is split before it is decoded, and each segment is decoded once, so that `%2F` inside an
ID or alias does not end it. A literal is tried before a parameter, and the parameter where the
literal leads nowhere.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from chat_api.base import Operation, unfilled

from chat.http.context import Context
from chat.http.errors import NoSuchPath, WrongMethod
from chat.http.route import Route
from chat.protocol.errors import InvalidParam, Unrecognized

Handler = Callable[[Context, Any], Any]
Match = tuple[dict[str, Route], tuple[str, ...]]


class Node:
    """What may follow after some segments: further segments, or the end and its methods."""

    __slots__ = ("children", "parameter", "routes")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.routes: dict[str, Route] = {}

    def grow(self, segment: str) -> "Node":
        """The node after `segment` of a template, made if need be."""
        if not segment.startswith("{"):
            return self.children.setdefault(segment, Node())
        if self.parameter is None:
            self.parameter = Node()
        return self.parameter

    def ends(self, segments: list[str], at: int, taken: tuple[str, ...]) -> Iterator[Match]:
        """Every way to read `segments` from `at` on, best first."""
        if at == len(segments):
            if self.routes:
                yield self.routes, taken
            return
        segment = segments[at]
        literal = self.children.get(segment)
        if literal is not None:
            yield from literal.ends(segments, at + 1, taken)
        if self.parameter is not None:
            yield from self.parameter.ends(segments, at + 1, (*taken, segment))


class Dispatcher:
    """The routes of this server, filled and unfilled."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._root = Node()
        self._depth = 0
        self._fixed: dict[str, dict[str, Route]] = {}

    def add(self, operation: Operation, handler: Handler | None, /) -> None:
        """Answer an operation by `handler`, on all of its paths; see `chat_api.base.Router`."""
        filled = None if handler is unfilled else handler
        self.routes.append(Route(operation, filled))
        for template in operation.paths:
            self._add_path(template, Route(operation, filled, template))

    def _add_path(self, template: str, route: Route) -> None:
        node = self._root
        segments = template.split("/")[1:]
        for segment in segments:
            node = node.grow(segment)
        method = route.operation.method
        node.routes[method] = _shared(node.routes.get(method), route)
        self._depth = max(self._depth, len(segments))
        if "{" not in template:
            self._fixed[template] = node.routes

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]]:
        """The filled route for a request, and the values of its path parameters.

        `path` is as the client wrote it. Raises NoSuchPath, WrongMethod, InvalidParam, and
        Unrecognized for an operation that nobody has filled.
        """
        wanted = "GET" if method == "HEAD" else method
        fixed = self._fixed.get(path)
        if fixed is not None and wanted in fixed:
            return _filled(fixed[wanted]), ()
        allowed: set[str] = set()
        for routes, values in self._ends(path):
            if wanted in routes:
                return _filled(routes[wanted]), values
            allowed.update(routes)
        if allowed:
            raise WrongMethod(method, allowed)
        raise NoSuchPath("No such path")

    def _ends(self, path: str) -> Iterator[Match]:
        if path.count("/") > self._depth:
            return iter(())
        return self._root.ends([_decoded(part) for part in path.split("/")[1:]], 0, ())


def _shared(known: Route | None, added: Route) -> Route:
    """The route for a path and method that `known` may have already: see `Route.selected`."""
    if known is None:
        return added
    plain, special = (known, added) if added.operation.selected_by else (added, known)
    if plain.operation.selected_by or not special.operation.selected_by:
        raise ValueError(f"{known.operation.id} and {added.operation.id} have the same path")
    plain.special = special
    return plain


def _filled(route: Route) -> Route:
    if route.handler is None and route.special is None:
        raise Unrecognized("This server does not offer this")
    return route


def _decoded(segment: str) -> str:
    """One segment of a path without its percent signs. Raises InvalidParam."""
    if "%" not in segment and segment.isascii() and "\0" not in segment:
        return segment
    try:
        text = unquote(segment.encode("latin-1").decode("utf-8"), errors="strict")
    except ValueError:
        raise InvalidParam("The path is not UTF-8") from None
    if "\0" in text:
        raise InvalidParam("The path holds a NUL")
    return text
