"""What a sync tells beside timelines: receipts, typing, account data, and what is for a device."""

import json
import time

import gevent
import pytest

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.services import account_data, receipts, typing
from chat.services.notices import INTERVAL_S
from chat.services.receipts import FULLY_READ, READ, READ_PRIVATE, Marker
from chat.services.sync import extras
from chat.storage import devices, keys
from chat.storage.keys import OneTimeKey
from chat_testing.databases import statements
from chat_testing.people import Person, another_device
from chat_testing.servers import FakeClock

ALL = {"room": {"timeline": {"limit": 100}}}


@pytest.fixture
def room(alice: Person, bob: Person) -> str:
    """A room of Alice's in which Bob is, and which both have synced."""
    room = alice.creates()
    bob.joins(room)
    alice.syncs()
    bob.syncs()
    return room


def reads(
    who: Person, room: str, event_id: str, kind: str = READ, thread: str | None = None
) -> None:
    receipts.put(who.server, who.caller, room, [Marker(kind, event_id, thread)])


def ephemeral(who: Person, room: str, **how: object) -> list[dict[str, object]]:
    events: list[dict[str, object]] = (
        who.syncs(**how)["join"].get(room, {}).get("ephemeral", {}).get("events", [])
    )
    return events


# --- receipts ---


def test_public_receipts_are_told_to_all(alice: Person, bob: Person, room: str) -> None:
    said = alice.says(room, "hi")
    reads(bob, room, said)
    receipt = {READ: {bob.id: {"ts": alice.server.clock.now_ms()}}}
    for who in (alice, bob):
        assert ephemeral(who, room) == [{"type": "m.receipt", "content": {said: receipt}}]
        assert ephemeral(who, room) == []


def test_private_receipts_are_told_to_their_owner_only(
    alice: Person, bob: Person, room: str
) -> None:
    said = alice.says(room, "hi")
    reads(bob, room, said, READ_PRIVATE)
    assert ephemeral(alice, room) == []
    (event,) = ephemeral(bob, room)
    assert event["content"] == {said: {READ_PRIVATE: {bob.id: {"ts": alice.server.clock.now_ms()}}}}
    assert alice.asks()["join"][room].get("ephemeral") is None


def test_receipts_of_threads_stand_beside_those_of_the_room(
    alice: Person, bob: Person, room: str
) -> None:
    said = alice.says(room, "hi")
    reads(bob, room, said)
    reads(bob, room, said, thread="main")
    contents = [event["content"] for event in ephemeral(alice, room)]
    threads = [one[said][READ][bob.id].get("thread_id") for one in contents]  # type: ignore[index]
    assert threads == [None, "main"]


def test_receipts_never_move_backwards(alice: Person, bob: Person, room: str) -> None:
    first, second = alice.says(room, "1"), alice.says(room, "2")
    reads(bob, room, second)
    assert len(ephemeral(alice, room)) == 1
    reads(bob, room, first)
    assert ephemeral(alice, room) == []


def test_a_new_member_is_told_the_receipts_that_stand(
    alice: Person, bob: Person, room: str
) -> None:
    said = alice.says(room, "hi")
    reads(alice, room, said)
    bob.leaves(room)
    bob.syncs()
    bob.joins(room)
    assert len(ephemeral(bob, room)) == 1


def test_the_fully_read_marker_is_account_data(alice: Person, room: str) -> None:
    first, second = alice.says(room, "1"), alice.says(room, "2")
    alice.syncs()
    for event_id in (second, first):
        reads(alice, room, event_id, FULLY_READ)
    joined = alice.syncs()["join"][room]
    assert joined == {
        "account_data": {"events": [{"type": FULLY_READ, "content": {"event_id": second}}]}
    }


def test_threads_are_checked(alice: Person, bob: Person, room: str) -> None:
    root = alice.says(room, "root")
    relation = {"rel_type": "m.thread", "event_id": root}
    reply = alice.sends(room, "m.room.message", {"body": "x", "m.relates_to": relation})
    edit = alice.sends(
        room, "m.room.message", {"m.relates_to": {"rel_type": "m.replace", "event_id": reply}}
    )
    for event_id in (root, reply, edit):
        reads(bob, room, event_id, thread=root)
    reads(bob, room, root, thread="main")
    for event_id, thread in ((reply, "main"), (edit, "main"), (reply, reply + "x")):
        with pytest.raises(InvalidParam):
            reads(bob, room, event_id, thread=thread)


@pytest.mark.parametrize(("kind", "thread"), [("m.seen", None), (READ, ""), (FULLY_READ, "main")])
def test_impossible_markers_are_refused(alice: Person, room: str, kind: str, thread: str) -> None:
    said = alice.says(room, "hi")
    with pytest.raises(InvalidParam):
        reads(alice, room, said, kind, thread)


