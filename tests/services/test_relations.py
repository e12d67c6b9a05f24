"""Lists of related events, aggregations, threads: who sees which of them."""

import json
from typing import Any

import pytest

from chat.protocol.errors import InvalidParam, NotFound
from chat.services import account_data, relations, threads_list
from chat.services.rooms import history
from chat.services.server import Server
from chat_testing.databases import statements
from chat_testing.people import Person, a_person

Json = dict[str, Any]


@pytest.fixture
def alice(server: Server) -> Person:
    """Has a room."""
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    """Comes to it."""
    return a_person(server, "bob")


def relate(rel_type: str, event_id: str, **more: object) -> Json:
    relation = {"rel_type": rel_type, "event_id": event_id}
    return {"msgtype": "m.text", "body": "x", "m.relates_to": relation, **more}


def edit(event_id: str, body: str) -> Json:
    return relate("m.replace", event_id, **{"m.new_content": {"msgtype": "m.text", "body": body}})


def says(person: Person, room: str, content: Json, kind: str = "m.room.message") -> str:
    return person.sends(room, kind, content)


def listed(person: Person, room: str, event_id: str, **ask: Any) -> list[str]:
    return [one["event_id"] for one in page(person, room, event_id, **ask)[0]]


def page(person: Person, room: str, event_id: str, **ask: Any) -> tuple[list[Json], relations.Page]:
    wish = {
        "rel_type": None,
        "event_type": None,
        "start": None,
        "stop": None,
        "limit": None,
        "backwards": True,
        "recurse": False,
    }
    found = relations.page(
        person.server, person.caller, room, relations.Ask(event_id, **(wish | ask))
    )
    return [json.loads(one) for one in found.events], found


def bundled(person: Person, room: str, event_id: str) -> Json:
    shown = json.loads(history.event(person.server, person.caller, room, event_id))
    found: Json = shown["unsigned"].get("m.relations", {})
    return found


def ignores(person: Person, other: Person) -> None:
    content: Json = {"ignored_users": {other.id: {}}}
    account_data.put(person.server, person.id, None, "m.ignored_user_list", content)


def threads(person: Person, room: str, **how: Any) -> list[Json]:
    wish = {"start": None, "limit": None, "participated": False} | how
    found = threads_list.page(person.server, person.caller, room, **wish)
    return [json.loads(one) for one in found.events]


# --- lists ---


