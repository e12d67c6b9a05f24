"""What sliding sync tells beside events and state."""

import json
from typing import Any

import pytest

from chat.protocol.errors import InvalidParam
from chat.services import account_data, receipts, typing
from chat.services.e2e import device_keys, to_device
from chat.services.receipts import Marker
from chat.storage import devices
from chat_testing.people import Person
from chat_testing.sliding import Slider, a_list, a_room

ON = {"enabled": True}


def slider(person: Person, *names: str, **how: Any) -> Slider:
    """A connection with extensions."""
    return Slider(person, extensions={name: dict(ON) for name in names}, **how)


def reads(who: Person, room: str, kind: str, event_id: str) -> None:
    """Move a marker."""
    receipts.put(who.server, who.caller, room, [Marker(kind, event_id)])


def types(who: Person, room: str) -> None:
    """Begin to type."""
    typing.start(who.server, who.caller, room, 30_000)


def stops_typing(who: Person, room: str) -> None:
    """End to type."""
    typing.stop(who.server, who.caller, room)


def test_nothing_is_told_that_was_not_asked_for(alice: Person) -> None:
    alice.creates()
    assert Slider(alice).slides()["extensions"] == {}


# --- account data ---


def test_account_data_comes_first_whole_and_then_as_it_changes(alice: Person) -> None:
    room = alice.creates()
    account_data.put(alice.server, alice.id, None, "org.example.mine", {"n": 1})
    account_data.set_tag(alice.server, alice.id, room, "m.favourite", {"order": 0.5})
    client = slider(alice, "account_data")
    told = client.slides()["extensions"]["account_data"]
    assert {"m.push_rules", "org.example.mine"} <= {one["type"] for one in told["global"]}
    assert [one["type"] for one in told["rooms"][room]] == ["m.tag"]
    assert "account_data" not in client.slides()["extensions"]
    account_data.put(alice.server, alice.id, None, "org.example.mine", {"n": 2})
    account_data.set_tag(alice.server, alice.id, room, "m.favourite", None)
    told = client.slides()["extensions"]["account_data"]
    assert told["global"] == [{"type": "org.example.mine", "content": {"n": 2}}]
    assert told["rooms"] == {room: [{"type": "m.tag", "content": {"tags": {}}}]}


def test_account_data_of_rooms_that_are_not_shown_stays_away(alice: Person) -> None:
    hidden, shown = alice.creates(), alice.creates()
    client = slider(alice, "account_data", lists={"all": a_list([0, 0])})
    client.slides()
    for room in (hidden, shown):
        account_data.set_tag(alice.server, alice.id, room, "m.favourite", {})
    told = client.slides()["extensions"]["account_data"]
    assert told["rooms"].keys() == {shown}
    client.lists = {"all": a_list([0, 1])}
    told = client.slides()["extensions"]["account_data"]
    assert told["rooms"].keys() == {hidden}


# --- receipts and typing notices ---