def test_receipts_need_a_room_and_an_event_that_can_be_seen(
    alice: Person, bob: Person, room: str
) -> None:
    said = alice.says(room, "hi")
    other = alice.creates("private_chat")
    with pytest.raises(Forbidden):
        reads(bob, other, said)
    with pytest.raises(NotFound):
        reads(bob, "!none:a.example", said)
    with pytest.raises(NotFound):
        reads(alice, other, said)
    with pytest.raises(NotFound):
        reads(alice, room, "$none")


def test_receipts_for_events_before_one_joined_are_refused_where_those_are_hidden(
    alice: Person, bob: Person
) -> None:
    room = alice.creates(state={"m.room.history_visibility": {"history_visibility": "joined"}})
    said = alice.says(room, "hi")
    bob.joins(room)
    with pytest.raises(NotFound):
        reads(bob, room, said)


def test_all_markers_move_or_none(alice: Person, room: str) -> None:
    said = alice.says(room, "hi")
    alice.syncs()
    with pytest.raises(NotFound):
        receipts.put(
            alice.server, alice.caller, room, [Marker(READ, said), Marker(FULLY_READ, "$none")]
        )
    assert alice.syncs()["join"] == {}


# --- typing ---


def typists(who: Person, room: str) -> list[list[str]]:
    events = ephemeral(who, room)
    return [event["content"]["user_ids"] for event in events if event["type"] == "m.typing"]  # type: ignore[index]


def test_typing_is_told_until_it_ends(alice: Person, bob: Person, room: str) -> None:
    typing.start(bob.server, bob.caller, room, 30_000)
    assert typists(alice, room) == [[bob.id]]
    typing.start(bob.server, bob.caller, room, 30_000)  # renewed: no news
    assert typists(alice, room) == []
    typing.stop(bob.server, bob.caller, room)
    assert typists(alice, room) == [[]]
    typing.stop(bob.server, bob.caller, room)
    assert typists(alice, room) == []


def test_typing_ends_by_itself(alice: Person, bob: Person, room: str, clock: FakeClock) -> None:
    typing.start(bob.server, bob.caller, room, 50)
    assert typists(alice, room) == [[bob.id]]
    clock.advance(seconds=1)
    gevent.sleep(0.2)  # lets the timer run
    assert typists(alice, room) == [[]]


def test_a_message_ends_its_senders_notice(alice: Person, bob: Person, room: str) -> None:
    other = alice.creates()
    bob.joins(other)
    alice.syncs()
    for where in (room, other):
        typing.start(bob.server, bob.caller, where, 30_000)
    alice.syncs()
    bob.says(room, "hi")
    time.sleep(2 * INTERVAL_S)  # nobody waits for it
    joined = alice.syncs()["join"]
    assert [event["content"] for event in joined[room]["ephemeral"]["events"]] == [{"user_ids": []}]
    assert other not in joined
    with statements(bob.server.store) as seen:
        bob.says(other, "hi")
        time.sleep(2 * INTERVAL_S)
    with statements(bob.server.store) as without:
        bob.says(other, "hi again")
    assert len(without) < len(seen)


def test_typing_ends_after_two_minutes_whatever_was_asked(
    alice: Person, bob: Person, room: str, clock: FakeClock
) -> None:
    typing.start(bob.server, bob.caller, room, 10**9)
    clock.advance(seconds=121)
    typing.end_expired(bob.server)
    alice.syncs()
    assert alice.asks()["join"][room].get("ephemeral") is None


def test_typing_is_for_members(alice: Person, bob: Person) -> None:
    room = alice.creates()
    with pytest.raises(Forbidden):
        typing.start(bob.server, bob.caller, room, 1)
    with pytest.raises(NotFound):
        typing.start(bob.server, bob.caller, "!none:a.example", 1)


def test_a_first_sync_tells_who_is_typing(alice: Person, bob: Person, room: str) -> None:
    typing.start(bob.server, bob.caller, room, 30_000)
    alice.token = None
    assert typists(alice, room) == [[bob.id]]


def test_the_end_of_typing_is_told_to_who_left_and_came_back(
    alice: Person, bob: Person, room: str
) -> None:
    typing.start(alice.server, alice.caller, room, 30_000)
    bob.syncs()
    bob.leaves(room)
    typing.stop(alice.server, alice.caller, room)
    bob.joins(room)
    assert ephemeral(bob, room) == [{"type": "m.typing", "content": {"user_ids": []}}]


