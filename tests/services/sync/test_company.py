"""What sync says beside events: aggregations, unread counts, push rules."""

from typing import Any

from chat.services import push_rules, receipts
from chat.services.receipts import READ, Marker
from chat.services.server import Server
from chat_testing.databases import statements
from chat_testing.people import Person, a_person

Json = dict[str, Any]
FEW = {"room": {"timeline": {"limit": 3}}}
BY_THREAD = {"room": {"timeline": {"unread_thread_notifications": True}}}


def counts(answer: Json, room: str) -> tuple[int, int]:
    found = answer["join"][room]["unread_notifications"]
    return found["notification_count"], found["highlight_count"]


def relate(rel_type: str, event_id: str, **more: Any) -> Json:
    relation = {"rel_type": rel_type, "event_id": event_id}
    return {"msgtype": "m.text", "body": "x", "m.relates_to": relation, **more}


def reads(person: Person, room: str, event_id: str, thread: str | None = None) -> None:
    receipts.put(person.server, person.caller, room, [Marker(READ, event_id, thread)])


def bundle(answer: Json, room: str, event_id: str) -> Json:
    events = answer["join"][room]["timeline"]["events"]
    (event,) = [one for one in events if one["event_id"] == event_id]
    found: Json = event["unsigned"].get("m.relations", {})
    return found


def test_counts_come_with_the_event_and_go_with_the_receipt(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    assert counts(bob.syncs(), room) == (0, 0)
    alice.says(room, "one")
    assert counts(bob.syncs(), room) == (1, 0)
    last = alice.sends(room, "m.room.message", {"body": "x", "m.mentions": {"user_ids": [bob.id]}})
    assert counts(bob.syncs(), room) == (2, 1)
    assert counts(bob.asks(), room) == (2, 1)
    reads(bob, room, last)
    assert counts(bob.syncs(), room) == (0, 0)
    assert room not in bob.syncs()["join"]


def test_a_read_of_another_device_wakes(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    event_id = alice.says(room, "one")
    bob.syncs()
    alice.syncs()
    receipts.put(bob.server, bob.caller, room, [Marker("m.read.private", event_id)])
    assert counts(bob.syncs(), room) == (0, 0)
    assert room not in alice.syncs()["join"]


def test_threads_have_counts_of_their_own(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", relate("m.thread", root))
    assert counts(bob.asks(), room) == (2, 0)
    answer = bob.asks(BY_THREAD)
    assert counts(answer, room) == (1, 0)
    threads = answer["join"][room]["unread_thread_notifications"]
    assert threads == {root: {"notification_count": 1, "highlight_count": 0}}


def test_limited_timelines_carry_aggregations(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    carol = a_person(alice.server, "carol")
    carol.joins(room)
    for person in (alice, bob, carol):
        person.syncs(FEW)
    alice.says(room, "first")
    root = alice.says(room, "root")
    alice.sends(
        room,
        "m.room.message",
        relate("m.replace", root, **{"m.new_content": {"msgtype": "m.text", "body": "better"}}),
    )
    reply = bob.sends(room, "m.room.message", relate("m.thread", root))
    for person, wrote in ((carol, False), (bob, True), (alice, True), (carol, False)):
        token = person.token
        found = bundle(person.syncs(FEW), room, root)
        person.token = token
        assert found["m.replace"]["content"]["m.new_content"]["body"] == "better"
        assert found["m.thread"]["latest_event"]["event_id"] == reply
        assert found["m.thread"]["current_user_participated"] is wrote


def test_whole_timelines_carry_none(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    root = alice.says(room, "root")
    alice.sends(room, "m.room.message", relate("m.thread", root))
    assert bundle(alice.syncs(), room, root) == {}


def test_who_left_is_not_told_of_later_replies(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(FEW)
    for number in range(5):
        alice.says(room, str(number))
    root = alice.says(room, "root")
    bob.leaves(room)
    alice.sends(room, "m.room.message", relate("m.thread", root))
    timeline = bob.syncs(FEW)["leave"][room]["timeline"]
    assert timeline["limited"]
    assert "m.relations" not in str(timeline)


def test_changed_push_rules_come_as_account_data(server: Server, bob: Person) -> None:
    (first,) = [one for one in bob.syncs()["account_data"] if one["type"] == "m.push_rules"]
    assert first["content"]["global"]["room"] == []
    push_rules.put(server, bob.caller, "room", {"rule_id": "!x", "actions": []})
    (changed,) = [one for one in bob.syncs()["account_data"] if one["type"] == "m.push_rules"]
    assert [rule["rule_id"] for rule in changed["content"]["global"]["room"]] == ["!x"]
    assert [rule["rule_id"] for rule in changed["content"]["global"]["underride"]]
    assert bob.syncs()["account_data"] == []


def test_an_idle_sync_asks_nothing(server: Server, alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.says(room, "one")
    bob.syncs()
    bob.syncs()  # which confirms that messages to the device arrived
    with statements(server.store) as seen:
        bob.syncs()
    assert seen == []
