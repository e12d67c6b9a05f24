"""What full-text search costs among many messages, and what indexing adds to a sent one.

python -m bench.search_size --messages 1000000
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from chat.protocol.filters import EventFilter
from chat.protocol.identifiers import EventId
from chat.services import search as searching
from chat.services.server import Server
from chat.storage import events, search, streams
from chat.storage.engine import Transaction
from chat.storage.events import EventRow
from chat.storage.streams import Change, Kind
from chat_testing.databases import database_config, running_postgres, upgraded
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server

ROOMS = 20
WORDS = 10_000  # that there are; the n-th is about 1/n as frequent as the first
LENGTH = 12  # words of a message
AT_ONCE = 5_000
SENT = 500
SEARCHES = 20
TERMS = {"frequent word": "word1", "rare word": "word7000", "three words": "word3 word20 word90"}


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        server = _server(stack, options.database)
        alice = a_person(server, "alice")
        room_ids = [alice.creates() for _ in range(ROOMS)]
        _seed(alice, room_ids, options.messages)
        indexed_ms = _cpu_ms(lambda: _index(server)) / options.messages
        sent_ms = _cpu_ms(lambda: _send(alice, room_ids)) / SENT
        caught_up_ms = _cpu_ms(lambda: _index(server)) / SENT
        print(f"{options.database}, {options.messages} messages of {LENGTH} words, CPU of Python")
        print(f"{indexed_ms:8.3f} CPU-ms to index a message that was there before")
        print(f"{sent_ms:8.3f} CPU-ms to send one, {caught_up_ms:.3f} more to index it later")
        for by_rank in (False, True):
            for what, term in TERMS.items():
                _measure(alice, what, term, by_rank=by_rank)
    return 0


def _server(stack: ExitStack, kind: str) -> Server:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    if kind == "sqlite":
        database = database_config("sqlite3", database=str(folder / "search.db"))
    else:
        cluster = stack.enter_context(running_postgres())
        assert cluster is not None, "PostgreSQL is not installed"
        database = cluster.new_database()
    server = a_server(stack.enter_context(upgraded(database)), FakeClock(), folder)
    stack.callback(server.notifier.close)
    return server


def _texts(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    weights = [1 / number for number in range(1, WORDS + 1)]
    chosen = chance.choices(range(1, WORDS + 1), weights, k=count * LENGTH)
    return [
        " ".join(f"word{number}" for number in chosen[start : start + LENGTH])
        for start in range(0, len(chosen), LENGTH)
    ]


def _seed(alice: Person, room_ids: Sequence[str], count: int) -> None:
    """Copies of one message of each room, with other texts, places and names."""
    store = alice.server.store
    first_ids = [alice.says(room_id, "first") for room_id in room_ids]
    rows = store.read(lambda tx: events.by_ids(tx, first_ids))
    patterns = [rows[event_id] for event_id in first_ids]
    bodies = store.read(lambda tx: events.bodies(tx, [row.ev for row in patterns]))
    for start in range(0, count, AT_ONCE):
        texts = _texts(start, min(AT_ONCE, count - start))
        store.write(partial(_copy, patterns=patterns, bodies=bodies, start=start, texts=texts))


def _copy(
    tx: Transaction,
    *,
    patterns: Sequence[EventRow],
    bodies: dict[int, str],
    start: int,
    texts: Sequence[str],
) -> None:
    numbers = sorted(tx.numbers("ev", len(texts)))
    rows, written = [], []
    for place, (ev, text) in enumerate(zip(numbers, texts, strict=True), start):
        pattern = patterns[place % ROOMS]
        body = json.loads(bodies[pattern.ev])
        body["content"]["body"] = text
        rows.append(
            pattern._replace(ev=ev, event_id=EventId(f"$copy{place}"), depth=pattern.depth + place)
        )
        written.append(json.dumps(body))
    changes = [Change(Kind.EVENT, row.room, None, row.ev) for row in rows]
    events.append(tx, rows, written, streams.append(tx, changes))


def _index(server: Server) -> None:
    while server.store.write(lambda tx: search.take_in(tx, AT_ONCE)):
        pass


def _send(alice: Person, room_ids: Sequence[str]) -> None:
    for number, text in enumerate(_texts(-1, SENT)):
        alice.says(room_ids[number % ROOMS], text)


def _cpu_ms(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def _measure(alice: Person, what: str, term: str, *, by_rank: bool) -> None:
    wish = searching.Wish(term, frozenset(search.KEYS.values()), EventFilter(), by_rank)
    walls, found = [], 0
    cpu_started = time.process_time()
    for _ in range(SEARCHES):
        started = time.perf_counter()
        found = searching.search_events(alice.server, alice.caller, wish, None).count
        walls.append((time.perf_counter() - started) * 1000)
    cpu_ms = (time.process_time() - cpu_started) * 1000 / SEARCHES
    order = "by rank" if by_rank else "newest first"
    p50_ms = statistics.median(walls)
    print(f"{cpu_ms:8.2f} CPU-ms, p50 {p50_ms:.2f} ms: {what}, {order}, count {found}")


if __name__ == "__main__":
    sys.exit(main())
