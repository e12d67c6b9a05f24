"""Who may join, invite, leave, remove, ban and knock."""

from dataclasses import replace
from typing import Any

import pytest

from chat.protocol.errors import (
    BadState,
    Forbidden,
    GuestAccessForbidden,
    InvalidParam,
    InviteBlocked,
    NotFound,
    Unknown,
)
from chat.services import account_data
from chat.services.caller import Caller
from chat.services.rooms import membership, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.server import Server
from chat.storage import rooms, streams
from chat_testing.callers import a_user
from chat_testing.databases import statements

PUBLIC = Wish(preset="public_chat")


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


@pytest.fixture
def carol(server: Server) -> Caller:
    return a_user(server, "carol")


def membership_of(server: Server, user: Caller, room_id: str) -> str | None:
    found = server.store.read(lambda tx: rooms.local_member(tx, user.user_id, room_id))
    return None if found is None else found.membership


def test_public_rooms_are_open_and_private_ones_are_not(
    server: Server, alice: Caller, bob: Caller
) -> None:
    public, private = create_room(server, alice, PUBLIC), create_room(server, alice, Wish())
    membership.join(server, bob, public)
    assert membership_of(server, bob, public) == "join"
    with pytest.raises(Forbidden):
        membership.join(server, bob, private)
    assert membership_of(server, bob, private) is None