def test_receipts_come_for_the_timeline_and_then_as_they_change(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    old, new = alice.says(room, "old"), alice.says(room, "new")
    reads(bob, room, "m.read", old)
    client = slider(alice, "receipts", lists={"all": a_list(limit=1)})
    assert "receipts" not in client.slides()["extensions"]
    reads(bob, room, "m.read", new)
    reads(bob, room, "m.read.private", new)
    told = client.slides()["extensions"]["receipts"]["rooms"]
    assert told[room]["type"] == "m.receipt"
    assert told[room]["content"][new].keys() == {"m.read"}
    assert bob.id in told[room]["content"][new]["m.read"]
    again = slider(alice, "receipts", lists={"all": a_list(limit=1)}, conn_id="new")
    assert new in again.slides()["extensions"]["receipts"]["rooms"][room]["content"]


def test_own_receipts_come_whatever_they_are_for(alice: Person) -> None:
    room = alice.creates()
    old = alice.says(room, "old")
    alice.says(room, "new")
    reads(alice, room, "m.read.private", old)
    client = slider(alice, "receipts", lists={"all": a_list(limit=1)})
    told = client.slides()["extensions"]["receipts"]["rooms"]
    assert told[room]["content"][old].keys() == {"m.read.private"}


def test_typing_comes_as_it_changes_and_for_new_rooms(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    client = slider(alice, "typing")
    assert "typing" not in client.slides()["extensions"]
    types(bob, room)
    told = client.slides()["extensions"]["typing"]["rooms"]
    assert told == {room: {"type": "m.typing", "content": {"user_ids": [bob.id]}}}
    assert "typing" not in client.slides()["extensions"]
    assert room in slider(alice, "typing", conn_id="new").slides()["extensions"]["typing"]["rooms"]
    typing.stop(bob.server, bob.caller, room)
    told = client.slides()["extensions"]["typing"]["rooms"]
    assert told[room]["content"]["user_ids"] == []


def test_typing_is_told_to_tokens_older_than_the_tail(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    client = slider(alice, "typing")
    client.slides()
    for change, typists in ((types, [bob.id]), (stops_typing, [])):
        change(bob, room)
        alice.server.notifier.tail.start(alice.server.notifier.position)
        told = client.slides()["extensions"]["typing"]["rooms"]
        assert told[room]["content"]["user_ids"] == typists


def test_the_end_of_typing_is_told_of_rooms_that_come_back(alice: Person, bob: Person) -> None:
    room, other = alice.creates(), alice.creates()
    bob.joins(room)
    types(bob, room)
    client = slider(alice, "typing", lists={"all": a_list([0, 0])})
    assert room in client.slides()["extensions"]["typing"]["rooms"]
    alice.says(other, "now this is the first on the list")
    client.slides()
    stops_typing(bob, room)
    client.lists = {"all": a_list([0, 1])}
    told = client.slides()["extensions"]["typing"]["rooms"]
    assert told[room]["content"]["user_ids"] == []


def test_the_end_of_typing_is_told_to_who_left_and_came_back(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    types(alice, room)
    client = slider(bob, "typing")
    assert room in client.slides()["extensions"]["typing"]["rooms"]
    bob.leaves(room)
    stops_typing(alice, room)
    bob.joins(room)
    told = client.slides()["extensions"]["typing"]["rooms"]
    assert told[room]["content"]["user_ids"] == []


@pytest.mark.parametrize("first", [None, "main"])
def test_of_receipts_for_one_event_that_for_no_thread_is_told(
    alice: Person, bob: Person, first: str | None
) -> None:
    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    client = slider(alice, "receipts")
    client.slides()
    for thread in (first, "main" if first is None else None):
        receipts.put(bob.server, bob.caller, room, [Marker("m.read", said, thread)])
    told = client.slides()["extensions"]["receipts"]["rooms"]
    assert "thread_id" not in told[room]["content"][said]["m.read"][bob.id]


def test_receipts_for_a_thread_and_for_none_are_told_as_they_come(
    alice: Person, bob: Person
) -> None:
    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    client = slider(alice, "receipts")
    client.slides()
    for thread in (None, "main"):
        receipts.put(bob.server, bob.caller, room, [Marker("m.read", said, thread)])
        told = client.slides()["extensions"]["receipts"]["rooms"]
        assert told[room]["content"][said]["m.read"][bob.id].get("thread_id") == thread


@pytest.mark.parametrize(
    ("scope", "is_told"),
    [
        ({}, True),
        ({"lists": ["all"]}, True),
        ({"lists": []}, True),
        ({"lists": [], "rooms": []}, False),
        ({"lists": ["other"], "rooms": []}, False),
        ({"lists": [], "rooms": ["*"]}, True),
        ({"lists": ["all"], "rooms": []}, True),
    ],
)
def test_an_extension_is_for_some_lists_and_rooms(
    alice: Person, bob: Person, scope: Any, is_told: bool
) -> None:
    room = alice.creates()
    bob.joins(room)
    client = Slider(alice, rooms={room: a_room()}, extensions={"typing": ON | scope})
    client.slides()
    types(bob, room)
    assert ("typing" in client.slides()["extensions"]) is is_told


def test_who_was_removed_learns_nothing_more(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    client = slider(bob, "receipts", "typing", "account_data", rooms={room: a_room()})
    client.slides()
    alice.kicks(room, bob)
    types(alice, room)
    reads(alice, room, "m.read", said)
    answer = client.slides()
    assert answer["rooms"][room]["membership"] == "leave"
    assert answer["extensions"] == {}
    assert client.slides()["extensions"] == {}


# --- devices ---


def send(sender: Person, to: Person, text: str) -> None:
    """Send a message to all devices of somebody."""
    messages = {to.id: {"*": {"body": text}}}
    to_device.send(sender.server, sender.caller, "org.example", messages, f"/{text}")


def test_messages_stay_until_their_token_comes_back(alice: Person, bob: Person) -> None:
    client = slider(alice, "to_device", lists={})
    client.slides()
    send(bob, alice, "one")
    told = client.slides()["extensions"]["to_device"]
    assert [one["content"]["body"] for one in told["events"]] == ["one"]
    again = client.slides()["extensions"]["to_device"]
    assert again["events"] == told["events"]
    client.extensions["to_device"]["since"] = told["next_batch"]
    assert "events" not in client.slides()["extensions"]["to_device"]
    del client.extensions["to_device"]["since"]
    assert "events" not in client.slides()["extensions"]["to_device"]


def test_messages_come_a_few_at_a_time(alice: Person, bob: Person) -> None:
    for text in "abc":
        send(bob, alice, text)
    client = Slider(alice, lists={}, extensions={"to_device": ON | {"limit": 2}})
    seen = []
    for _ in range(3):
        told = client.slides()["extensions"]["to_device"]
        seen.append("".join(one["content"]["body"] for one in told.get("events", [])))
        client.extensions["to_device"]["since"] = told["next_batch"]
    assert seen == ["ab", "c", ""]


@pytest.mark.parametrize("since", ["x", "s1_2", "s" + "9" * 30])
def test_other_tokens_of_messages_are_refused(alice: Person, since: str) -> None:
    client = Slider(alice, lists={}, extensions={"to_device": ON | {"since": since}})
    with pytest.raises(InvalidParam):
        client.slides()


def test_the_supply_of_keys_comes_first_and_as_it_changes(alice: Person) -> None:
    client = slider(alice, "e2ee", lists={})
    told = client.slides()["extensions"]["e2ee"]
    assert told["device_one_time_keys_count"] == {"signed_curve25519": 0}
    assert told["device_unused_fallback_key_types"] == []
    assert "e2ee" not in client.slides()["extensions"]
    key = {"signed_curve25519:A": {"key": "k", "signatures": {}}}
    device_keys.upload(alice.server, alice.caller, None, key, {})
    told = client.slides()["extensions"]["e2ee"]
    assert told["device_one_time_keys_count"] == {"signed_curve25519": 1}
    assert "e2ee" not in client.slides()["extensions"]


def test_changed_devices_are_told_of_rooms_that_no_list_has(alice: Person, bob: Person) -> None:
    room = alice.creates(state={"m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"}})
    client = slider(alice, "e2ee", lists={})
    client.slides()
    bob.joins(room)
    assert client.slides()["extensions"]["e2ee"]["device_lists"]["changed"] == [bob.id]
    bob.server.store.write(lambda tx: devices.mark_list_changed(tx, bob.id))
    assert client.slides()["extensions"]["e2ee"]["device_lists"]["changed"] == [bob.id]
    bob.leaves(room)
    assert client.slides()["extensions"]["e2ee"]["device_lists"]["left"] == [bob.id]
    assert "e2ee" not in client.slides()["extensions"]


def test_answers_are_json(alice: Person) -> None:
    room = alice.creates()
    alice.says(room, '\u0000\u2028 quote " and \\')
    answer = slider(alice, "account_data", "receipts", "typing", "to_device", "e2ee").slides()
    assert json.loads(json.dumps(answer)) == answer
