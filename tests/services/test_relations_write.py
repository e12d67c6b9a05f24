"""Relations are stored with their events, and refused where they break the rules."""

import pytest

from chat.protocol.errors import DuplicateAnnotation, Unknown
from chat.services.server import Server
from chat.storage import relations
from chat_testing.databases import statements
from chat_testing.people import Person, a_person


@pytest.fixture
def alice(server: Server) -> Person:
    """Has a room."""
    return a_person(server, "alice")


def relate(rel_type: str, event_id: str, **more: object) -> dict[str, object]:
    return {
        "msgtype": "m.text",
        "body": "x",
        "m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more},
    }


def stored(server: Server, table: str, columns: str) -> list[tuple[object, ...]]:
    sql = f"SELECT {columns} FROM {table} ORDER BY {columns}"
    return server.store.read(lambda tx: tx.rows(sql))


def test_a_relation_is_stored_with_its_event(server: Server, alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", relate("m.reference", root))
    found = stored(server, "relation", "parent_id, rel_type, sender, lawful")
    assert found == [(root, "m.reference", alice.id, 1)]
    assert stored(server, "room", "related") == [(relations.RELATED,)]


def test_a_thread_counts_its_replies(server: Server, alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    replies = [alice.sends(room, "m.room.message", relate("m.thread", root)) for _ in range(3)]
    assert stored(server, "thread", "root_id, replies") == [(root, 3)]
    assert stored(server, "thread_member", "user_id, replies") == [(alice.id, 3)]
    alice.redacts(room, replies[2])
    assert stored(server, "thread", "root_id, replies") == [(root, 2)]
    newest = "SELECT e.event_id FROM thread t JOIN event e ON e.ev = t.ev"
    assert server.store.read(lambda tx: tx.rows(newest)) == [(replies[1],)]
    for reply in replies[:2]:
        alice.redacts(room, reply)
    assert stored(server, "thread", "root_id, replies") == []
    assert stored(server, "thread_member", "user_id, replies") == []
    assert stored(server, "relation", "parent_id") == []
    assert stored(server, "room", "related") == [(relations.THREADED,)]


def test_an_edit_without_new_content_is_not_lawful(server: Server, alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", relate("m.replace", root))
    assert stored(server, "relation", "lawful") == [(0,)]


def test_the_same_annotation_is_refused(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    first = alice.sends(room, "m.reaction", relate("m.annotation", root, key="+"))
    alice.sends(room, "m.reaction", relate("m.annotation", root, key="-"))
    alice.sends(room, "m.other", relate("m.annotation", root, key="+"))
    with pytest.raises(DuplicateAnnotation):
        alice.sends(room, "m.reaction", relate("m.annotation", root, key="+"))
    alice.redacts(room, first)
    alice.sends(room, "m.reaction", relate("m.annotation", root, key="+"))


def test_a_thread_does_not_begin_at_a_related_event(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    reply = alice.sends(room, "m.room.message", relate("m.thread", root))
    with pytest.raises(Unknown):
        alice.sends(room, "m.room.message", relate("m.thread", reply))


def test_a_message_without_relation_costs_no_statement(server: Server, alice: Person) -> None:
    room = alice.creates()
    alice.says(room, "warm")
    with statements(server.store) as seen:
        alice.says(room, "hello")
    assert [sql for sql in seen if "relation" in sql or "INTO thread" in sql] == []
