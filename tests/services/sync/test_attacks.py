"""What one user can store must not break the sync of another, nor show what is not theirs.

The classes of known advisories: a client or server that chokes on odd content, state after leaving
or a ban, transaction IDs of another device.
"""

import json
from contextlib import suppress
from typing import Any

import pytest

from chat.protocol.errors import ChatError
from chat.protocol.event_builder import Draft
from chat.protocol.identifiers import RoomId, UserId
from chat.services import account_data, receipts
from chat.services.receipts import Marker
from chat_testing.people import Person, another_device, ids, state_of
from chat_testing.sliding import EVERYTHING, Slider, a_list, a_room


def nested(depth: int) -> Any:
    """Lists in lists."""
    inner: Any = []
    for _ in range(depth):
        inner = [inner]
    return inner


ODD = {
    "types": {"displayname": 7, "avatar_url": {}, "name": [], "topic": None, "url": 1},
    "huge": {"displayname": "x" * 30_000, "name": "x" * 30_000},
    "NUL": {"displayname": "a\0b", "name": "\0", "body": "\0"},
    "keys": {"": "", "\0": 1, "membership\0": "x", "a.b": {"c.d": 1}},
    "deep": {"a": nested(90)},
    "deeper": {"a": nested(900)},
    "text": {"name": "\u2028\u202e\U0010ffff\ufeff", "displayname": "\u202e" * 500},
    "company": {"m.relates_to": 5, "m.mentions": [], "via": "x", "tags": 3, "ignored_users": 1},
}
FILTERS: list[Any] = [
    None,
    {"event_format": "federation"},
    {"event_fields": ["content.a", "type", "content.a\\.b.c"]},
    {"room": {"state": {"lazy_load_members": True}, "timeline": {"contains_url": True}}},
]


def store(person: Person, room: str, kind: str, content: Any, state_key: str | None) -> None:
    """Send an event past the checks of requests; the rules of rooms still hold."""
    draft = Draft(RoomId(room), UserId(person.id), kind, content, state_key)
    with suppress(ChatError):  # refused is as good
        person.server.writer.append(draft)


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_content_breaks_nobody_s_sync(alice: Person, bob: Person, content: Any) -> None:
    room = alice.creates("private_chat")
    alice.invites(room, bob)
    bob.joins(room)
    invited = alice.creates("private_chat")
    for kind in ("m.room.name", "m.room.avatar", "m.room.topic", "m.space.child", "m.room.pinned"):
        for place in (room, invited):
            store(alice, place, kind, content, "")
    member = {"membership": "join"} | content
    store(alice, room, "m.room.member", member, alice.id)
    for kind in ("m.room.message", "m.reaction", "m.room.encrypted", "org.example"):
        store(alice, room, kind, content, None)
    alice.invites(invited, bob)
    said = alice.says(room, "still here")
    for wanted in FILTERS:
        answer = bob.asks(wanted)
        assert room in answer["join"]
        assert invited in answer["invite"]
        json.dumps(answer)
    for number, wish in enumerate((a_list(state=EVERYTHING, limit=50), a_list(limit=50))):
        answer = Slider(bob, f"{number}", lists={"all": wish}).slides()
        assert ids(answer["rooms"][room]["timeline"])[-1] == said
        assert answer["rooms"][invited]["invite_state"]


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_odd_account_data_breaks_not_even_the_own_sync(alice: Person, content: Any) -> None:
    room = alice.creates()
    for kind in ("m.direct", "m.ignored_user_list", "org.example"):
        account_data.put(alice.server, alice.id, None, kind, content)
    account_data.put(alice.server, alice.id, room, "m.tag", content)
    filters = {"is_dm": False, "not_tags": ["m.favourite"]}
    wish = a_list(**filters)
    extensions = {"account_data": {"enabled": True}}
    assert room in Slider(alice, lists={"all": wish}, extensions=extensions).slides()["rooms"]
    assert room in alice.asks()["join"]


@pytest.mark.parametrize("ended", ["leaves", "kicks", "bans"])
@pytest.mark.parametrize("state_after", [False, True])
def test_nothing_of_later_is_shown_to_who_is_out(
    alice: Person, bob: Person, ended: str, state_after: bool
) -> None:
    room = alice.creates(name="Before")
    bob.joins(room)
    bob.syncs()
    slider = Slider(bob, lists={"all": a_list(state=EVERYTHING)}, rooms={room: a_room(50)})
    slider.slides()
    if ended == "leaves":
        bob.leaves(room)
    else:
        getattr(alice, ended)(room, bob)
    alice.sets(room, "m.room.name", name="Secret")
    alice.sets(room, "m.room.member", alice.id, membership="join", displayname="Secret")
    alice.says(room, "Secret")
    answers = [
        bob.syncs(state_after=state_after),
        bob.asks({"room": {"include_leave": True}}, state_after=state_after),
        bob.asks({"room": {"include_leave": True}}, since=bob.token, full_state=True),
        bob.asks({"room": {"include_leave": True}}, since="s1"),
        slider.slides(),
        slider.slides(rooms={room: a_room(99, EVERYTHING)}),
        Slider(bob, "new", rooms={room: a_room(99, EVERYTHING)}).slides(),
    ]
    assert "Secret" not in json.dumps(answers)
    assert room in answers[0]["leave"]
    assert all(room not in answer.get("join", {}) for answer in answers)


def test_a_banned_guest_of_the_history_sees_only_their_time(alice: Person, bob: Person) -> None:
    state = {"m.room.history_visibility": {"history_visibility": "joined"}}
    room = alice.creates(state=state)
    alice.says(room, "Secret before")
    bob.joins(room)
    seen = alice.says(room, "seen")
    alice.bans(room, bob)
    alice.says(room, "Secret after")
    left = bob.asks({"room": {"include_leave": True, "timeline": {"limit": 50}}})
    slid = Slider(bob, lists={"all": a_list(limit=50, state=EVERYTHING)}).slides()
    assert "Secret" not in json.dumps([left, slid])
    assert seen in ids(left["leave"][room]["timeline"]["events"])
    assert seen in ids(slid["rooms"][room]["timeline"])
    own = ("m.room.member", bob.id)
    assert own in state_of(slid["rooms"][room]["required_state"])


def test_transaction_ids_stay_with_their_device(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    other = another_device(alice, "PHONE")
    alice.says(room, "hi")
    for person, shows in ((alice, True), (other, False), (bob, False)):
        classic = person.asks()["join"][room]["timeline"]["events"][-1]
        slid = Slider(person).slides()["rooms"][room]["timeline"][-1]
        for event in (classic, slid):
            assert ("transaction_id" in event["unsigned"]) is shows


def test_private_receipts_and_own_data_stay_private(alice: Person, bob: Person) -> None:

    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    account_data.set_tag(alice.server, alice.id, room, "u.Secret", {})
    receipts.put(alice.server, alice.caller, room, [Marker("m.read.private", said)])
    extensions = {name: {"enabled": True} for name in ("receipts", "account_data", "typing")}
    answers = [bob.asks(), Slider(bob, extensions=extensions).slides()]
    assert "Secret" not in json.dumps(answers)
    assert "m.read.private" not in json.dumps(answers)
