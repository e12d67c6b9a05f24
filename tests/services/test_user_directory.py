"""The user directory: who is found, by what, and by whom."""

from pathlib import Path
from typing import Any

import pytest

from chat.services import user_directory
from chat.services.accounts import profile
from chat.services.background_updates import STEPS, BackgroundUpdates
from chat.services.server import Server
from chat.storage import users
from chat.storage.engine import Store
from chat_testing.databases import statements
from chat_testing.people import Person, a_person
from chat_testing.servers import FakeClock, a_server


def finds(person: Person, term: str, limit: int = 10) -> list[str]:
    found, _ = user_directory.search(person.server, person.caller, term, limit)
    return [one.user_id.partition(":")[0][1:] for one in found]


def named(server: Server, localpart: str, name: str | None = None) -> Person:
    """A user in a public room of their own, so that everybody may find them."""
    person = a_person(server, localpart)
    if name is not None:
        body = {"displayname": name}
        profile.set_field(server, person.caller, person.id, "displayname", body)
    person.creates("public_chat")
    return person


@pytest.fixture
def searcher(server: Server) -> Person:
    return a_person(server, "searcher")


@pytest.mark.parametrize(
    "term", ["zoe", "ZOË", "zoë mull", "Müller", "mul zo", "z.m", "@z.m", "@Z.M:a.ex", "  zo "]
)
def test_users_are_found_by_beginnings_of_words(searcher: Person, term: str) -> None:
    named(searcher.server, "z.m", "Zoë Müller")
    named(searcher.server, "other", "Anton")
    assert finds(searcher, term) == ["z.m"]


@pytest.mark.parametrize(
    "term", ["", " ", "@", "%", "_", "oe", "zoe anton", "z' OR 1=1 --", "zoe*", '"zoe', "\udcff"]
)
def test_nothing_else_is_found(searcher: Person, term: str) -> None:
    named(searcher.server, "anton", "Anton")
    assert finds(searcher, term) == []


def test_whole_words_come_first(searcher: Person) -> None:
    for localpart, name in (("u1", "Anna"), ("u2", "Ann"), ("u3", "Annabel")):
        named(searcher.server, localpart, name)
    assert finds(searcher, "ann") == ["u2", "u1", "u3"]


def test_more_than_the_limit(searcher: Person) -> None:
    for number in range(3):
        named(searcher.server, f"anna{number}")
    found, limited = user_directory.search(searcher.server, searcher.caller, "anna", 2)
    assert (len(found), limited) == (2, True)
    found, limited = user_directory.search(searcher.server, searcher.caller, "anna", 3)
    assert (len(found), limited) == (3, False)
    assert user_directory.search(searcher.server, searcher.caller, "anna", 0) == ([], True)


def test_who_shares_no_room_is_not_found(searcher: Person) -> None:
    hidden = a_person(searcher.server, "hidden")
    room_id = hidden.creates("private_chat")
    assert finds(searcher, "hidden") == []
    hidden.invites(room_id, searcher)
    assert finds(searcher, "hidden") == []
    searcher.joins(room_id)
    assert finds(searcher, "hidden") == ["hidden"]
    hidden.leaves(room_id)
    assert finds(searcher, "hidden") == []


def test_members_of_rooms_that_anybody_may_read_are_found(searcher: Person) -> None:
    writer = a_person(searcher.server, "writer")
    readable = {"m.room.history_visibility": {"history_visibility": "world_readable"}}
    writer.creates("private_chat", state=readable)
    assert finds(searcher, "writer") == ["writer"]


def test_an_old_name_finds_nobody(searcher: Person) -> None:
    person = named(searcher.server, "u1", "Anna")
    profile.set_field(
        person.server, person.caller, person.id, "displayname", {"displayname": "Berta"}
    )
    assert (finds(searcher, "anna"), finds(searcher, "berta")) == ([], ["u1"])
    profile.delete_field(person.server, person.caller, person.id, "displayname")
    assert (finds(searcher, "berta"), finds(searcher, "u1")) == ([], ["u1"])


def test_deactivated_users_and_oneself_are_not_found(searcher: Person) -> None:
    gone = named(searcher.server, "gone")
    gone.server.store.write(lambda tx: users.deactivate(tx, gone.id))
    searcher.creates("public_chat")
    assert (finds(searcher, "gone"), finds(searcher, "searcher")) == ([], [])


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"search_all_users": True}, ["hidden"]),
        ({"search_all_users": True, "exclude_remote_users": True}, ["hidden"]),
        ({"search_all_users": True, "prefer_local_users": True}, ["hidden"]),
        ({"search_all_users": True, "enabled": False}, []),
        ({}, []),
    ],
)
def test_configuration(
    store: Store, clock: FakeClock, tmp_path: Path, config: dict[str, Any], found: list[str]
) -> None:
    server = a_server(store, clock, tmp_path, user_directory=config)
    a_person(server, "hidden")
    assert finds(a_person(server, "searcher"), "hidden") == found
    server.notifier.close()


def test_a_join_writes_nothing_here(searcher: Person) -> None:
    room_id = named(searcher.server, "owner").creates("public_chat")
    with statements(searcher.server.store) as seen:
        searcher.joins(room_id)
    assert not [sql for sql in seen if "user_word" in sql]


def test_users_from_before_the_directory(searcher: Person) -> None:
    old = named(searcher.server, "old", "Ancient")
    store = searcher.server.store
    store.write(lambda tx: tx.run("DELETE FROM user_word"))
    store.write(
        lambda tx: tx.run(
            "INSERT INTO background_update (name, number) VALUES ('user_directory', 1)"
            " ON CONFLICT (name) DO NOTHING"
        )
    )
    assert finds(searcher, "ancient") == []
    updates = BackgroundUpdates(store, steps={"user_directory": STEPS["user_directory"]})
    while updates.run_batch():
        pass
    assert finds(searcher, "ancient") == [old.id.partition(":")[0][1:]]
