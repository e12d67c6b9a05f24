"""Rooms seen from outside: summaries, hierarchies, rooms in common, events by time, reports."""

import json
from typing import Any

import pytest

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.services.caller import Caller
from chat.services.rooms import by_time, hierarchy, membership, mutual, reports, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.hierarchy import Page
from chat.services.rooms.summary import summary
from chat.services.server import Server
from chat.storage import reports as stored_reports
from chat_testing.callers import a_user
from chat_testing.databases import statements
from chat_testing.servers import START_MS, FakeClock

PUBLIC = Wish(preset="public_chat")
NOWHERE = "!nowhere:a.example"


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def a_room(
    server: Server, caller: Caller, *, version: str = "11", allow: str | None = None, **state: Any
) -> str:
    """A room with this `join_rule`, `history_visibility` and so on."""
    entries = [
        ((f"m.room.{kind}", ""), {kind.removesuffix("s"): one}) for kind, one in state.items()
    ]
    if allow is not None:
        entry = {"type": "m.room_membership", "room_id": allow}
        entries[0][1]["allow"] = [entry]
    return create_room(server, caller, Wish(room_version=version, initial_state=entries))


def a_space(server: Server, caller: Caller, name: str = "space") -> str:
    return create_room(
        server, caller, Wish("public_chat", name=name, creation_content={"type": "m.space"})
    )


def link(server: Server, caller: Caller, space: str, child: str, **content: Any) -> None:
    wish = {"via": [server.name], **content}
    state.put(server, caller, space, "m.space.child", child, wish)


# --- summaries ---


@pytest.mark.parametrize(
    ("wish", "shown"),
    [
        ({"join_rules": "public"}, True),
        ({"join_rules": "invite"}, False),
        ({"join_rules": "knock"}, True),
        ({"join_rules": "knock", "version": "6"}, False),
        ({"join_rules": "knock_restricted"}, True),
        ({"join_rules": "knock_restricted", "version": "9"}, False),
        ({"join_rules": "restricted"}, False),
        ({"history_visibility": "world_readable"}, True),
        ({"history_visibility": "shared"}, False),
    ],
    ids=str,
)
def test_who_may_look_at_a_room(
    server: Server, alice: Caller, bob: Caller, wish: dict[str, str], shown: bool
) -> None:
    room_id = a_room(server, alice, **wish)
    if shown:
        found = summary(server, bob, room_id)
        assert (found.summary.room_id, found.membership) == (room_id, None)
    else:
        with pytest.raises(NotFound):
            summary(server, bob, room_id)
        membership.invite(server, alice, room_id, bob.user_id)
        assert summary(server, bob, room_id).membership == "invite"


def test_members_of_an_allowed_room_may_look(server: Server, alice: Caller, bob: Caller) -> None:
    house = create_room(server, alice, PUBLIC)
    room_id = a_room(server, alice, allow=house, join_rules="restricted")
    with pytest.raises(NotFound):
        summary(server, bob, room_id)
    membership.join(server, bob, house)
    assert summary(server, bob, room_id).allowed == (house,)