def test_the_end_of_typing_is_told_to_old_tokens_too(alice: Person, bob: Person, room: str) -> None:
    typing.start(bob.server, bob.caller, room, 30_000)
    assert typists(alice, room) == [[bob.id]]
    typing.stop(bob.server, bob.caller, room)
    alice.server.notifier.tail.start(alice.server.notifier.position)  # as after a restart
    alice.server.sync.users.drop(alice.id)
    assert typists(alice, room) == [[]]


@pytest.mark.parametrize("hidden", ["m.typing", "m.receipt"])
def test_filters_choose_ephemeral_events(
    alice: Person, bob: Person, room: str, hidden: str
) -> None:
    reads(bob, room, alice.says(room, "hi"))
    typing.start(bob.server, bob.caller, room, 30_000)
    wanted = {"room": {"ephemeral": {"not_types": [hidden]}}}
    shown = [event["type"] for event in ephemeral(alice, room, filter=wanted)]
    assert shown == [({"m.typing", "m.receipt"} - {hidden}).pop()]


def test_receipts_and_typing_are_read_once_for_all(alice: Person, bob: Person, room: str) -> None:
    other = another_device(alice, "OTHER")
    other.syncs()
    other.syncs()
    reads(bob, room, alice.says(room, "hi"))
    typing.start(bob.server, bob.caller, room, 30_000)
    assert len(ephemeral(alice, room)) == 2
    with statements(alice.server.store) as seen:
        assert len(ephemeral(other, room)) == 2
    assert seen == []


# --- account data ---


def test_account_data_is_told_when_it_changes(alice: Person, room: str) -> None:
    account_data.put(alice.server, alice.id, None, "org.example.a", {"n": 1})
    account_data.put(alice.server, alice.id, None, "org.example.a", {"n": 2})
    account_data.set_tag(alice.server, alice.id, room, "m.favourite", {"order": 0.5})
    answer = alice.syncs()
    assert answer["account_data"] == [{"type": "org.example.a", "content": {"n": 2}}]
    tags = {"tags": {"m.favourite": {"order": 0.5}}}
    assert answer["join"][room]["account_data"]["events"] == [{"type": "m.tag", "content": tags}]
    assert alice.syncs()["join"] == {}


def test_a_first_sync_tells_all_account_data_and_the_push_rules(alice: Person, room: str) -> None:
    account_data.put(alice.server, alice.id, None, "org.example.a", {"n": 1})
    account_data.set_tag(alice.server, alice.id, room, "m.favourite", {})
    answer = alice.asks()
    told = {event["type"]: event["content"] for event in answer["account_data"]}
    assert told["org.example.a"] == {"n": 1}
    assert "override" in told["m.push_rules"]["global"]
    assert answer["join"][room]["account_data"]["events"][0]["type"] == "m.tag"


def test_account_data_of_a_room_comes_with_the_room(alice: Person, bob: Person, room: str) -> None:
    account_data.set_tag(bob.server, bob.id, room, "m.favourite", {})
    bob.leaves(room)
    bob.syncs()
    bob.joins(room)
    assert bob.syncs()["join"][room]["account_data"]["events"][0]["type"] == "m.tag"


def test_filters_choose_account_data(alice: Person, room: str) -> None:
    for kind in ("org.example.a", "org.example.b"):
        account_data.put(alice.server, alice.id, None, kind, {})
        account_data.put(alice.server, alice.id, room, kind, {})
    wanted = {
        "account_data": {"types": ["*.a"]},
        "room": {"account_data": {"not_types": ["*.a"]}},
    }
    answer = alice.syncs(wanted)
    assert [event["type"] for event in answer["account_data"]] == ["org.example.a"]
    in_room = answer["join"][room]["account_data"]["events"]
    assert [event["type"] for event in in_room] == ["org.example.b"]


# --- messages to devices ---


def sends_to_device(who: Person, to: Person, *numbers: int) -> None:
    messages = [(to.id, to.caller.device_id, json.dumps({"n": n})) for n in numbers]
    to.server.store.write(lambda tx: keys.send_to_devices(tx, who.id, "m.test", messages))


def numbers(answer: dict[str, list[dict[str, dict[str, int]]]]) -> list[int]:
    return [event["content"]["n"] for event in answer["to_device"]]


def test_messages_to_a_device_are_told_until_they_are_confirmed(alice: Person, bob: Person) -> None:
    token = bob.syncs()["next_batch"]
    sends_to_device(alice, bob, 1, 2)
    for _ in range(2):  # the answer may be lost
        assert numbers(bob.asks(since=token)) == [1, 2]
    assert numbers(bob.syncs()) == [1, 2]
    assert numbers(bob.syncs()) == []
    assert numbers(bob.asks()) == []
    assert numbers(bob.asks(since=token)) == []


