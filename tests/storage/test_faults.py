"""The faults that the order proof asks for are really made."""

from collections.abc import Sequence

import pytest

from chat.storage import faults, streams
from chat.storage.engine import PostgresStore, Transaction
from chat.storage.positions import Position
from chat.storage.streams import Change, Kind


def log(tx: Transaction) -> Sequence[Position]:
    return streams.append(tx, [Change(Kind.EVENT, 1, None, 1)])


def test_late_commits_sleep_with_their_positions(postgres_store: PostgresStore) -> None:
    faults.install(postgres_store, ["late"])
    sent: list[bytes] = []

    class Seen(postgres_store.transaction):  # type: ignore[name-defined,misc]
        def _send(self, text: object) -> None:
            sent.extend(each.sent for each in (*self._deferred, text))
            super()._send(text)

    postgres_store.transaction = Seen
    postgres_store.write(log)
    assert [b"pg_sleep" in text for text in sent[-2:]] == [True, False]
    assert sent[-1].startswith(b"COMMIT")


def test_without_order_a_later_position_can_be_seen_first(
    postgres_store: PostgresStore,
) -> None:
    faults.install(postgres_store, ["unordered"])
    seen: list[int] = []

    def first(tx: Transaction) -> object:
        taken = log(tx)
        tx.row("SELECT 1")  # the position is taken
        postgres_store.write(log)
        seen.extend(one.pos for one in postgres_store.read(lambda tx: streams.since(tx, 0, 9)))
        return taken

    (early,) = postgres_store.write(first)
    assert len(seen) == 1
    assert int(early) < seen[0]
    assert postgres_store.read(streams.head) == seen[0]


def test_every_third_announcement_is_lost(
    postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def announce(channel: str, *, here: bool) -> None:
        made.append(channel)

    monkeypatch.setattr(postgres_store, "announce", announce)
    faults.install(postgres_store, ["drop"])
    for n in range(6):
        postgres_store.announce(str(n))
    assert made == ["0", "1", "3", "4"]