def test_the_banned_see_no_summary(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.ban(server, alice, room_id, bob.user_id)
    for name in (room_id, NOWHERE, "#nothing:a.example"):
        with pytest.raises(NotFound):
            summary(server, bob, name)
    with pytest.raises(InvalidParam):
        summary(server, bob, "kitchen")


def test_a_summary_by_alias_tells_all(server: Server, alice: Caller, bob: Caller) -> None:
    encryption = (("m.room.encryption", ""), {"algorithm": "m.megolm.v1.aes-sha2"})
    wish = Wish(
        "public_chat",
        name="Tea",
        topic="Leaves",
        alias_name="tea",
        room_version="11",
        creation_content={"type": "a.b"},
        initial_state=[encryption],
    )
    room_id = create_room(server, alice, wish)
    assert summary(server, bob, "#tea:a.example").fields() == {
        "room_id": room_id,
        "name": "Tea",
        "topic": "Leaves",
        "avatar_url": None,
        "canonical_alias": "#tea:a.example",
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "allowed_room_ids": None,
        "room_type": "a.b",
        "room_version": "11",
        "encryption": "m.megolm.v1.aes-sha2",
    }


# --- hierarchies ---


def ids(page: Page) -> list[str]:
    return [place.room.summary.room_id for place in page.places]


def walk(server: Server, caller: Caller, space: str, **wish: Any) -> list[str]:
    """The rooms of all pages."""
    found, start = [], None
    while True:
        page = hierarchy.walk(server, caller, space, hierarchy.Wish(start=start, **wish))
        found += ids(page)
        start = page.end
        if start is None:
            return found


@pytest.fixture
def tree(server: Server, alice: Caller, clock: FakeClock) -> list[str]:
    """A space of (a, a space of (b, c, the first space), d, a private room)."""
    top, inner = a_space(server, alice), a_space(server, alice)
    a, b, c, d = (create_room(server, alice, PUBLIC) for _ in "abcd")
    hidden = create_room(server, alice, Wish())
    for space, child, content in (
        (top, hidden, {"order": "a"}),
        (top, d, {}),
        (top, inner, {"order": "c", "suggested": True}),
        (top, a, {"order": "b"}),
        (inner, c, {"order": "\u00e9", "suggested": True}),  # no valid order, so by time
        (inner, top, {"order": "z"}),
        (inner, b, {"order": "x"}),
    ):
        clock.advance(seconds=1)
        link(server, alice, space, child, **content)
    return [top, a, inner, b, c, d]


def test_spaces_are_walked_depth_first_in_their_order(
    server: Server, bob: Caller, tree: list[str]
) -> None:
    top, a, inner, _, c, d = tree
    assert walk(server, bob, top) == tree
    assert walk(server, bob, top, limit=1) == tree
    assert walk(server, bob, top, limit=4) == tree
    assert walk(server, bob, top, max_depth=0) == [top]
    assert walk(server, bob, top, max_depth=1) == [top, a, inner, d]
    assert walk(server, bob, top, suggested_only=True) == [top, inner, c]


def test_links_are_shown_with_the_space(server: Server, bob: Caller, tree: list[str]) -> None:
    page = hierarchy.walk(server, bob, tree[0], hierarchy.Wish(max_depth=0))
    (place,) = page.places
    assert [one.state_key for one in place.children][1:] == [tree[1], tree[2], tree[5]]
    children = [json.loads(one.stripped()) for one in place.children]
    assert children[1]["content"] == {"via": ["a.example"], "order": "b"}


def test_removed_children_are_not_followed(server: Server, alice: Caller, tree: list[str]) -> None:
    for content in ({}, {"via": "a.example"}, {"via": [3]}):
        state.put(server, alice, tree[0], "m.space.child", tree[1], content)
        assert tree[1] not in walk(server, alice, tree[0])


def test_tokens_belong_to_their_walk(server: Server, bob: Caller, tree: list[str]) -> None:
    end = hierarchy.walk(server, bob, tree[0], hierarchy.Wish(limit=2)).end
    for wish in (
        hierarchy.Wish(start=end, max_depth=1),
        hierarchy.Wish(start=end, suggested_only=True),
        hierarchy.Wish(start="h999999_50_0"),
        hierarchy.Wish(start="nonsense"),
    ):
        with pytest.raises(InvalidParam):
            hierarchy.walk(server, bob, tree[0], wish)
    assert ids(hierarchy.walk(server, bob, tree[0], hierarchy.Wish(start=""))) == tree


def test_hidden_spaces_are_not_walked(server: Server, alice: Caller, bob: Caller) -> None:
    hidden = create_room(server, alice, Wish(creation_content={"type": "m.space"}))
    for space in (hidden, NOWHERE):
        with pytest.raises(Forbidden):
            hierarchy.walk(server, bob, space, hierarchy.Wish())


def test_a_space_costs_the_same_for_any_number_of_children(
    server: Server, alice: Caller, bob: Caller
) -> None:
    def cost(children: int) -> int:
        space = a_space(server, alice)
        for _ in range(children):
            link(server, alice, space, create_room(server, alice, PUBLIC))
        with statements(server.store) as seen:
            assert len(walk(server, bob, space)) == children + 1
        return len(seen)

    assert cost(8) == cost(2)


# --- rooms in common ---


def test_rooms_in_common(
    server: Server, alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = [create_room(server, alice, PUBLIC) for _ in range(3)]
    left = create_room(server, alice, PUBLIC)
    for room_id in (*shared, left):
        membership.join(server, bob, room_id)
    membership.leave(server, alice, left)
    create_room(server, alice, Wish(invited=[bob.user_id]))
    assert mutual.mutual_rooms(server, alice, bob.user_id, None) == (shared, 3, None)
    monkeypatch.setattr(mutual, "BATCH", 2)
    first = mutual.mutual_rooms(server, alice, bob.user_id, "")
    assert first[:2] == (shared[:2], 3)
    assert mutual.mutual_rooms(server, alice, bob.user_id, first.end) == (shared[2:], 3, None)
    assert mutual.mutual_rooms(server, alice, "@nobody:b.example", None) == ([], 0, None)
    for user_id, start in ((alice.user_id, None), ("bob", None), (bob.user_id, "x")):
        with pytest.raises(InvalidParam):
            mutual.mutual_rooms(server, alice, user_id, start)


# --- events by time ---


def test_the_event_nearest_to_a_time(
    server: Server, alice: Caller, bob: Caller, clock: FakeClock
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    said = []
    for number in range(3):
        clock.advance(seconds=10)
        txn = send.txn(alice, f"/{number}", str(number))
        event = send.send_event(server, alice, room_id, "m.room.message", {"body": "x"}, txn)
        said.append(event.event_id)

    def nearest(seconds: float, *, backwards: bool) -> str:
        ts = START_MS + round(seconds * 1000)
        return by_time.nearest(server, alice, room_id, ts, backwards=backwards).event_id

    assert nearest(10, backwards=True) == nearest(10, backwards=False) == said[0]
    assert nearest(15, backwards=True) == said[0]
    assert nearest(15, backwards=False) == said[1]
    assert nearest(99, backwards=True) == said[2]
    for seconds, backwards in ((30.001, False), (-1, True)):
        with pytest.raises(NotFound):
            nearest(seconds, backwards=backwards)
    with pytest.raises(Forbidden):
        by_time.nearest(server, bob, room_id, START_MS, backwards=False)
    with pytest.raises(NotFound):
        by_time.nearest(server, bob, NOWHERE, START_MS, backwards=False)


def test_hidden_events_are_passed_over(
    server: Server, alice: Caller, bob: Caller, clock: FakeClock
) -> None:
    room_id = a_room(server, alice, join_rules="public", history_visibility="joined")
    for number in range(30):
        clock.advance(seconds=1)
        txn = send.txn(alice, f"/{number}", str(number))
        send.send_event(server, alice, room_id, "m.room.message", {"body": "x"}, txn)
    clock.advance(seconds=1)
    membership.join(server, bob, room_id)
    found = by_time.nearest(server, bob, room_id, START_MS + 1, backwards=False)
    assert (found.type, found.state_key) == ("m.room.member", bob.user_id)
    early = by_time.nearest(server, bob, room_id, START_MS + 5_000, backwards=True)
    assert early.origin_server_ts == START_MS  # from before the visibility was set


# --- reports ---


def test_reports_are_kept(server: Server, alice: Caller, bob: Caller, clock: FakeClock) -> None:
    room_id = create_room(server, alice, Wish())
    txn = send.txn(alice, "/1", "1")
    event = send.send_event(server, alice, room_id, "m.room.message", {"body": "x"}, txn)
    for refused in (event.event_id, "$nothing"):
        with pytest.raises(NotFound):
            reports.report_event(server, bob, room_id, refused, "rude")
    reports.report_room(server, bob, room_id, "a\0b")
    clock.advance(seconds=1)
    reports.report_user(server, bob, alice.user_id, "")
    clock.advance(seconds=1)
    reports.report_event(server, alice, room_id, event.event_id, None)
    found = server.store.read(lambda tx: stored_reports.newest(tx, 10))
    assert [one[1:] for one in found] == [
        (START_MS + 2_000, alice.user_id, event.event_id, room_id, None, None),
        (START_MS + 1_000, bob.user_id, None, None, alice.user_id, ""),
        (START_MS, bob.user_id, None, room_id, None, "ab"),
    ]
    for report in (
        lambda: reports.report_room(server, bob, NOWHERE, ""),
        lambda: reports.report_user(server, bob, "@nobody:a.example", ""),
        lambda: reports.report_event(server, bob, NOWHERE, event.event_id, ""),
    ):
        with pytest.raises(NotFound):
            report()
