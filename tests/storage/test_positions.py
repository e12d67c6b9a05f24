"""Positions of the log on PostgreSQL: one message, and nobody waits for who has fallen silent."""

import threading
import time

import pytest

from chat.storage import account_data, engine, positions, streams
from chat.storage.engine import Store, Transaction
from chat.storage.positions import COMMIT_AND_TELL, SILENT_LOGGER_MS
from chat.storage.prepared import Text
from chat.storage.streams import Change, Kind

ALICE = "@alice:a.example"


def note(n: int) -> Change:
    return Change(Kind.ACCOUNT_DATA, None, ALICE, n)


def test_counter_rows_and_commit_are_one_message(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[list[bytes]] = []
    send = engine._PostgresTransaction._send

    def observed(tx: engine._PostgresTransaction, text: Text) -> None:
        messages.append([each.sent for each in (*tx._deferred, text)])
        send(tx, text)

    monkeypatch.setattr(engine._PostgresTransaction, "_send", observed)
    postgres_store.write(lambda tx: account_data.put(tx, ALICE, 0, "m.x", "{}"))
    first, last = messages
    assert [text.split()[0] for text in first] == [b"BEGIN;SET", b"SELECT"]
    assert [text.split()[0] for text in last[:-1]] == [b"UPDATE", b"INSERT", b"INSERT"]
    assert last[-1] == COMMIT_AND_TELL
    assert postgres_store.read(lambda tx: account_data.changed(tx, ALICE, 0, 1)) == [
        (0, "m.x", "{}")
    ]


def test_a_position_is_known_after_the_commit(postgres_store: Store) -> None:
    def work(tx: Transaction) -> list[positions.Position]:
        taken = [*streams.append(tx, [note(1)]), *streams.append(tx, [note(2), note(3)])]
        with pytest.raises(RuntimeError, match="commit"):
            int(taken[0])
        return taken

    postgres_store.write(lambda tx: streams.append(tx, [note(0)]))
    assert [int(pos) for pos in postgres_store.write(work)] == [2, 3, 4]
    logged = postgres_store.read(lambda tx: streams.since(tx, 0, 10))
    assert [(one.pos, one.ref) for one in logged] == [(1, 0), (2, 1), (3, 2), (4, 3)]


def test_every_form_of_statement_writes_a_position(store: Store) -> None:
    """Rows, tables of rows and parameters; also beside other values in one column."""

    def work(tx: Transaction) -> None:
        one, two, three = streams.append(tx, [note(1), note(2), note(3)])
        columns = ("user_id", "pos")
        tx.insert("device_lists", columns, [("@a:a", one), ("@n:a", 77)])
        tx.do("INSERT INTO device_lists (user_id, pos) VALUES ('@b:a', :pos)", pos=two)
        tx.do(
            "INSERT INTO device_lists (user_id, pos)"
            " SELECT w.u, w.p FROM ROWS(:rows AS u text, p bigint) w",
            rows=[("@c:a", three)],
        )

    store.write(lambda tx: streams.append(tx, [note(0)]))
    store.write(work)
    found = store.read(lambda tx: tx.rows("SELECT user_id, pos FROM device_lists ORDER BY user_id"))
    assert found == [("@a:a", 2), ("@b:a", 3), ("@c:a", 4), ("@n:a", 77)]


def fall_silent(store: Store, holding: threading.Event, seconds: float) -> list[int]:
    """Take the log in a transaction, and the first time say nothing for a while."""
    attempts: list[int] = []

    def work(tx: Transaction) -> None:
        streams.append(tx, [note(len(attempts))])
        attempts.append(1)
        if len(attempts) == 1:
            tx.row("SELECT 1")  # the counter's row is locked from here
            holding.set()
            time.sleep(seconds)

    store.write(work)
    return attempts


def test_who_holds_the_log_and_falls_silent_stops_nobody_for_long(postgres_store: Store) -> None:
    holding = threading.Event()
    silent = threading.Thread(target=fall_silent, args=(postgres_store, holding, 3))
    silent.start()
    assert holding.wait(10)
    started = time.monotonic()
    postgres_store.write(lambda tx: streams.append(tx, [note(9)]))
    took_s = time.monotonic() - started
    assert SILENT_LOGGER_MS / 1000 / 2 < took_s < 1.5
    silent.join(20)
    logged = postgres_store.read(lambda tx: streams.since(tx, 0, 10))
    assert [one.ref for one in logged] == [9, 1]  # undone, and done again


def test_who_holds_rows_and_falls_silent_loses_them(postgres_store: Store) -> None:
    """Its COMMIT finds the transaction gone, and the work is done again."""
    attempts: list[int] = []

    def work(tx: Transaction) -> None:
        attempts.append(1)
        tx.run("UPDATE stream SET head = head")
        streams.append(tx, [note(len(attempts))])
        if len(attempts) == 1:
            time.sleep(engine.SILENT_WRITER_MS / 1000 + 0.4)

    postgres_store.write(work)
    logged = postgres_store.read(lambda tx: streams.since(tx, 0, 10))
    assert [(one.pos, one.ref) for one in logged] == [(1, 2)]


def test_the_operator_sets_limits_of_a_connection(postgres_store: Store) -> None:
    def limits(tx: Transaction) -> dict[str, str]:
        return {name: tx.row(f"SHOW {name}")[0] for name in shown}

    shown = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    assert postgres_store.read(limits) == {
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "30s",
    }