def test_joining_again_changes_nothing(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    before = server.store.read(streams.head)
    membership.join(server, bob, room_id, "once more")
    assert server.store.read(streams.head) == before


def test_a_join_asks_three_questions_before_it_is_written(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    with statements(server.store) as seen:
        membership.join(server, bob, room_id)
    locks = next(at for at, sql in enumerate(seen) if "FOR NO KEY UPDATE" in sql)
    assert locks == 3  # who may join, as whom, and whether a room went before
    assert not [sql for sql in seen[locks + 1 :] if "FROM room r WHERE r.room_id" in sql]
    assert len(seen) <= 20


def test_an_alias_stands_for_its_room(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, Wish(alias_name="tea"))
    assert membership.room_named(server, "#tea:a.example") == room_id
    assert membership.room_named(server, room_id) == room_id
    with pytest.raises(NotFound):
        membership.room_named(server, "#coffee:a.example")
    with pytest.raises(InvalidParam):
        membership.room_named(server, "tea")


def test_invited_users_may_join_or_decline(
    server: Server, alice: Caller, bob: Caller, carol: Caller
) -> None:
    room_id = create_room(server, alice, Wish())
    membership.invite(server, alice, room_id, bob.user_id, "welcome")
    membership.invite(server, alice, room_id, carol.user_id)
    membership.join(server, bob, room_id)
    membership.leave(server, carol, room_id)
    assert membership_of(server, bob, room_id) == "join"
    assert membership_of(server, carol, room_id) == "leave"


def test_unreachable_users_are_not_invited(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, Wish())
    for user_id in ("bob", "@bob:elsewhere.example"):
        with pytest.raises(InvalidParam):
            membership.invite(server, alice, room_id, user_id)
    membership.invite(server, alice, room_id, "@not-registered-yet:a.example")


def test_leaving_twice_is_leaving_once(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    membership.leave(server, bob, room_id)
    before = server.store.read(streams.head)
    membership.leave(server, bob, room_id)
    assert server.store.read(streams.head) == before


def test_a_room_never_entered_cannot_be_left(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    with pytest.raises(Forbidden):
        membership.leave(server, bob, room_id)
    for act in (membership.join, membership.knock, membership.leave):
        with pytest.raises(NotFound):
            act(server, bob, "!nowhere:a.example")


def test_only_those_present_are_kicked(
    server: Server, alice: Caller, bob: Caller, carol: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    with pytest.raises(Forbidden):
        membership.kick(server, bob, room_id, alice.user_id)
    membership.kick(server, alice, room_id, bob.user_id, "rude")
    assert membership_of(server, bob, room_id) == "leave"
    for absent in (bob, carol):
        with pytest.raises(Forbidden):
            membership.kick(server, alice, room_id, absent.user_id)


def test_a_kick_lifts_no_ban(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.ban(server, alice, room_id, bob.user_id)
    with pytest.raises(Forbidden):
        membership.join(server, bob, room_id)
    with pytest.raises(Forbidden):
        membership.kick(server, alice, room_id, bob.user_id)
    with pytest.raises(Forbidden):
        membership.leave(server, bob, room_id)
    assert membership_of(server, bob, room_id) == "ban"
    membership.unban(server, alice, room_id, bob.user_id)
    membership.join(server, bob, room_id)


def test_only_bans_are_lifted(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    with pytest.raises(BadState):
        membership.unban(server, alice, room_id, bob.user_id)


def test_rooms_are_forgotten_after_leaving(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    with pytest.raises(Unknown):
        membership.forget(server, bob, room_id)
    with pytest.raises(NotFound):
        membership.forget(server, bob, "!nowhere:a.example")
    membership.join(server, bob, room_id)
    with pytest.raises(Unknown):
        membership.forget(server, bob, room_id)
    membership.leave(server, bob, room_id)
    assert state.whole(server, bob, room_id)
    membership.forget(server, bob, room_id)
    with pytest.raises(Forbidden):
        state.whole(server, bob, room_id)
    membership.join(server, bob, room_id)
    assert state.whole(server, bob, room_id)


def test_guests_join_where_they_are_welcome(server: Server, alice: Caller) -> None:
    guest = replace(a_user(server, "guest"), is_guest=True)
    closed = create_room(server, alice, PUBLIC)
    welcome = (("m.room.guest_access", ""), {"guest_access": "can_join"})
    opened = create_room(server, alice, replace(PUBLIC, initial_state=[welcome]))
    with pytest.raises(GuestAccessForbidden):
        membership.join(server, guest, closed)
    membership.join(server, guest, opened)
    assert membership_of(server, guest, opened) == "join"
    with pytest.raises(GuestAccessForbidden):
        state.put(server, guest, closed, "m.room.member", guest.user_id, {"membership": "join"})


@pytest.mark.parametrize("way", ["state", "redaction"])
def test_guests_leave_when_they_are_no_longer_welcome(
    server: Server, alice: Caller, bob: Caller, way: str
) -> None:
    guest = a_user(server, "guest", is_guest=True)
    room_id = create_room(server, alice, PUBLIC)
    welcome = state.put(
        server, alice, room_id, "m.room.guest_access", "", {"guest_access": "can_join"}
    )
    for caller in (guest, bob):
        membership.join(server, caller, room_id)
    if way == "state":
        state.put(server, alice, room_id, "m.room.guest_access", "", {"guest_access": "forbidden"})
    else:
        txn = send.txn(alice, "/redact/1", "1")
        send.redact(server, alice, room_id, welcome.event_id, None, txn)
    assert membership_of(server, guest, room_id) == "leave"
    assert membership_of(server, bob, room_id) == "join"
    with pytest.raises(GuestAccessForbidden):
        membership.join(server, guest, room_id)


@pytest.mark.parametrize("by_state", [False, True], ids=["invite", "state"])
def test_nobody_is_invited_who_blocks_invites(
    server: Server, alice: Caller, bob: Caller, carol: Caller, by_state: bool
) -> None:
    room_id = create_room(server, alice, PUBLIC)

    def invite(caller: Caller) -> None:
        if by_state:
            content = {"membership": "invite"}
            state.put(server, caller, room_id, "m.room.member", bob.user_id, content)
        else:
            membership.invite(server, caller, room_id, bob.user_id)

    block = {"default_action": "block"}
    account_data.put(server, bob.user_id, None, "m.invite_permission_config", block)
    with pytest.raises(InviteBlocked):
        invite(alice)
    with pytest.raises(Forbidden):  # outsiders learn nothing about him
        invite(carol)
    other = {"default_action": "maybe"}
    account_data.put(server, bob.user_id, None, "m.invite_permission_config", other)
    invite(alice)
    assert membership_of(server, bob, room_id) == "invite"


def test_memberships_as_state_are_checked_too(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    for user_id in ("bob", "@bob:elsewhere.example"):
        with pytest.raises(InvalidParam):
            invite = {"membership": "invite"}
            state.put(server, alice, room_id, "m.room.member", user_id, invite)


def test_outsiders_do_not_learn_who_is_banned(
    server: Server, alice: Caller, bob: Caller, carol: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.ban(server, alice, room_id, carol.user_id)
    for user_id in (carol.user_id, alice.user_id):
        with pytest.raises(Forbidden):
            membership.unban(server, bob, room_id, user_id)


def test_knocking(server: Server, alice: Caller, bob: Caller) -> None:
    rule = (("m.room.join_rules", ""), {"join_rule": "knock"})
    room_id = create_room(server, alice, Wish(initial_state=[rule]))
    membership.knock(server, bob, room_id, "let me in")
    assert membership_of(server, bob, room_id) == "knock"
    membership.invite(server, alice, room_id, bob.user_id)
    membership.join(server, bob, room_id)
    private = create_room(server, alice, Wish())
    with pytest.raises(Forbidden):
        membership.knock(server, bob, private)


@pytest.mark.parametrize("join_rule", ["restricted", "knock_restricted"])
def test_members_of_an_allowed_room_may_join(
    server: Server, alice: Caller, bob: Caller, carol: Caller, join_rule: str
) -> None:
    club = create_room(server, alice, PUBLIC)
    rule: dict[str, Any] = {
        "join_rule": join_rule,
        "allow": [{"type": "m.room_membership", "room_id": club}, "nonsense"],
    }
    room_id = create_room(server, alice, Wish(initial_state=[(("m.room.join_rules", ""), rule)]))
    membership.join(server, bob, club)
    membership.join(server, bob, room_id)
    assert membership_of(server, bob, room_id) == "join"
    with pytest.raises(Forbidden):
        membership.join(server, carol, room_id)
