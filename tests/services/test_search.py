"""Search: what is found, by whom, in which order, and what it must not tell."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.protocol.errors import InvalidParam
from chat.services import search
from chat.services.rooms import membership
from chat.services.search import Surroundings, Wish
from chat.services.server import Server
from chat.storage import rooms
from chat.storage import search as index
from chat.storage.search import MESSAGE, NAME, TOPIC
from chat_testing.databases import statements
from chat_testing.people import Person, a_person

ALL = frozenset({MESSAGE, NAME, TOPIC})


@pytest.fixture
def alice(server: Server) -> Person:
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    return a_person(server, "bob")


def finds(person: Person, term: str, token: str | None = None, **wish: Any) -> search.Found:
    asked = {"kinds": ALL, "filter": search.filter_of(wish.pop("filter", None)), **wish}
    return search.search_events(person.server, person.caller, Wish(term, **asked), token)


def ids(found: search.Found) -> list[str]:
    return [json.loads(one)["result"]["event_id"] for one in found.results]


# --- words ---


@pytest.mark.parametrize(
    ("text", "term", "is_found"),
    [
        ("Dinner is ready", "dinner", True),
        ("Dinner is ready", "READY dinner", True),
        ("Dinners are ready", "dinner", True),
        ("Dinner is ready", "dinner lunch", False),
        ("Dinner is ready", "inner", False),
        ("Dinner is ready", "i", False),
        ("Zoë's café", "zoe cafe", True),
        ("Zoe's cafe", "zoë café", True),
        ("Straße 12", "strasse 12", True),
        ("今日は晴れ", "晴", True),
        ("今日は晴れ", "雨", False),
        ("It isn't", "isn't", True),
        ("a_b c-d", "a b c d", True),
        ("x" * 200, "x" * 200, True),
    ],
)
def test_words_find_texts(alice: Person, text: str, term: str, is_found: bool) -> None:
    event_id = alice.says(alice.creates(), text)
    assert ids(finds(alice, term)) == ([event_id] if is_found else [])


@pytest.mark.parametrize(
    "term",
    [
        '"dinner',
        "dinner AND",
        "dinner OR lunch",
        "NEAR(dinner lunch)",
        "words:dinner marks:r1",
        "{marks}:r1 dinner",
        "dinner*",
        "-dinner",
        "dinner) | ('!r1'",
        "dinner' :* & !lunch",
        "!r1",
        "r1",
        "dinner\\",
        "'; DROP TABLE event; --",
        "%s %(query)s :query",
        "\udcff dinner",
        "dinner" * 9_000,
        "(" * 5_000 + "dinner",
    ],
)
def test_a_term_is_words_and_never_syntax(alice: Person, bob: Person, term: str) -> None:
    """Whatever is asked, nobody finds what lies in the rooms of others, and nothing breaks."""
    alice.says(alice.creates("private_chat"), "dinner lunch or and near r1 words marks")
    own = bob.creates("private_chat")
    bob.says(own, "dinner or lunch")
    assert {json.loads(one)["result"]["room_id"] for one in finds(bob, term).results} <= {own}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(alphabet="ab \"'\\*():&|!<>-{}^+%_:;é今\u0301\u2028", max_size=40))
def test_no_term_breaks_a_search(alice: Person, term: str) -> None:
    try:
        finds(alice, term)
    except InvalidParam:
        assert not any(character.isalnum() for character in term)


@pytest.mark.parametrize("term", ["", "  ", "!?", "\0", "dinner\0"])
def test_terms_without_words_are_refused(alice: Person, term: str) -> None:
    with pytest.raises(InvalidParam):
        finds(alice, term)


@pytest.mark.parametrize("token", ["x", "bm8=", "WyJhIl0=", "WzEsLTFd", "é"])
def test_tokens_that_are_none(alice: Person, token: str) -> None:
    alice.creates()
    with pytest.raises(InvalidParam):
        finds(alice, "dinner", token)


# --- keys, order, pages ---


def test_names_and_topics_are_searched_by_key(alice: Person) -> None:
    room_id = alice.creates()
    name = alice.sets(room_id, NAME, name="Quince one")
    block = {"m.text": [{"body": "quince", "mimetype": "text/html"}, {"body": "medlar"}]}
    wanted: dict[str, Any] = {"topic": "Quince two", "m.topic": block}
    topic = alice.sets(room_id, TOPIC, **wanted)
    message = alice.says(room_id, "Quince three")
    for kinds, expected in (
        ({NAME}, [name]),
        ({TOPIC}, [topic]),
        ({MESSAGE}, [message]),
        (ALL, [message, topic, name]),
        ((), []),
    ):
        found = finds(alice, "quince", kinds=frozenset(kinds), by_rank=False)
        assert ids(found) == expected
    assert ids(finds(alice, "medlar")) == [topic]


def test_newest_first_in_pages(alice: Person) -> None:
    room_ids = [alice.creates() for _ in range(3)]
    sent = [alice.says(room_ids[number % 3], f"quince {number}") for number in range(10)]
    seen: list[str] = []
    token, pages = None, 0
    while True:
        found = finds(alice, "quince", token, by_rank=False, filter={"limit": 4})
        assert found.count == 10
        seen += ids(found)
        pages += 1
        token = found.next_batch
        if token is None:
            break
        alice.says(room_ids[0], "quince, too late for this search")
    assert (seen, pages) == (sent[::-1], 3)


def test_pages_go_on_beyond_a_window(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 4)
    room_id = alice.creates()
    sent = [alice.says(room_id, f"quince {number}") for number in range(10)]
    seen: list[str] = []
    token = None
    for _ in range(9):
        found = finds(alice, "quince", token, by_rank=False, filter={"limit": 3})
        seen += ids(found)
        token = found.next_batch
        if token is None:
            break
    assert (seen, token) == (sent[::-1], None)


def test_the_best_first(alice: Person) -> None:
    room_id = alice.creates()
    long = alice.says(room_id, "one quince among very many other words that mean something else")
    good = alice.says(room_id, "quince quince quince")
    for number in range(5):
        alice.says(room_id, f"something else {number}")
    found = finds(alice, "quince")
    assert ids(found) == [good, long]
    ranks = [json.loads(one)["rank"] for one in found.results]
    assert ranks[0] > ranks[1]


def test_filters(alice: Person, bob: Person) -> None:
    one, other = alice.creates(), alice.creates()
    bob.joins(one)
    first = alice.says(one, "quince")
    second = bob.says(one, "quince")
    third = alice.sends(other, MESSAGE, {"body": "quince", "url": "mxc://a/b"})
    everything = {first, second, third}
    for wanted, expected in (
        ({"rooms": [one]}, {first, second}),
        ({"not_rooms": [one]}, {third}),
        ({"senders": [bob.id]}, {second}),
        ({"not_senders": [bob.id]}, {first, third}),
        ({"types": ["m.room.name"]}, set()),
        ({"not_types": ["m.room.*"]}, set()),
        ({"contains_url": True}, {third}),
        ({"contains_url": False}, {first, second}),
        ({"rooms": ["!unknown:a.example"]}, set()),
        ({}, everything),
    ):
        assert set(ids(finds(alice, "quince", filter=wanted))) == expected, wanted


def test_groups_and_their_pages(alice: Person, bob: Person) -> None:
    one, other = alice.creates(), alice.creates()
    bob.joins(one)
    sent = [alice.says(one, f"quince {number}") for number in range(3)]
    late = alice.says(other, "quince")
    bobs = bob.says(one, "quince")
    found = finds(alice, "quince", by_rank=False, groups=("room_id", "sender"), filter={"limit": 3})
    assert ids(found) == [bobs, late, sent[2]]
    by_room = found.groups["room_id"]
    assert [(by_room[room].order, by_room[room].event_ids) for room in (one, other)] == [
        (0, [bobs, sent[2]]),
        (1, [late]),
    ]
    assert by_room[other].next_batch is None
    token = by_room[one].next_batch
    assert ids(finds(alice, "quince", token, by_rank=False)) == [sent[1], sent[0]]
    assert set(found.groups["sender"]) == {alice.id, bob.id}


# --- surroundings ---


def test_surroundings(alice: Person, bob: Person) -> None:
    room_id = alice.creates()
    bob.joins(room_id)
    before = [alice.says(room_id, f"before {number}") for number in range(3)]
    found_id = alice.says(room_id, "quince")
    after = [bob.says(room_id, f"after {number}") for number in range(3)]
    found = finds(alice, "quince", surroundings=Surroundings(2, 1, True), include_state=True)
    context = json.loads(found.results[0])["context"]
    assert [one["event_id"] for one in context["events_before"]] == [before[2], before[1]]
    assert [one["event_id"] for one in context["events_after"]] == [after[0]]
    assert set(context["profile_info"]) == {alice.id, bob.id}
    assert found_id == ids(found)[0]
    assert found.state is not None
    kinds = {json.loads(one)["type"] for one in found.state[room_id]}
    assert {"m.room.create", "m.room.member"} <= kinds


def test_highlights_are_words_as_they_are_written(alice: Person) -> None:
    room_id = alice.creates()
    alice.says(room_id, "Quinces, quince and Quincé-pies; no medlars")
    assert finds(alice, "quince").highlights == ["quince", "quinces", "quincé"]


# --- who may find what ---


def test_only_rooms_of_ones_own(alice: Person, bob: Person) -> None:
    room_id = alice.creates("private_chat")
    alice.says(room_id, "quince")
    assert finds(bob, "quince").count == 0
    alice.invites(room_id, bob)
    assert finds(bob, "quince").count == 0
    bob.leaves(room_id)
    found = finds(bob, "quince")
    assert (found.count, found.next_batch, found.results) == (0, None, [])


def test_nothing_from_after_one_left(alice: Person, bob: Person) -> None:
    room_id = alice.creates()
    bob.joins(room_id)
    seen = alice.says(room_id, "quince before")
    alice.kicks(room_id, bob)
    alice.says(room_id, "quince after")
    found = finds(bob, "quince", surroundings=Surroundings(5, 5, True), include_state=True)
    assert (ids(found), found.count) == ([seen], 1)
    assert "quince after" not in str(found)


@pytest.mark.parametrize("rule", ["joined", "invited", "shared", "world_readable"])
def test_history_visibility(alice: Person, bob: Person, rule: str) -> None:
    visibility = {"m.room.history_visibility": {"history_visibility": rule}}
    room_id = alice.creates("public_chat", state=visibility)
    early = alice.says(room_id, "quince early")
    bob.joins(room_id)
    late = alice.says(room_id, "quince late")
    found = finds(bob, "quince", by_rank=False)
    expected = [late, early] if rule in ("shared", "world_readable") else [late]
    assert (ids(found), found.count) == (expected, len(expected)), "the count tells as much"


def test_hidden_matches_do_not_hide_older_ones(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 2)
    room_id = alice.creates()
    bob.joins(room_id)
    seen = alice.says(room_id, "quince")
    bob.leaves(room_id)
    for number in range(6):
        alice.says(room_id, f"quince {number}")
    assert ids(finds(bob, "quince")) == [seen]


def test_redacted_events_are_gone(alice: Person, bob: Person) -> None:
    room_id = alice.creates()
    event_id = alice.says(room_id, "quince")
    stays = alice.says(room_id, "quince too")
    assert len(ids(finds(alice, "quince"))) == 2
    alice.redacts(room_id, event_id)
    found = finds(alice, "quince")
    assert (ids(found), found.count) == ([stays], 1)
    terms, numbers = ["quince"], [one.room for one in _rooms(alice)]
    left = alice.server.store.read(
        lambda tx: index.newest(tx, terms, numbers, ALL, search.NEWEST, 10)
    )
    assert len(left) == 1, "its words have left the index as well"


def test_redacted_before_it_was_taken_in(alice: Person) -> None:
    room_id = alice.creates()
    alice.redacts(room_id, alice.says(room_id, "quince"))
    alice.redacts(room_id, alice.sets(room_id, NAME, name="quince"))
    assert finds(alice, "quince").count == 0


def test_encrypted_rooms_are_not_searched(alice: Person) -> None:
    room_id = alice.creates()
    alice.says(room_id, "quince")
    alice.sets(room_id, "m.room.encryption", algorithm="m.megolm.v1.aes-sha2")
    assert finds(alice, "quince").count == 0


def test_forgotten_rooms_are_not_searched(alice: Person, bob: Person) -> None:
    room_id = alice.creates()
    bob.joins(room_id)
    alice.says(room_id, "quince")
    bob.leaves(room_id)
    assert finds(bob, "quince").count == 1
    membership.forget(bob.server, bob.caller, room_id)
    assert finds(bob, "quince").count == 0


def test_many_rooms(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SCOPED_ROOMS", 2)
    room_ids = [alice.creates() for _ in range(4)]
    bob.says(bob.creates(), "quince")
    sent = [alice.says(room_id, "quince") for room_id in room_ids]
    assert ids(finds(alice, "quince", by_rank=False)) == sent[::-1]


# --- the index ---


def _rooms(person: Person) -> list[rooms.LocalMember]:
    return person.server.store.read(lambda tx: rooms.memberships(tx, person.id, ["join"]))


def test_sending_writes_nothing_into_the_index(alice: Person) -> None:
    room_id = alice.creates()
    with statements(alice.server.store) as seen:
        alice.says(room_id, "quince")
    assert not [sql for sql in seen if "search_words" in sql]


def test_events_from_before_the_index(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "EVENTS_AT_ONCE", 3)
    room_id = alice.creates()
    sent = [alice.says(room_id, f"quince {number}") for number in range(7)]
    store = alice.server.store
    store.write(lambda tx: tx.run("DELETE FROM search_words_progress"))
    store.write(lambda tx: tx.run(tx.full_text.empty))
    while store.write(lambda tx: index.take_in(tx, 3)):
        pass
    assert ids(finds(alice, "quince", by_rank=False)) == sent[::-1]
    assert not store.read(index.is_behind)


def test_an_index_ahead_of_its_log_is_made_anew(alice: Person) -> None:
    """As after a restore of the database."""
    room_id = alice.creates()
    sent = alice.says(room_id, "quince")
    assert finds(alice, "quince").count == 1
    store = alice.server.store
    store.write(lambda tx: tx.run("UPDATE search_words_progress SET pos = pos + 1000"))
    assert ids(finds(alice, "quince")) == [sent]
    store.write(lambda tx: tx.run("UPDATE search_words_progress SET pos = 0"))
    store.write(lambda tx: tx.run("DELETE FROM change_log WHERE pos < 3"))
    assert ids(finds(alice, "quince")) == [sent]
