"""Kept lists: never stale, never more than fits."""

import json

import pytest

from chat.services.rooms import membership, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.kept import OVERHEAD_BYTES, KeptLists
from chat.services.server import Server
from chat_testing.callers import a_user
from chat_testing.databases import statements


def test_the_least_used_go_first() -> None:
    kept = KeptLists(max_bytes=4 * (10 + OVERHEAD_BYTES))
    made: list[str] = []

    def ask(key: str, size: int = 10) -> None:
        kept.of(key, lambda: made.append(key) or [b"x" * size])

    for key in ("a", "b", "c", "d", "a", "e", "a", "b"):
        ask(key)
    assert made == ["a", "b", "c", "d", "e", "b"]
    assert kept.size_bytes <= kept.max_bytes
    ask("too large", 1_000)
    ask("too large", 1_000)
    assert made[-2:] == ["too large", "too large"]


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
