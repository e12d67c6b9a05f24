"""The recent part of the change log."""

from chat.services.log_tail import Tail
from chat.storage.streams import STARTED, STOPPED, Kind, LoggedChange

ALICE = "@alice:a.example"


def events(*positions: int) -> list[LoggedChange]:
    """Changes of room 1 at odd positions and of room 2 at even ones."""
    return [LoggedChange(pos, Kind.EVENT, 2 - pos % 2, None, None) for pos in positions]


def test_changes_are_found_by_what_they_concern() -> None:
    tail = Tail()
    tail.record(events(1, 2, 3))
    tail.record([LoggedChange(4, Kind.ACCOUNT_DATA, 1, ALICE, None)])
    assert [change.pos for change in tail.since(1, 0)] == [1, 3]
    assert [change.pos for change in tail.since(1, 1)] == [3]
    assert [change.pos for change in tail.since(ALICE, 0)] == [4]
    assert tail.since("@bob:a.example", 0) == ()
    assert tail.position == 4


def test_what_is_known_is_not_taken_in_twice() -> None:
    tail = Tail()
    tail.record(events(1, 2, 3))
    tail.record(events(2, 3, 4))
    assert [change.pos for change in tail.since(2, 0)] == [2, 4]


def test_the_oldest_changes_go_and_the_floor_rises() -> None:
    tail = Tail(capacity=4)
    tail.record(events(*range(1, 8)))
    assert (tail.floor, tail.position) == (3, 7)
    assert [change.pos for change in tail.since(1, 3)] == [5, 7]
    assert [change.pos for change in tail.since(2, 3)] == [4, 6]


def test_rooms_are_asked_for_together() -> None:
    tail = Tail()
    tail.record(events(1, 2, 3, 4))
    tail.record([LoggedChange(5, Kind.ACCOUNT_DATA, 1, ALICE, None)])
    for rooms in ([2], [2, 7, 8, 9, 10, 11]):  # fewer than changes, and more
        found = {room: [one.pos for one in of] for room, of in tail.since_in(rooms, 1, 5).items()}
        assert found == {2: [2, 4]}
        assert [one.pos for one in tail.since_in(rooms, 2, 5)[2]] == [4]
        assert tail.since_in(rooms, 2, 3) == {}


def test_a_new_start_knows_nothing_before_it() -> None:
    tail = Tail()
    tail.record(events(1, 2))
    tail.start(9)
    assert (tail.floor, tail.position) == (9, 9)
    assert tail.since(1, 9) == ()


def test_typists_are_those_who_began_and_did_not_end() -> None:
    tail = Tail()
    notices = [(1, STARTED), (2, STARTED), (1, STOPPED), (3, STOPPED)]
    for pos, (room, what) in enumerate(notices, start=1):
        tail.record([LoggedChange(pos, Kind.TYPING, room, ALICE, what)])
    assert tail.typists == {ALICE: {2}}
    tail.record([LoggedChange(9, Kind.TYPING, 2, ALICE, STOPPED)])
    assert tail.typists == {}


def test_what_came_after_a_snapshot_is_left_out() -> None:
    tail = Tail()
    tail.record(events(1, 3, 5))
    assert [change.pos for change in tail.since(1, 0, 3)] == [1, 3]
    assert tail.since(1, 3, 3) == ()
