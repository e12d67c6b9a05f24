"""Room state, members, aliases and the public directory."""

import json

import pytest

from chat.protocol.errors import AliasInUse, BadAlias, Forbidden, InvalidParam, NotFound
from chat.services.caller import Caller
from chat.services.rooms import directory, membership, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.directory import PublicRoomsQuery
from chat.services.server import Server
from chat.storage import streams
from chat_testing.callers import a_user

PUBLIC = Wish(preset="public_chat")


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def test_entries_of_the_state(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    sent = state.put(server, alice, room_id, "a.b", "key", {"x": 1})
    assert json.loads(state.entry(server, alice, room_id, "a.b", "key", whole=False)) == {"x": 1}
    whole = json.loads(state.entry(server, alice, room_id, "a.b", "key", whole=True))
    assert (whole["event_id"], whole["state_key"]) == (sent.event_id, "key")
    with pytest.raises(NotFound):
        state.entry(server, alice, room_id, "a.b", "", whole=False)
    with pytest.raises(Forbidden):
        state.entry(server, bob, room_id, "a.b", "key", whole=False)
    with pytest.raises(Forbidden):
        state.put(server, bob, room_id, "a.b", "key", {})


def test_members_by_membership_and_time(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    before = f"s{server.store.read(streams.head)}"
    membership.join(server, bob, room_id)

    def who(**narrow: str | None) -> set[str]:
        wanted = {"at": None, "membership": None, "not_membership": None, **narrow}
        found = state.members(server, alice, room_id, **wanted)
        return {json.loads(one)["state_key"] for one in found}

    assert who() == {alice.user_id, bob.user_id}
    assert who(at=before) == {alice.user_id}
    membership.leave(server, bob, room_id)
    assert who(membership="join") == who(not_membership="leave") == {alice.user_id}
    assert who(membership="leave") == {bob.user_id}
    assert set(state.joined_members(server, alice, room_id)) == {alice.user_id}
    with pytest.raises(InvalidParam):
        who(at="nonsense")
    assert state.joined_rooms(server, alice) == [room_id]
    assert state.joined_rooms(server, bob) == []


def test_aliases_belong_to_their_makers(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    directory.set_alias(server, alice, "#one:a.example", room_id)
    with pytest.raises(AliasInUse):
        directory.set_alias(server, alice, "#one:a.example", room_id)
    with pytest.raises(Forbidden):
        directory.set_alias(server, bob, "#two:a.example", room_id)
    for alias in ("#one:elsewhere.example", "one", "#:a.example"):
        with pytest.raises(InvalidParam):
            directory.set_alias(server, alice, alias, room_id)
    with pytest.raises(NotFound):
        directory.set_alias(server, alice, "#two:a.example", "!nowhere:a.example")
    assert directory.local_aliases(server, alice, room_id) == ["#one:a.example"]
    with pytest.raises(Forbidden):
        directory.local_aliases(server, bob, room_id)
    with pytest.raises(Forbidden):
        directory.delete_alias(server, bob, "#one:a.example")
    directory.delete_alias(server, alice, "#one:a.example")
    with pytest.raises(NotFound):
        directory.resolve(server, "#one:a.example")


def test_a_canonical_alias_must_lead_here(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, Wish(alias_name="tea"))
    other = create_room(server, alice, Wish(alias_name="coffee"))

    def put(content: dict) -> None:
        state.put(server, alice, room_id, "m.room.canonical_alias", "", content)

    put({"alias": "#tea:a.example", "alt_aliases": ["#tea:a.example"]})
    for content in (
        {"alias": "#coffee:a.example"},
        {"alias": "#nothing:a.example"},
        {"alt_aliases": ["#coffee:a.example"]},
    ):
        with pytest.raises(BadAlias):
            put(content)
    for content in ({"alias": 5}, {"alt_aliases": [None, 3]}, {"alias": "tea"}):
        with pytest.raises(InvalidParam):
            put(content)
    put({})
    assert other != room_id


@pytest.fixture
def published(server: Server, alice: Caller) -> list[str]:
    """Five published rooms, the one with most members first."""
    people = [a_user(server, f"user{i}") for i in range(2)]
    wishes = [
        Wish(published=True, name="Tea 100%", topic="leaves"),
        Wish(published=True, name="Coffee", creation_content={"type": "m.space"}),
        Wish(published=True, topic="tea_time"),
        Wish(published=True),
        Wish(published=True, name="popular"),
    ]
    made = [create_room(server, alice, wish) for wish in wishes]
    for person in people:
        membership.join(server, person, made[4])
    return [made[4], *made[:4]]


def test_pages_of_the_directory_go_both_ways(server: Server, published: list[str]) -> None:
    create_room(server, Caller("@alice:a.example", "D"), Wish())  # not published

    def walk(since: str | None, direction: str) -> list[list[str]]:
        pages = []
        while True:
            page = directory.public_rooms(server, PublicRoomsQuery(limit=2, since=since))
            pages.append([room.room_id for room in page.rooms])
            assert page.total == 5
            since = page.next_batch if direction == "n" else page.prev_batch
            if since is None:
                return pages

    forth = walk(None, "n")
    assert forth == [published[0:2], published[2:4], published[4:5]]
    first = directory.public_rooms(server, PublicRoomsQuery(limit=2))
    second = directory.public_rooms(server, PublicRoomsQuery(limit=2, since=first.next_batch))
    last = directory.public_rooms(server, PublicRoomsQuery(limit=2, since=second.next_batch))
    assert first.prev_batch is None
    assert last.next_batch is None
    assert walk(last.prev_batch, "p") == [published[2:4], published[0:2]]
    assert first.rooms[0].joined == 3


@pytest.mark.parametrize(
    ("term", "found"),
    [("TEA", {1, 3}), ("100%", {1}), ("%", {1}), ("tea_t", {3}), ("teaxt", set()), ("'", set())],
)
def test_search_takes_every_character_as_it_is(
    server: Server, published: list[str], term: str, found: set[int]
) -> None:
    page = directory.public_rooms(server, PublicRoomsQuery(term=term))
    assert {published.index(room.room_id) for room in page.rooms} == found
    assert page.total == len(found)


def test_rooms_by_type(server: Server, published: list[str]) -> None:
    spaces = directory.public_rooms(server, PublicRoomsQuery(room_types=["m.space"]))
    assert [room.room_id for room in spaces.rooms] == [published[2]]
    plain = directory.public_rooms(server, PublicRoomsQuery(room_types=[None]))
    assert len(plain.rooms) == 4
    everything = directory.public_rooms(server, PublicRoomsQuery(room_types=[None, "m.space"]))
    assert len(everything.rooms) == 5


def test_bad_tokens_of_the_directory_are_refused(server: Server) -> None:
    for since in ("x", "n1", "W10", "é", "A" * 500):
        with pytest.raises(InvalidParam):
            directory.public_rooms(server, PublicRoomsQuery(since=since))


def test_publishing_takes_power(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    with pytest.raises(Forbidden):
        directory.publish(server, bob, room_id, published=True)
    directory.publish(server, alice, room_id, published=True)
    assert directory.is_published(server, room_id)
    directory.publish(server, alice, room_id, published=False)
    assert not directory.is_published(server, room_id)
    with pytest.raises(NotFound):
        directory.is_published(server, "!nowhere:a.example")


def test_the_directory_forgets_what_is_redacted(server: Server, alice: Caller) -> None:
    open_to_all = {"history_visibility": "world_readable"}
    wish = Wish(published=True, initial_state=[(("m.room.history_visibility", ""), open_to_all)])
    room_id = create_room(server, alice, wish)
    old = state.put(server, alice, room_id, "m.room.topic", "", {"topic": "insult"})
    name = state.put(server, alice, room_id, "m.room.name", "", {"name": "insult"})
    state.put(server, alice, room_id, "m.room.topic", "", {"topic": "Leaves"})
    visibility = state.put(
        server, alice, room_id, "m.room.history_visibility", "", open_to_all | {"x": 1}
    )
    for number, event in enumerate((old, name, visibility)):
        txn = send.txn(alice, f"/redact/{number}", str(number))
        send.redact(server, alice, room_id, event.event_id, None, txn)
    (room,) = directory.public_rooms(server, PublicRoomsQuery()).rooms
    assert (room.name, room.topic, room.world_readable) == (None, "Leaves", True)


def test_a_room_without_a_join_rule_is_for_the_invited(server: Server, alice: Caller) -> None:
    rule = (("m.room.join_rules", ""), {})
    create_room(server, alice, Wish(published=True, initial_state=[rule]))
    (room,) = directory.public_rooms(server, PublicRoomsQuery()).rooms
    assert room.join_rule == "invite"
