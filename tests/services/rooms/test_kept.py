"""Kept lists: never stale."""

import json

import pytest

from chat.services.rooms import membership, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.server import Server
from chat_testing.callers import a_user
from chat_testing.databases import statements


def test_a_state_shown_again_is_not_read_again(server: Server) -> None:
    alice = a_user(server, "alice")
    room_id = create_room(server, alice, Wish())
    state.whole(server, alice, room_id)
    with statements(server.store) as seen:
        state.whole(server, alice, room_id)
    assert len(seen) == 1


@pytest.mark.parametrize("first", [True, False], ids=["seen before", "not seen before"])
def test_kept_states_follow_changes_and_redactions(server: Server, first: bool) -> None:
    alice = a_user(server, "alice")
    room_id = create_room(server, alice, Wish())

    def topic() -> dict:
        found = [json.loads(one) for one in state.whole(server, alice, room_id)]
        return {one["type"]: one["content"] for one in found}.get("m.room.topic", {})

    if first:
        assert topic() == {}
    sent = state.put(server, alice, room_id, "m.room.topic", "", {"topic": "tea"})
    if first:
        assert topic() == {"topic": "tea"}
    txn = send.txn(alice, "/redact/1", "1")
    send.redact(server, alice, room_id, sent.event_id, None, txn)
    assert topic() == {}


def test_kept_members_are_those_asked_for(server: Server) -> None:
    alice, bob = a_user(server, "alice"), a_user(server, "bob")
    room_id = create_room(server, alice, Wish(invited=[bob.user_id]))

    def who(wanted: str | None, unwanted: str | None = None) -> int:
        how = {"at": None, "membership": wanted, "not_membership": unwanted}
        return len(state.members(server, alice, room_id, **how))

    for _ in range(2):
        assert (who("join"), who("invite"), who(None), who(None, "join")) == (1, 1, 2, 1)
    membership.leave(server, bob, room_id)
    assert (who("join"), who("invite"), who("leave")) == (1, 0, 1)
