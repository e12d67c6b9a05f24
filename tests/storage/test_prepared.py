"""Statements that a connection to PostgreSQL has prepared."""

import pytest

from chat.storage.engine import DATABASE_ERRORS, Store, Transaction

FIND = "SELECT pos FROM change_log WHERE kind = :kind"


def prepared(store: Store) -> list[str]:
    """The texts of what the store's only connection has prepared."""
    sql = "SELECT statement FROM pg_prepared_statements ORDER BY name"
    return [text for (text,) in store.read(lambda tx: tx.rows(sql), snapshot=False)]


def find(store: Store, kind: int | None) -> None:
    store.read(lambda tx: tx.rows(FIND, kind=kind), snapshot=False)


def test_a_statement_is_prepared_when_it_is_run_again(postgres_store: Store) -> None:
    find(postgres_store, 1)
    assert not any("change_log" in text for text in prepared(postgres_store))
    for _ in range(3):
        find(postgres_store, 1)
    (text,) = [text for text in prepared(postgres_store) if "change_log" in text]
    assert text.startswith("PREPARE s1(bigint) AS SELECT pos FROM change_log WHERE kind = $1;")


def test_a_value_that_hides_its_type_prepares_nothing(postgres_store: Store) -> None:
    for _ in range(3):
        find(postgres_store, None)
    assert not any("change_log" in text for text in prepared(postgres_store))
    for kind in (1, None, 2):
        find(postgres_store, kind)
    assert any("change_log" in text for text in prepared(postgres_store))


def test_lists_may_be_empty_and_numbers_large(postgres_store: Store) -> None:
    sql = "SELECT pos FROM change_log WHERE kind = ANY(:kinds) AND room <= :room"
    for kinds in ([1], [2], [], [2**40]):
        rows = postgres_store.read(
            lambda tx: tx.rows(sql, kinds=kinds, room=2**40),  # noqa: B023
            snapshot=False,
        )
        assert rows == []


def test_percent_signs_are_kept(postgres_store: Store) -> None:
    for _ in range(3):
        row = postgres_store.read(
            lambda tx: tx.row("SELECT 'a%b' LIKE :like, 7 % 4", like="a\\%%"), snapshot=False
        )
        assert row == (True, 3)


def test_what_failed_is_not_taken_for_prepared(postgres_store: Store) -> None:
    """The message that would have prepared a statement failed before it, or in it."""

    def work(tx: Transaction) -> None:
        tx.do("INSERT INTO typing (room, user_id, expires_ts) VALUES (1, 'a', :ts)", ts=ts)
        tx.rows(FIND, kind=1)

    find(postgres_store, 1)
    postgres_store.write(
        lambda tx: tx.run("INSERT INTO typing (room, user_id, expires_ts) VALUES (1, 'a', 1)")
    )
    ts = 1
    for _ in range(2):
        with pytest.raises(DATABASE_ERRORS):
            postgres_store.write(work)
    for _ in range(3):
        find(postgres_store, 1)


def test_a_refusal_before_anything_was_sent_prepares_nothing(postgres_store: Store) -> None:
    def work(tx: Transaction) -> None:
        for _ in range(2):
            tx.do("DELETE FROM typing WHERE room = :room", room=1)
        raise ValueError

    for _ in range(3):
        with pytest.raises(ValueError):
            postgres_store.write(work)
    postgres_store.write(lambda tx: tx.do("DELETE FROM typing WHERE room = :room", room=1))
    postgres_store.write(lambda tx: tx.do("DELETE FROM typing WHERE room = :room", room=1))
