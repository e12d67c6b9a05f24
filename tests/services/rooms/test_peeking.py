"""Rooms read without sync, from inside and from outside."""

import json
import threading
from typing import Any

import pytest

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.services import account_data
from chat.services.caller import Caller
from chat.services.rooms import membership, peeking, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.peeking import Stretch
from chat.services.server import Server
from chat_testing.callers import a_user

NOWHERE = "!nowhere:a.example"
OPEN = Wish(
    "public_chat",
    published=True,
    initial_state=[(("m.room.history_visibility", ""), {"history_visibility": "world_readable"})],
)


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def say(server: Server, caller: Caller, room_id: str, body: str) -> str:
    txn = send.txn(caller, f"/send/{body}", body)
    return send.send_event(server, caller, room_id, "m.room.message", {"body": body}, txn).event_id


def ids(events: list[bytes]) -> list[str]:
    return [json.loads(one)["event_id"] for one in events]


def test_a_room_at_once_for_members_and_for_anybody(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, OPEN)
    said = say(server, alice, room_id, "hello")
    account_data.put(server, alice.user_id, room_id, "a.b", {"x": 1})
    for caller, what in ((alice, "join"), (bob, "leave")):
        now = peeking.room_now(server, caller, room_id)
        assert (now.membership, now.is_published) == (what, True)
        assert ids(now.messages)[-1] == said
        assert {json.loads(one)["type"] for one in now.state} >= {"m.room.create"}
    mine = peeking.room_now(server, alice, room_id).account_data
    assert [json.loads(one) for one in mine] == [{"type": "a.b", "content": {"x": 1}}]


def test_a_closed_room_is_closed(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish(invited=[bob.user_id]))
    membership.leave(server, bob, room_id)
    for read in (
        lambda room_id: peeking.room_now(server, bob, room_id),
        lambda room_id: peeking.watch_room(server, bob, room_id, None, 0),
    ):
        with pytest.raises(Forbidden):
            read(room_id)
        with pytest.raises(NotFound):
            read(NOWHERE)


def test_who_has_left_sees_the_room_of_then(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish("public_chat"))
    membership.join(server, bob, room_id)
    membership.leave(server, bob, room_id)
    state.put(server, alice, room_id, "m.room.name", "", {"name": "later"})
    now = peeking.room_now(server, bob, room_id)
    assert now.membership == "leave"
    assert "m.room.name" not in {json.loads(one)["type"] for one in now.state}
    with pytest.raises(Forbidden):  # what happens now is not for them
        peeking.watch_room(server, bob, room_id, now.end, 0)


def test_an_open_room_is_watched_from_outside(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, OPEN)
    start = peeking.room_now(server, bob, room_id).end
    assert peeking.watch_room(server, bob, room_id, start, 0).events == []
    said = [say(server, alice, room_id, body) for body in "ab"]
    seen = peeking.watch_room(server, bob, room_id, start, 0)
    assert (ids(seen.events), seen.start) == (said, start)
    assert peeking.watch_room(server, bob, room_id, seen.end, 0).events == []
    shared = {"history_visibility": "shared"}
    change = state.put(server, alice, room_id, "m.room.history_visibility", "", shared)
    assert change.event_id
    with pytest.raises(Forbidden):
        peeking.watch_room(server, bob, room_id, seen.end, 0)
    for token in ("x", "t1_2"):
        with pytest.raises(InvalidParam):
            peeking.watch_room(server, alice, room_id, token, 0)


def in_background(work: Any) -> "tuple[threading.Thread, list[Stretch]]":
    found: list[Stretch] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


def test_watching_waits_for_what_comes(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, OPEN)
    start = peeking.room_now(server, bob, room_id).end
    thread, found = in_background(lambda: peeking.watch_room(server, bob, room_id, start, 20_000))
    while not server.notifier.waiting:
        assert thread.is_alive()
    said = say(server, alice, room_id, "news")
    thread.join(10)
    assert ids(found[0].events) == [said]


def test_long_news_come_in_pieces(
    server: Server, alice: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id = create_room(server, alice, OPEN)
    position = peeking.room_now(server, alice, room_id).end
    said = [say(server, alice, room_id, body) for body in "abcde"]
    monkeypatch.setattr(peeking, "MAX_EVENTS", 2)
    seen = []
    for _ in range(3):
        stretch = peeking.watch_room(server, alice, room_id, position, 0)
        seen += ids(stretch.events)
        position = stretch.end
    assert seen == said


def test_everything_at_once_and_then_what_happens(
    server: Server, alice: Caller, bob: Caller
) -> None:
    with pytest.raises(NotFound):
        peeking.everything_now(server, bob, limit=None, archived=False)
    joined, left, closed = (create_room(server, alice, Wish("public_chat")) for _ in range(3))
    invited = create_room(server, alice, Wish(invited=[bob.user_id]))
    for room_id in (joined, left):
        membership.join(server, bob, room_id)
    membership.leave(server, bob, left)
    account_data.put(server, bob.user_id, None, "a.b", {})

    now = peeking.everything_now(server, bob, limit=1, archived=False)
    assert {room.room_id: room.membership for room in now.rooms} == {
        joined: "join",
        invited: "invite",
    }
    by_id = {room.room_id: room for room in now.rooms}
    assert len(by_id[joined].messages) == 1
    invite = by_id[invited].invite
    assert invite is not None
    assert json.loads(invite)["state_key"] == bob.user_id
    assert [json.loads(one)["type"] for one in now.account_data] == ["a.b"]
    archived = peeking.everything_now(server, bob, limit=1, archived=True)
    assert left in {room.room_id for room in archived.rooms}

    said = say(server, alice, joined, "one")
    say(server, alice, left, "two")
    say(server, alice, closed, "three")
    assert ids(peeking.watch_all(server, bob, now.end, 0).events) == [said]
    assert peeking.watch_all(server, bob, None, 0).events == []


def test_one_event_without_its_room(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish())
    said = say(server, alice, room_id, "hello")
    assert json.loads(peeking.event(server, alice, said))["room_id"] == room_id
    for caller, event_id in ((bob, said), (alice, "$nothing")):
        with pytest.raises(NotFound):
            peeking.event(server, caller, event_id)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("m.invite_permission_config", {"default_action": "block"}),
        ("m.ignored_user_list", {"ignored_users": {"@alice:a.example": {}}}),
    ],
)
def test_unwanted_invites_are_not_told(
    server: Server, alice: Caller, bob: Caller, kind: str, content: dict[str, Any]
) -> None:
    create_room(server, alice, Wish(invited=[bob.user_id]))
    account_data.put(server, bob.user_id, None, kind, content)
    assert peeking.everything_now(server, bob, limit=1, archived=False).rooms == []
    account_data.put(server, bob.user_id, None, kind, {})
    assert len(peeking.everything_now(server, bob, limit=1, archived=False).rooms) == 1
