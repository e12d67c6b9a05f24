"""Threads: which one an event is in, and the list of a room's threads.

Spec: client-server-api/#threading and #threaded-read-receipts
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chat.protocol.relations import THREAD, RelatesTo, relation_of
from chat.storage import relations
from chat.storage.engine import Transaction
from chat.storage.relations import Parent

MAIN = "main"  # the thread of all events that are in none
HOPS = 3  # from an event to the root of its thread

Content = Mapping[str, Any]


def threads_of(
    tx: Transaction,
    found: Sequence[tuple[int, RelatesTo | None]],
    unwritten: Mapping[Parent, Content],
) -> list[str]:
    """The threads of events, given by room and relation: the ID of the root, or MAIN.

    `unwritten`: contents of events that are not stored yet. Asks nothing where no event relates to
    another but by `m.thread`.
    """
    chains = dict(enumerate(found))
    threads = [MAIN] * len(found)
    for hop in range(HOPS):
        for place, (_, relation) in list(chains.items()):
            if relation is None or relation.rel_type == THREAD:
                threads[place] = MAIN if relation is None else relation.event_id
                del chains[place]
        if not chains or hop == HOPS - 1:
            break
        parents = {(room, one.event_id) for room, one in chains.values() if one is not None}
        contents = _contents(tx, parents, unwritten)
        for place, (room, relation) in chains.items():
            assert relation is not None
            content = contents.get((room, relation.event_id), {})
            chains[place] = room, relation_of(content)
    return threads


def _contents(
    tx: Transaction, parents: set[Parent], unwritten: Mapping[Parent, Content]
) -> dict[Parent, Content]:
    found = {parent: unwritten[parent] for parent in parents if parent in unwritten}
    missing = parents - found.keys()
    if missing:
        for parent, (_, body) in relations.known_parents(tx, missing).items():
            found[parent] = msgspec.json.decode(body)["content"]
    return found
