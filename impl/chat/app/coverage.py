"""`python -m chat.app.coverage`: which operations of spec/ are filled, by API and module."""

import sys
from collections.abc import Iterable

from chat.app.handlers import register_all
from chat.http.dispatch import Dispatcher
from chat.http.route import Route


def report(routes: Iterable[Route]) -> list[str]:
    """A line per API with its numbers, below it the unfilled operations by module, and a total."""
    everything = list(routes)
    by_api: dict[str, list[Route]] = {}
    for route in everything:
        by_api.setdefault(route.operation.api, []).append(route)
    lines = []
    for api, members in by_api.items():
        filled = sum(route.handler is not None for route in members)
        lines.append(f"{api}: {filled}/{len(members)} filled")
        lines += [f"  {module}: {', '.join(names)}" for module, names in unfilled(members).items()]
    filled = sum(route.handler is not None for route in everything)
    return [*lines, f"all: {filled}/{len(everything)} filled"]


def unfilled(routes: Iterable[Route]) -> dict[str, list[str]]:
    """The operations without a handler, by module."""
    found: dict[str, list[str]] = {}
    for route in routes:
        if route.handler is None:
            found.setdefault(route.operation.module, []).append(route.operation.id)
    return found


def main() -> int:
    """Print the report."""
    dispatcher = Dispatcher()
    register_all(dispatcher)
    sys.stdout.write("\n".join(report(dispatcher.routes)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
