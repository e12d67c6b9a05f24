"""Tokens, waiting, and what a sync costs where nothing happened."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chat.protocol.errors import InvalidParam, NotFound
from chat.services import account_data
from chat.services.server import Server
from chat.services.sync import query
from chat_testing.databases import statements
from chat_testing.people import Person, a_person, ids

SOON_S = 0.2


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Run `work` in a thread; what is returned waits for its result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(10)
        return results[0]

    time.sleep(SOON_S)
    return result


# --- waiting ---


def test_a_waiting_sync_is_answered_when_something_happens(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs()
    result = in_background(lambda: bob.syncs(timeout_ms=30_000))
    said = alice.says(room, "hi")
    assert ids(result()["join"][room]["timeline"]["events"]) == [said]


def test_a_waiting_sync_hears_of_an_invite(alice: Person, bob: Person) -> None:
    bob.syncs()
    room = alice.creates("private_chat")
    result = in_background(lambda: bob.syncs(timeout_ms=30_000))
    alice.invites(room, bob)
    assert room in result()["invite"]


def test_a_waiting_sync_ends_at_its_timeout(alice: Person) -> None:
    alice.creates()
    token = alice.syncs()["next_batch"]
    started = time.monotonic()
    answer = alice.syncs(timeout_ms=300)
    assert 0.25 < time.monotonic() - started < 5
    assert answer["join"] == {}
    assert answer["next_batch"] == token


def test_what_is_not_for_the_user_does_not_end_the_wait(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    messages_only = {"room": {"timeline": {"types": ["m.room.message"]}}}
    bob.syncs(messages_only)
    result = in_background(lambda: bob.syncs(messages_only, timeout_ms=30_000))
    alice.sends(room, "org.example.noise", {})
    time.sleep(SOON_S)
    said = alice.says(room, "hi")
    assert ids(result()["join"][room]["timeline"]["events"]) == [said]


def test_closing_down_answers_who_waits(alice: Person) -> None:
    alice.creates()
    alice.syncs()
    result = in_background(lambda: alice.syncs(timeout_ms=30_000))
    alice.server.notifier.close()
    started = time.monotonic()
    assert result()["join"] == {}
    assert time.monotonic() - started < 5


def test_a_first_sync_and_a_full_one_do_not_wait(alice: Person) -> None:
    started = time.monotonic()
    alice.syncs(timeout_ms=30_000)
    alice.syncs(timeout_ms=30_000, full_state=True)
    assert time.monotonic() - started < 5


def test_nothing_is_lost_between_two_syncs(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs()
    heard: list[str] = []
    said: list[str] = []

    def talk() -> None:
        said.extend([alice.says(room, str(i)) for i in range(40)])

    done = in_background(talk)
    while len(heard) < 40:
        joined = bob.syncs({"room": {"timeline": {"limit": 100}}}, timeout_ms=5_000)["join"]
        heard += ids(joined[room]["timeline"]["events"])
    done()
    assert heard == said


# --- what it costs ---


def test_no_news_cost_no_statement(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.syncs()
    alice.syncs()
    with statements(alice.server.store) as seen:
        assert alice.syncs()["join"] == {}
    assert seen == []


def test_a_message_to_many_is_read_once(alice: Person, server: Server) -> None:
    room = alice.creates()
    crowd = [a_person(server, f"user{i}") for i in range(8)]
    for one in crowd:
        one.joins(room)
    for one in crowd:
        one.syncs()
        one.syncs()
    said = alice.says(room, "hi")
    counts = []
    for one in crowd:
        with statements(server.store) as seen:
            assert ids(one.syncs()["join"][room]["timeline"]["events"]) == [said]
        counts.append(len(seen))
    assert counts[0] > 0
    assert counts[1:] == [0] * 7


# --- tokens and filters ---


@pytest.mark.parametrize("text", ["x", "s", "s-1", "s1_", "12", "s1_2_3", "s1 ", "s" + "9" * 19])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        query.parse_token(text)


def test_a_token_keeps_both_positions() -> None:
    for text in ("s7", "s7_3"):
        assert str(query.parse_token(text)) == text
    assert query.parse_token("") is None


def test_a_token_from_the_future_is_answered_anew(alice: Person) -> None:
    room = alice.creates()
    token = alice.syncs()["next_batch"]
    answer = alice.asks(since="s999999")
    assert answer["next_batch"] == token
    assert room in answer["join"]
    assert any(one["type"] == "m.push_rules" for one in answer["account_data"])


def test_an_old_token_is_answered_from_the_database(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    token = bob.syncs()["next_batch"]
    said = alice.says(room, "hi")
    known = bob.syncs()
    bob.server.notifier.tail.start(bob.server.notifier.position)  # as after a restart
    bob.server.sync.users.drop(bob.id)
    answer = bob.asks(since=token)
    assert ids(answer["join"][room]["timeline"]["events"]) == [said]
    assert answer["next_batch"] == known["next_batch"]


@pytest.mark.parametrize("text", ["{", '{"room": 3}', '{"room": {"timeline": {"limit": -1}}}'])
def test_what_is_no_filter_is_refused(alice: Person, text: str) -> None:
    with pytest.raises(InvalidParam):
        alice.query(text)


def test_stored_filters_are_found_by_their_id(alice: Person) -> None:
    room, other = alice.creates(), alice.creates()
    wanted = {"room": {"rooms": [room]}}
    filter_id = account_data.add_filter(alice.server, alice.id, wanted)
    assert alice.syncs(filter_id)["join"].keys() == {room}
    assert other
    with pytest.raises(NotFound):
        alice.query("none")


def test_invites_that_are_not_wanted_wait_until_they_are(server: Server) -> None:
    alice, bob = a_person(server, "alice"), a_person(server, "bob")
    room_id = alice.creates("private_chat")
    alice.invites(room_id, bob)
    block = {"default_action": "block"}
    account_data.put(server, bob.id, None, "m.invite_permission_config", block)
    assert bob.asks()["invite"] == {}
    account_data.put(server, bob.id, None, "m.invite_permission_config", {})
    assert set(bob.asks()["invite"]) == {room_id}