def test_related_events_by_type_and_kind(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    reply = says(alice, room, relate("m.thread", root))
    like = says(alice, room, relate("m.annotation", root, key="+"), "m.reaction")
    note = says(alice, room, relate("m.thread", root), "m.note")
    assert listed(alice, room, root) == [note, like, reply]
    assert listed(alice, room, root, backwards=False) == [reply, like, note]
    assert listed(alice, room, root, rel_type="m.thread") == [note, reply]
    assert listed(alice, room, root, rel_type="m.thread", event_type="m.note") == [note]
    assert listed(alice, room, reply) == []


def test_pages_give_each_related_event_once(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    replies = [says(alice, room, relate("m.thread", root)) for _ in range(5)]
    for backwards in (True, False):
        seen, start = [], None
        for _ in range(3):
            found, answer = page(alice, room, root, start=start, limit=2, backwards=backwards)
            seen += [one["event_id"] for one in found]
            start = answer.next_batch
        assert seen == (replies[::-1] if backwards else replies)
        assert start is None


def test_recursion_goes_three_levels_deep(alice: Person) -> None:
    room = alice.creates()
    chain = [alice.says(room, "root")]
    for _ in range(4):
        chain.append(says(alice, room, relate("m.reference", chain[-1])))
    found, answer = page(alice, room, chain[0], recurse=True)
    assert [one["event_id"] for one in found] == [chain[3], chain[2], chain[1]]
    assert answer.levels == 3


def test_redacted_relations_are_gone(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    first, second = (says(alice, room, edit(root, text)) for text in ("one", "two"))
    assert bundled(alice, room, root)["m.replace"]["event_id"] == second
    alice.redacts(room, second)
    assert listed(alice, room, root) == [first]
    assert bundled(alice, room, root)["m.replace"]["event_id"] == first
    alice.redacts(room, first)
    assert bundled(alice, room, root) == {}


def test_relations_after_leaving_are_hidden(alice: Person, bob: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    bob.joins(room)
    before = says(alice, room, relate("m.thread", root))
    bob.leaves(room)
    says(alice, room, relate("m.thread", root))
    says(alice, room, edit(root, "secret"))
    assert listed(bob, room, root) == [before]
    assert bundled(bob, room, root).keys() == {"m.thread"}
    thread = bundled(bob, room, root)["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, before)


def test_relations_of_what_cannot_be_seen_are_not_found(alice: Person, bob: Person) -> None:
    room = alice.creates(state={"m.room.history_visibility": {"history_visibility": "joined"}})
    root = alice.says(room, "root")
    bob.joins(room)
    reply = says(alice, room, relate("m.thread", root))
    with pytest.raises(NotFound):
        page(bob, room, root)
    assert listed(bob, room, reply) == []
    with pytest.raises(InvalidParam):
        page(alice, room, root, start="made-up")


# --- aggregations ---


def test_only_lawful_edits_are_aggregated(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    root = alice.says(room, "root")
    first = says(alice, room, edit(root, "one"))
    says(bob, room, edit(root, "of another"))
    says(alice, room, edit(root, "of another type"), "m.other")
    says(alice, room, relate("m.replace", root))
    says(alice, room, edit(first, "of an edit"))
    found = bundled(bob, room, root)["m.replace"]
    assert found["event_id"] == first
    assert found["content"]["m.new_content"]["body"] == "one"
    assert bundled(bob, room, first) == {}


def test_a_redacted_original_shows_no_edit(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    says(alice, room, edit(root, "one"))
    reply = says(alice, room, relate("m.thread", root))
    alice.redacts(room, root)
    found = bundled(alice, room, root)
    assert found.keys() == {"m.thread"}
    assert found["m.thread"]["latest_event"]["event_id"] == reply


def test_references_are_listed_and_annotations_not(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    says(alice, room, relate("m.annotation", root, key="+"), "m.reaction")
    assert bundled(alice, room, root) == {}
    names = [says(alice, room, relate("m.reference", root)) for _ in range(2)]
    chunk = [{"event_id": name} for name in names]
    assert bundled(alice, room, root) == {"m.reference": {"chunk": chunk}}


def test_a_thread_is_summed_up(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    carol = a_person(alice.server, "carol")
    carol.joins(room)
    root = alice.says(room, "root")
    says(bob, room, relate("m.thread", root))
    latest = says(bob, room, relate("m.thread", root))
    change = says(bob, room, edit(latest, "better"))
    for person, wrote in ((alice, True), (bob, True), (carol, False)):
        thread = bundled(person, room, root)["m.thread"]
        assert (thread["count"], thread["current_user_participated"]) == (2, wrote)
        assert thread["latest_event"]["event_id"] == latest
        assert thread["latest_event"]["room_id"] == room
        inner = thread["latest_event"]["unsigned"]["m.relations"]
        assert inner["m.replace"]["event_id"] == change


def test_ignored_users_do_not_count(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    root = alice.says(room, "root")
    mine = says(alice, room, relate("m.thread", root))
    says(bob, room, relate("m.thread", root))
    says(bob, room, relate("m.reference", root))
    ignores(alice, bob)
    found = bundled(alice, room, root)
    assert found.keys() == {"m.thread"}
    assert found["m.thread"]["count"] == 1
    assert found["m.thread"]["latest_event"]["event_id"] == mine
    assert listed(alice, room, root) == [mine]


def test_pages_and_contexts_carry_aggregations(alice: Person) -> None:
    room = alice.creates()
    root = alice.says(room, "root")
    change = says(alice, room, edit(root, "one"))
    answer = history.messages(
        alice.server,
        alice.caller,
        room,
        backwards=True,
        start=None,
        stop=None,
        limit=10,
        event_filter=history.EVERYTHING,
    )
    shown = {one["event_id"]: one for one in map(json.loads, answer.events)}
    assert shown[root]["unsigned"]["m.relations"]["m.replace"]["event_id"] == change
    around = history.context(alice.server, alice.caller, room, root, 4, history.EVERYTHING)
    assert "m.relations" in json.loads(around.event)["unsigned"]


def test_what_a_page_costs(server: Server, alice: Person) -> None:
    room = alice.creates()
    for number in range(10):
        alice.says(room, str(number))

    def read() -> list[str]:
        with statements(server.store) as seen:
            history.messages(
                server,
                alice.caller,
                room,
                backwards=True,
                start=None,
                stop=None,
                limit=50,
                event_filter=history.EVERYTHING,
            )
        return seen

    read()
    plain = read()
    assert not any("relation" in sql or "thread" in sql for sql in plain)
    counts = []
    for _ in range(2):
        for _ in range(3):
            root = alice.says(room, "root")
            says(alice, room, edit(says(alice, room, relate("m.thread", root)), "one"))
        read()
        counts.append(len(read()))
    assert counts[0] == counts[1]


# --- threads ---


def test_threads_come_by_their_latest_reply(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    roots = [alice.says(room, str(number)) for number in range(3)]
    for root in roots:
        says(alice, room, relate("m.thread", root))
    says(bob, room, relate("m.thread", roots[0]))
    assert [one["event_id"] for one in threads(alice, room)] == [roots[0], roots[2], roots[1]]
    assert [one["event_id"] for one in threads(bob, room, participated=True)] == [roots[0]]
    assert len(threads(alice, room, participated=True)) == 3
    seen, start = [], None
    for _ in range(3):
        found = threads_list.page(
            alice.server, alice.caller, room, start=start, limit=1, participated=False
        )
        seen += [json.loads(one)["event_id"] for one in found.events]
        start = found.next_batch
    assert seen == [roots[0], roots[2], roots[1]]
    assert start is None


def test_the_root_by_an_ignored_user_is_redacted(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    root, other = bob.says(room, "root"), alice.says(room, "other")
    says(alice, room, relate("m.thread", root))
    says(bob, room, relate("m.thread", other))
    ignores(alice, bob)
    (shown,) = threads(alice, room)
    assert (shown["event_id"], shown["content"]) == (root, {})
    assert threads(bob, room)[1]["content"]["body"] == "root"
