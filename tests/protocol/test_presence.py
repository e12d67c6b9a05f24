"""Presence: what the signs of devices make of their user, and when."""

import pytest

from chat.protocol.presence import IDLE_MS, Person, Sign, State

OFFLINE, AWAY, ONLINE = State.OFFLINE, State.UNAVAILABLE, State.ONLINE
USER = "@alice:a.example"
NOON = 1_000_000_000
MINUTE = 60_000


def sign(state: State | None, at_ms: int = NOON, device: str = "PHONE", **more: object) -> Sign:
    """A sign of a device that counts for a minute."""
    return Sign(USER, device, at_ms, at_ms + MINUTE, state, **more)  # type: ignore[arg-type]


def seen(person: Person, at_ms: int) -> State:
    """The state at a time."""
    person.settle(at_ms)
    return person.state


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], OFFLINE),
        ([OFFLINE], OFFLINE),
        ([AWAY, OFFLINE], AWAY),
        ([OFFLINE, AWAY, ONLINE], ONLINE),
        ([ONLINE, AWAY], ONLINE),
    ],
)
def test_of_several_devices_the_one_most_there_counts(states: list[State], expected: State) -> None:
    person = Person(USER)
    for number, state in enumerate(states):
        person.take(sign(state, device=f"DEVICE{number}", by_hand=True))
    assert seen(person, NOON) is expected


def test_a_device_counts_until_its_time_is_over() -> None:
    person = Person(USER)
    person.take(sign(ONLINE))
    person.take(sign(AWAY, NOON + MINUTE // 2, "TABLET"))
    assert seen(person, NOON + MINUTE - 1) is ONLINE
    assert seen(person, NOON + MINUTE) is AWAY
    assert seen(person, NOON + 2 * MINUTE) is OFFLINE


def test_syncing_alone_is_no_activity_but_coming_online_is() -> None:
    person = Person(USER)
    person.take(sign(ONLINE))
    assert person.last_active_ms == NOON
    person.take(sign(ONLINE, NOON + 1000))
    assert person.last_active_ms == NOON
    person.take(sign(ONLINE, NOON + 10 * MINUTE))  # the device was gone meanwhile
    assert person.last_active_ms == NOON + 10 * MINUTE


def test_who_does_nothing_for_long_is_away_until_they_do_something() -> None:
    person, later = Person(USER), NOON + IDLE_MS
    person.take(sign(ONLINE))
    for at_ms in range(NOON, later + 1, MINUTE // 2):
        person.take(sign(ONLINE, at_ms))
    assert seen(person, later - 1) is ONLINE
    assert seen(person, later) is AWAY
    person.take(sign(None, later + 1))
    assert (seen(person, later + 1), person.last_active_ms) == (ONLINE, later + 1)


def test_what_was_chosen_outlives_syncs_of_that_device_and_ends_by_activity() -> None:
    person = Person(USER)
    person.take(sign(AWAY, by_hand=True))
    person.take(sign(ONLINE, NOON + 1000))
    assert seen(person, NOON + MINUTE) is AWAY  # and the sync has kept it alive
    person.take(sign(None, NOON + MINUTE))
    assert seen(person, NOON + MINUTE) is ONLINE


def test_who_has_chosen_to_be_offline_stays_so_whatever_they_do() -> None:
    person = Person(USER)
    person.take(sign(OFFLINE, by_hand=True))
    person.take(sign(ONLINE))
    person.take(sign(None))
    assert seen(person, NOON) is OFFLINE


def test_a_choice_is_forgotten_with_its_device() -> None:
    person = Person(USER)
    person.take(sign(OFFLINE, by_hand=True))
    person.take(sign(ONLINE, NOON + MINUTE))
    assert seen(person, NOON + MINUTE) is ONLINE


def test_the_message_is_that_of_the_last_choice() -> None:
    person = Person(USER)
    person.take(sign(ONLINE, by_hand=True, status_msg="Reading"))
    person.take(sign(ONLINE))
    assert person.status_msg == "Reading"
    person.take(sign(ONLINE, by_hand=True))
    assert person.status_msg is None


def test_only_changes_that_others_see_are_news() -> None:
    person = Person(USER)
    person.take(sign(ONLINE))
    person.settle(NOON)
    assert person.news
    person.news = False
    person.take(sign(ONLINE, NOON + 1000))
    person.take(sign(None, NOON + 2000))
    person.settle(NOON + 2000)
    assert not person.news
    person.take(sign(ONLINE, NOON + 3000, by_hand=True, status_msg="Reading"))
    assert person.news


def test_the_next_look_is_never_too_late() -> None:
    person = Person(USER)
    person.take(sign(ONLINE))
    person.settle(NOON)
    assert person.next_ms == NOON + MINUTE
    person.take(sign(ONLINE, NOON + 1000))
    person.settle(NOON + 1000)
    assert person.next_ms == NOON + MINUTE  # not written anew with each sync
    person.settle(NOON + MINUTE)
    assert person.next_ms == NOON + MINUTE + 1000
    person.settle(NOON + 2 * MINUTE)
    assert person.next_ms is None