def test_messages_are_for_one_device(alice: Person, bob: Person) -> None:
    other = another_device(bob, "OTHER")
    bob.syncs()
    other.syncs()
    sends_to_device(alice, other, 1)
    assert numbers(bob.syncs()) == []
    (event,) = other.syncs()["to_device"]
    assert event == {"type": "m.test", "sender": alice.id, "content": {"n": 1}}


def test_many_messages_come_in_several_answers_without_loss(alice: Person, bob: Person) -> None:
    bob.syncs()
    sends_to_device(alice, bob, *range(250))
    got = []
    for _ in range(3):
        answer = bob.syncs(timeout_ms=10_000)
        assert len(answer["to_device"]) <= extras.DEVICE_MESSAGES
        got += numbers(answer)
    assert got == list(range(250))
    assert numbers(bob.syncs()) == []
    assert bob.token is not None
    assert "_" not in bob.token


# --- keys and device lists ---


def offers(who: Person, *names: str) -> None:
    offered = [OneTimeKey("signed_curve25519", name, "{}") for name in names]

    def work(tx: object) -> None:
        keys.add_one_time_keys(tx, who.id, who.caller.device_id, offered, 0)  # type: ignore[arg-type]
        fallback = [OneTimeKey("signed_curve25519", "fallback", "{}")]
        keys.put_fallback_keys(tx, who.id, who.caller.device_id, fallback)  # type: ignore[arg-type]

    who.server.store.write(work)


def claims(who: Person) -> None:
    who.server.store.write(
        lambda tx: keys.claim(tx, who.id, who.caller.device_id, "signed_curve25519")
    )


def test_key_counts_are_always_told_and_news_end_the_wait(alice: Person, room: str) -> None:
    assert alice.syncs()["key_counts"] == {}
    offers(alice, "a", "b")
    assert alice.syncs(timeout_ms=10_000)["key_counts"] == {"signed_curve25519": 2}
    claims(alice)
    assert alice.syncs(timeout_ms=10_000)["key_counts"] == {"signed_curve25519": 1}
    claims(alice)
    answer = alice.syncs()
    assert answer["key_counts"] == {}
    assert answer["fallback"] == ["signed_curve25519"]
    claims(alice)
    assert alice.syncs()["fallback"] == []


def test_key_counts_cost_nothing_while_they_stay(alice: Person, room: str) -> None:
    offers(alice, "a")
    alice.syncs()
    with statements(alice.server.store) as seen:
        assert alice.syncs()["key_counts"] == {"signed_curve25519": 1}
    assert seen == []


def changes_devices(who: Person) -> None:
    who.server.store.write(lambda tx: devices.mark_list_changed(tx, who.id))


def test_changed_devices_are_told_to_who_shares_a_room(
    alice: Person, bob: Person, room: str
) -> None:
    changes_devices(bob)
    assert alice.syncs(timeout_ms=10_000)["changed"] == [bob.id]
    assert bob.syncs()["changed"] == [bob.id]
    assert alice.syncs()["changed"] == []
    bob.leaves(room)
    alice.syncs()
    changes_devices(bob)
    assert alice.syncs()["changed"] == []


def test_changed_devices_are_told_to_old_tokens_too(alice: Person, bob: Person, room: str) -> None:
    changes_devices(bob)
    alice.server.notifier.tail.start(alice.server.notifier.position)  # as after a restart
    alice.server.sync.users.drop(alice.id)
    assert alice.syncs()["changed"] == [bob.id]


def test_encrypted_rooms_tell_who_came_and_who_left(alice: Person, bob: Person) -> None:
    room = alice.creates(state={"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}})
    alice.syncs()
    bob.syncs()
    bob.joins(room)
    assert alice.syncs()["changed"] == [bob.id]
    assert bob.syncs()["changed"] == [alice.id]
    bob.leaves(room)
    assert alice.syncs()["left"] == [bob.id]
    assert bob.syncs()["left"] == [alice.id]


def test_who_still_shares_another_room_has_not_left(alice: Person, bob: Person) -> None:
    state = {"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}}
    rooms = [alice.creates(state=state) for _ in range(2)]
    for room in rooms:
        bob.joins(room)
    alice.syncs()
    bob.syncs()
    bob.leaves(rooms[0])
    assert alice.syncs()["left"] == []
    assert bob.syncs()["left"] == []


def test_a_room_that_becomes_encrypted_tells_its_members(
    alice: Person, bob: Person, room: str
) -> None:
    alice.sets(room, "m.room.encryption", algorithm="m.megolm.v1.aes-sha2")
    assert alice.syncs()["changed"] == [bob.id]
    assert bob.syncs()["changed"] == [alice.id]
