"""The list of past notifications, and whom an event is pushed to."""

import json
from typing import Any

import pytest

from chat.protocol import canonical_json
from chat.protocol.errors import InvalidParam
from chat.protocol.event import Event
from chat.services import notifications, push_rules, receipts
from chat.services.notifications import Page
from chat.services.receipts import READ, Marker
from chat.services.rooms.opened import OpenRoom
from chat.services.server import Server
from chat.storage import events, rooms
from chat.storage.engine import Transaction
from chat_testing.people import Person, a_person

ALL = {"only_highlights": False}


@pytest.fixture
def alice(server: Server) -> Person:
    """Writes."""
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    """Is notified."""
    return a_person(server, "bob")


def page(person: Person, start: str | None = None, limit: int | None = None, **how: Any) -> Page:
    return notifications.page(person.server, person.caller, start, limit, **(ALL | how))


def ids(found: Page) -> list[str]:
    return [json.loads(one.event)["event_id"] for one in found.found]


def mention(person: Person) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": "x", "m.mentions": {"user_ids": [person.id]}}


def test_notifications_come_latest_first_from_all_rooms(alice: Person, bob: Person) -> None:
    one, two = alice.creates(), alice.creates()
    alice.says(one, "before bob came")
    bob.joins(one)
    bob.joins(two)
    first = alice.says(one, "first")
    second = alice.sends(two, "m.room.message", mention(bob))
    bob.says(one, "mine")
    gone = alice.says(one, "gone")
    alice.redacts(one, gone)
    found = page(bob)
    assert ids(found) == [second, first]
    assert [one.is_read for one in found.found] == [False, True]
    assert {"set_tweak": "highlight"} in found.found[0].actions
    assert "notify" in found.found[1].actions
    assert ids(page(bob, only_highlights=True)) == [second]
    receipts.put(bob.server, bob.caller, two, [Marker(READ, second)])
    assert page(bob).found[0].is_read


def test_pages(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    sent = [alice.says(room, str(number)) for number in range(5)]
    seen, start = [], None
    for _ in range(3):
        found = page(bob, start, 2)
        seen += ids(found)
        start = found.next_token
    assert (seen, start) == (sent[::-1], None)
    with pytest.raises(InvalidParam):
        page(bob, "made-up")


def test_an_invite_is_a_notification(alice: Person, bob: Person) -> None:
    room = alice.creates(preset="private_chat")
    alice.invites(room, bob)
    (invite,) = page(bob).found
    assert json.loads(invite.event)["content"]["membership"] == "invite"


def test_whom_an_event_is_pushed_to(server: Server, alice: Person, bob: Person) -> None:
    room_id = alice.creates()
    carol, dave = a_person(server, "carol"), a_person(server, "dave")
    for person in (bob, carol, dave):
        person.joins(room_id)
    push_rules.put(server, dave.caller, "room", {"rule_id": room_id, "actions": []})
    event_id = alice.sends(room_id, "m.room.message", mention(bob))

    def work(tx: Transaction) -> dict[str, Any]:
        room, row = rooms.get(tx, room_id), events.by_id(tx, event_id)
        assert room is not None and row is not None
        opened = OpenRoom(tx, room, None)
        pdu = canonical_json.decode(events.bodies(tx, [row.ev])[row.ev])
        event = Event.trusted(row.event_id, pdu, opened.rules)
        return {one.user_id: one.actions for one in notifications.pushes(tx, opened, event)}

    found = server.store.read(work)
    assert found.keys() == {bob.id, carol.id}
    assert {"set_tweak": "highlight"} in found[bob.id]
    assert list(found[carol.id]) == ["notify"]
