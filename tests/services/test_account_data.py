"""Account data and tags: what is kept as it was sent, and what is refused."""

from typing import Any

import pytest

from chat.protocol.errors import InvalidParam, NotFound, TooLarge
from chat.services import account_data
from chat.services.account_data import MAX_CONTENT_BYTES, ServerManaged
from chat.services.server import Server
from chat_testing.databases import statements
from chat_testing.people import Person, a_person

KIND = "org.example.kind"
IGNORED = "m.ignored_user_list"


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


@pytest.mark.parametrize("kind", ["m.fully_read", "m.push_rules"])
def test_types_of_the_server_are_refused_for_account_and_room(alice: Person, kind: str) -> None:
    for room_id in (None, alice.creates()):
        with pytest.raises(ServerManaged) as refusal:
            account_data.put(alice.server, alice.id, room_id, kind, {})
        assert refusal.value.status == 405


@pytest.mark.parametrize("letter", ["x", "ä", "😀"])
def test_the_limit_of_a_content_is_in_bytes(alice: Person, letter: str) -> None:
    size = len(letter.encode())
    room_left = MAX_CONTENT_BYTES - len('{"v":""}')
    fits = letter * (room_left // size) + "x" * (room_left % size)
    account_data.put(alice.server, alice.id, None, KIND, {"v": fits})
    with pytest.raises(TooLarge):
        account_data.put(alice.server, alice.id, None, KIND, {"v": fits + "x"})
    assert account_data.get(alice.server, alice.id, None, KIND) == {"v": fits}


def test_a_room_does_not_fall_back_to_the_account(alice: Person) -> None:
    account_data.put(alice.server, alice.id, None, KIND, {"n": 1})
    with pytest.raises(NotFound):
        account_data.get(alice.server, alice.id, alice.creates(), KIND)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"ignored_users": []},
        {"ignored_users": "@bob:a.example"},
        {"ignored_users": {"not a user": None, "@bob:a.example": 7}},
        {"ignored_users": {"@bob:a.example": {}}, "more": [1, 2.5, None]},
    ],
)
def test_who_is_ignored_is_kept_in_any_form_and_breaks_no_sync(
    alice: Person, content: dict[str, Any]
) -> None:
    alice.creates()
    account_data.put(alice.server, alice.id, None, IGNORED, content)
    told = {one["type"]: one["content"] for one in alice.syncs()["account_data"]}
    assert told[IGNORED] == content


@pytest.mark.parametrize("name", ["u." + "x" * 253, "ä" * 127 + "x", "😀" * 63 + "abc"])
def test_the_limit_of_a_tag_is_in_bytes(alice: Person, name: str) -> None:
    room = alice.creates()
    assert len(name.encode()) == 255
    account_data.set_tag(alice.server, alice.id, room, name, {})
    for change in ({}, None):
        with pytest.raises(InvalidParam):
            account_data.set_tag(alice.server, alice.id, room, name + "x", change)
    assert list(account_data.tags(alice.server, alice.id, room)) == [name]


@pytest.mark.parametrize("order", [0, 1, 0.1, 0.30000000000000004, 1e-9])
def test_the_order_of_a_tag_is_kept_as_it_was_sent(alice: Person, order: float) -> None:
    room = alice.creates()
    account_data.set_tag(alice.server, alice.id, room, "m.favourite", {"order": order})
    found = account_data.tags(alice.server, alice.id, room)["m.favourite"]["order"]
    assert (found, type(found)) == (order, type(order))


def test_tags_share_the_limit_of_one_content(alice: Person) -> None:
    room = alice.creates()
    account_data.set_tag(alice.server, alice.id, room, "u.big", {"note": "x" * 60_000})
    with pytest.raises(TooLarge):
        account_data.set_tag(alice.server, alice.id, room, "u.more", {"note": "x" * 6_000})
    assert set(account_data.tags(alice.server, alice.id, room)) == {"u.big"}


def test_tags_that_were_written_as_account_data_are_read_as_far_as_they_are_tags(
    alice: Person,
) -> None:
    room = alice.creates()
    for content, expected in (
        ({"tags": "none"}, {}),
        ({"tags": {"u.a": {"order": 0.5}, "u.b": "text"}}, {"u.a": {"order": 0.5}}),
    ):
        account_data.put(alice.server, alice.id, room, "m.tag", content)
        assert account_data.tags(alice.server, alice.id, room) == expected


def test_taking_off_a_tag_that_is_not_there_writes_nothing(alice: Person) -> None:
    room = alice.creates()
    with statements(alice.server.store) as seen:
        account_data.set_tag(alice.server, alice.id, room, "u.none", None)
    assert not any("INSERT" in sql or "stream" in sql for sql in seen)


def test_rooms_that_there_are_not_are_refused(alice: Person) -> None:
    for change in ({}, None):
        with pytest.raises(NotFound):
            account_data.set_tag(alice.server, alice.id, "!none:a.example", "u.a", change)
    with pytest.raises(NotFound):
        account_data.put(alice.server, alice.id, "!none:a.example", KIND, {})
