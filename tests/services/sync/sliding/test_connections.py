"""Connections of sliding sync: tokens, repeats, restarts, and how little is kept."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chat.services.notifier import Notifier
from chat.services.server import Server
from chat.services.sync.memory import SyncMemory
from chat.services.sync.sliding import connections
from chat.services.sync.sliding.wish import UnknownPos
from chat.storage import sliding
from chat.storage.caches import Caches
from chat_testing.databases import statements
from chat_testing.people import Person, another_device, ids
from chat_testing.servers import FakeClock
from chat_testing.sliding import Slider, a_list, a_room

EVERY_EXTENSION = {
    name: {"enabled": True} for name in ("account_data", "receipts", "typing", "to_device", "e2ee")
}


def forget(server: Server) -> None:
    """What a process that has just started, or another worker, would not know."""
    fresh = SyncMemory(Caches())
    for name in vars(fresh):
        setattr(server.sync, name, getattr(fresh, name))


def count(server: Server, table: str) -> int:
    """The rows of a table."""
    row = server.store.read(lambda tx: tx.row(f"SELECT count(*) FROM {table}"))
    assert row is not None
    number: int = row[0]
    return number


# --- tokens ---


def test_a_repeated_request_gets_the_same_again(alice: Person) -> None:
    room = alice.creates()
    slider = Slider(alice)
    slider.slides()
    said = alice.says(room, "hi")
    first, second = slider.asks(slider.pos), slider.asks(slider.pos)
    assert ids(first["rooms"][room]["timeline"]) == [said]
    assert (
        first["rooms"][room]["timeline"][0]["event_id"] == ids(second["rooms"][room]["timeline"])[0]
    )


def test_a_lost_answer_with_new_rooms_comes_again(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(3)]
    slider = Slider(alice, lists={"all": a_list([0, 0])})
    slider.slides()
    wider = {"all": a_list([0, 2])}
    lost = slider.asks(slider.pos, lists=wider)
    assert lost["rooms"].keys() == set(rooms[:2])
    again = slider.asks(slider.pos, lists=wider)
    assert again["rooms"].keys() == set(rooms[:2])
    slider.pos = again["pos"]
    assert slider.slides(lists=wider)["rooms"] == {}


def test_either_of_two_answers_may_be_the_one_that_arrived(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(3)]
    slider = Slider(alice, lists={"all": a_list([0, 0])})
    slider.slides()
    one = slider.asks(slider.pos, lists={"all": a_list([0, 1])})
    two = slider.asks(slider.pos, lists={"all": a_list([0, 2])})
    forget(alice.server)
    wider = {"all": a_list([0, 2])}
    assert slider.asks(one["pos"], lists=wider)["rooms"].keys() == {rooms[0]}
    with pytest.raises(UnknownPos):
        forget(alice.server)
        slider.asks(two["pos"], lists=wider)


def test_a_token_is_good_for_any_worker(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(2)]
    slider = Slider(alice, lists={"all": a_list([0, 0])})
    slider.slides()
    forget(alice.server)
    slider.lists = {"all": a_list([0, 1])}
    assert slider.slides()["rooms"].keys() == {rooms[0]}
    forget(alice.server)
    said = alice.says(rooms[0], "hi")
    told = slider.slides()["rooms"]
    assert told.keys() == {rooms[0]}
    assert ids(told[rooms[0]]["timeline"]) == [said]
    assert "initial" not in told[rooms[0]]


def test_a_token_survives_an_empty_tail(alice: Person) -> None:
    room, other = alice.creates(), alice.creates()
    slider = Slider(alice)
    slider.slides()
    said = alice.says(room, "hi")
    alice.server.notifier.tail.start(alice.server.notifier.position)
    forget(alice.server)
    told = slider.slides()["rooms"]
    assert told.keys() == {room}
    assert ids(told[room]["timeline"]) == [said]
    assert other not in slider.slides()["rooms"]


@pytest.mark.parametrize(
    "pos",
    ["x", "s1", "s1~2", "s1~2.3.4", "s1~999.1", "s1~99999999999999999999.1", "s-1~1.1", "\0"],
)
def test_other_tokens_are_refused(alice: Person, pos: str) -> None:
    with pytest.raises(UnknownPos):
        Slider(alice, pos=pos).slides()


def test_a_token_of_another_device_or_user_is_refused(alice: Person, bob: Person) -> None:
    alice.creates()
    pos = Slider(alice).slides()["pos"]
    for other in (another_device(alice, "PHONE"), bob):
        with pytest.raises(UnknownPos):
            Slider(other, pos=pos).slides()
    with pytest.raises(UnknownPos):
        Slider(alice, "another", pos=pos).slides()


def test_a_token_from_the_future_is_refused(alice: Person) -> None:
    alice.creates()
    slider = Slider(alice)
    slider.slides()
    assert slider.pos is not None
    _, _, rest = slider.pos.partition("~")
    with pytest.raises(UnknownPos):
        slider.asks(f"s999999~{rest}")


def test_a_token_from_what_a_restore_lost_is_refused(alice: Person) -> None:
    alice.creates()
    slider = Slider(alice)
    slider.slides()
    server = alice.server
    pos = server.notifier.position
    server.store.write(lambda tx: tx.insert("log_gap", ("after", "upto"), [(pos - 1, pos)]))
    server.notifier.close()
    restored = replace(server, notifier=Notifier(server.store))
    restored.notifier.start()
    with pytest.raises(UnknownPos):
        Slider(replace(alice, server=restored), pos=slider.pos).slides()
    restored.notifier.close()


def test_an_older_token_shows_nothing_but_what_the_user_may_see(alice: Person, bob: Person) -> None:
    state = {"m.room.history_visibility": {"history_visibility": "joined"}}
    room = alice.creates(state=state)
    alice.says(room, "hidden")
    bob.joins(room)
    slider = Slider(bob)
    slider.slides()
    assert slider.pos is not None
    _, _, rest = slider.pos.partition("~")
    assert "hidden" not in str(slider.asks(f"s1~{rest}"))


# --- how much is kept ---


def test_beginning_anew_ends_the_connection_of_the_same_name(alice: Person) -> None:
    alice.creates()
    old, new = Slider(alice), Slider(alice)
    old.slides()
    new.slides()
    forget(alice.server)
    with pytest.raises(UnknownPos):
        old.slides()
    new.slides()


def test_a_device_has_so_many_connections(alice: Person, clock: FakeClock) -> None:
    alice.creates()
    sliders = [Slider(alice, f"number {number}") for number in range(12)]
    for slider in sliders:
        slider.slides()
        clock.advance(seconds=1)
    assert count(alice.server, "sliding_connection") == sliding.CONNECTIONS_OF_DEVICE
    forget(alice.server)
    sliders[-1].slides()
    with pytest.raises(UnknownPos):
        sliders[0].slides()


def test_connections_that_nobody_uses_expire(alice: Person, clock: FakeClock) -> None:
    alice.creates()
    used, unused = Slider(alice, "used"), Slider(alice, "unused")
    for slider in (used, unused):
        slider.slides()
    clock.advance(seconds=25 * 86_400)
    used.slides()
    clock.advance(seconds=10 * 86_400)
    connections.expire(alice.server)
    assert count(alice.server, "sliding_connection") == 1
    assert count(alice.server, "sliding_room") == 1
    forget(alice.server)
    used.slides()
    with pytest.raises(UnknownPos):
        unused.slides()


def test_what_is_kept_grows_with_the_rooms_not_with_the_answers(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(3)]
    slider = Slider(alice)
    slider.slides()
    for _ in range(5):
        for room in rooms:
            alice.says(room, "hi")
        slider.slides()
    assert count(alice.server, "sliding_room") == 3


def test_the_same_answer_lost_often_keeps_few_rows(alice: Person) -> None:
    for _ in range(3):
        alice.creates()
    slider = Slider(alice, lists={"all": a_list([0, 0])})
    slider.slides()
    for _ in range(20):
        slider.asks(slider.pos, lists={"all": a_list([0, 2])})
    assert count(alice.server, "sliding_room") <= 1 + 2 * sliding.PENDING_ANSWERS


def test_an_answer_with_events_only_writes_nothing(alice: Person) -> None:
    room = alice.creates()
    slider = Slider(alice)
    slider.slides()
    alice.says(room, "hi")
    with statements(alice.server.store) as seen:
        assert slider.slides()["rooms"]
    assert not [sql for sql in seen if not sql.startswith(("SELECT", "WITH"))]


def test_nothing_new_runs_no_statement(sqlite_alice: Person) -> None:
    room = sqlite_alice.creates()
    slider = Slider(sqlite_alice, rooms={room: a_room()}, extensions=EVERY_EXTENSION)
    slider.slides()
    slider.slides()
    with statements(sqlite_alice.server.store) as seen:
        for _ in range(3):
            assert slider.slides()["rooms"] == {}
    assert seen == []


def test_an_event_that_another_has_read_runs_no_statement(
    sqlite_alice: Person, sqlite_bob: Person
) -> None:
    room = sqlite_alice.creates()
    sqlite_bob.joins(room)
    wanted = {name: {"enabled": True} for name in ("account_data", "receipts", "typing")}
    sliders = [Slider(one, extensions=wanted) for one in (sqlite_alice, sqlite_bob)]
    for slider in sliders:
        slider.slides()
        slider.slides()
    sqlite_bob.says(room, "once more")  # so that the members are known
    for slider in sliders:
        slider.slides()
        slider.slides()
    said = sqlite_bob.says(room, "hi")
    assert ids(sliders[0].sees(room)["timeline"]) == [said]
    with statements(sqlite_bob.server.store) as seen:
        assert ids(sliders[1].sees(room)["timeline"]) == [said]
    assert seen == []


# --- waiting ---


def meanwhile(slider: Slider, timeout: int, deed: Callable[[], Any]) -> dict[str, Any]:
    """The answer to a request that waits while something is done."""
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(slider.slides(timeout)))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive(), "it did not wait"
    deed()
    thread.join(10)
    assert answers, "it did not answer"
    return answers[0]


def test_a_waiting_request_hears_at_once(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    slider = Slider(alice)
    slider.slides()
    answer = meanwhile(slider, 60_000, lambda: bob.says(room, "hi"))
    assert answer["rooms"].keys() == {room}


def test_a_waiting_request_hears_of_an_invite(alice: Person, bob: Person) -> None:
    slider = Slider(bob)
    slider.slides()
    room = alice.creates("private_chat")
    answer = meanwhile(slider, 60_000, lambda: alice.invites(room, bob))
    assert answer["rooms"].keys() == {room}


def test_a_first_request_does_not_wait(alice: Person) -> None:
    assert Slider(alice).slides(60_000)["rooms"] == {}


def test_rooms_out_of_sight_do_not_end_the_wait(alice: Person) -> None:
    seen, unseen = alice.creates(), alice.creates()
    slider = Slider(alice, lists={}, rooms={seen: a_room()})
    slider.slides()

    def both() -> None:
        alice.says(unseen, "not for you")
        alice.says(seen, "for you")

    assert meanwhile(slider, 60_000, both)["rooms"].keys() == {seen}
