"""How costs grow: the same operation as rooms, members and history grow tenfold, and again.

python -m bench.curves [--database postgres] [--steps 10,100,1000] [--seconds 1]

For each operation and each thing that grows, one line: CPU-ms per operation at every step, and by
how much the last differs from the first. Twice as dear for a hundred times as much is a logarithm.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.__main__ import raise_open_files
from bench.measure import Request, Result, holding
from bench.report import aligned, number
from bench.scenarios import Bench
from bench.servers import our_server, pin_to_core
from bench.wire import address_of, request
from bench.world import User, World, room_path, send_request, sync_target, text

REST = 4  # users of a setting that send and sync


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds the operations: users, and the room they use."""

    users: list[User]
    room_id: str


# --- what grows ---


def more_rooms(world: World, count: int) -> Setting:
    """Four users who share `count` rooms."""
    users = [world.new_user(f"rooms{count}_{each}") for each in range(REST)]
    rooms = [world.room(users) for _ in range(count)]
    return Setting(users, rooms[-1])


def more_members(world: World, count: int) -> Setting:
    """A room of `count` joined members."""
    users = [world.new_user(f"members{count}_{each}") for each in range(count)]
    return Setting(users[:REST], world.room(users))


def more_history(world: World, count: int) -> Setting:
    """A room with ten times `count` messages."""
    users = [world.new_user(f"history{count}_{each}") for each in range(REST)]
    room_id = world.room(users)
    for user in users:
        world.fill(user, room_id, count * 10 // REST)
    return Setting(users, room_id)


# --- what is measured ---


def send(bench: Bench, setting: Setting) -> Result:
    """Messages of four users into one room."""

    def sends(user: User) -> Iterator[Request]:
        for each in itertools.count():
            content = text(f"message {each}")
            data = send_request(user, setting.room_id, content)
            yield Request(data, holding(b'"event_id"'))

    return bench.measure([sends(user) for user in setting.users])


def messages(bench: Bench, setting: Setting) -> Result:
    """The last twenty events."""
    target = f"{room_path(setting.room_id, 'messages')}?dir=b&limit=20"
    return bench.measure(
        [
            itertools.repeat(Request(request("GET", target, user.token), holding(b'"chunk"')))
            for user in setting.users
        ]
    )


def idle_sync(bench: Bench, setting: Setting) -> Result:
    """An incremental sync with nothing new; no two are the same."""

    def syncs(user: User, since: str) -> Iterator[Request]:
        for each in itertools.count():
            filter_json = json.dumps({"room": {"timeline": {"limit": 10 + each % 5_000}}})
            data = request("GET", sync_target(since, 0, filter_json), user.token)
            yield Request(data, holding(b'"next_batch"'))

    return bench.measure([syncs(user, bench.world.settled(user)) for user in setting.users])


def busy_sync(bench: Bench, setting: Setting) -> Result:
    """An incremental sync that brings one message; the same one each time."""
    tokens = [bench.world.settled(user) for user in setting.users]
    bench.world.fill(setting.users[0], setting.room_id, 1)

    def syncs(user: User, since: str) -> Iterator[Request]:
        for each in itertools.count():
            filter_json = json.dumps({"room": {"timeline": {"limit": 10 + each % 5_000}}})
            data = request("GET", sync_target(since, 0, filter_json), user.token)
            yield Request(data, holding(b'"event_id"'))

    return bench.measure([syncs(*pair) for pair in zip(setting.users, tokens, strict=True)])


SETTINGS: dict[str, Callable[[World, int], Setting]] = {
    "rooms": more_rooms,
    "members": more_members,
    "history × 10": more_history,
}
OPERATIONS: dict[str, Callable[[Bench, Setting], Result]] = {
    "send": send,
    "idle sync": idle_sync,
    "busy sync": busy_sync,
    "messages": messages,
}


def main() -> None:
    """Print the curves."""
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--steps", type=_numbers, default=[10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    raise_open_files()
    with our_server(options.database) as target:
        pin_to_core(1)
        world = World(address_of(target.url), target.secret)
        bench = Bench(address_of(target.url), target.groups, world, options.seconds)
        rows = list(_rows(bench, options.steps))
        world.close()
    print(f"CPU-ms per operation, {target.label}")
    print(aligned([_headings(options.steps), *rows]))


def _numbers(given: str) -> list[int]:
    return [int(each) for each in given.split(",")]


def _headings(steps: list[int]) -> list[str]:
    return ["operation", *map(str, steps), "growth"]


def _rows(bench: Bench, steps: list[int]) -> Iterator[list[str]]:
    for thing, grow in SETTINGS.items():
        settings = [grow(bench.world, step) for step in steps]
        for name, measure in OPERATIONS.items():
            print(f"{name} by {thing} …", file=sys.stderr, flush=True)
            costs = [_cpu_ms(measure(bench, setting)) for setting in settings]
            yield [f"{name} by {thing}", *map(number, costs), f"{costs[-1] / costs[0]:.2f} ×"]


def _cpu_ms(result: Result) -> float:
    if result.errors:
        raise SystemExit(f"wrong answers: {result.errors}")
    return sum(result.cpu_ms.values())


if __name__ == "__main__":
    main()
