"""What a sync shows of rooms: timelines, state, membership."""

import json

import pytest

from chat.services import account_data
from chat.services.rooms import history
from chat_testing.databases import statements
from chat_testing.people import Person, another_device, ids, state_of
from chat_testing.servers import FakeClock

ALL = {"room": {"timeline": {"limit": 100}}}


def limit(events: int, **room: object) -> dict[str, object]:
    return {"room": {"timeline": {"limit": events}, **room}}


def test_first_sync_has_timeline_and_the_state_before_it(alice: Person) -> None:
    room = alice.creates(name="Garden")
    said = [alice.says(room, str(i)) for i in range(4)]
    joined = alice.syncs(limit(3))["join"][room]
    assert ids(joined["timeline"]["events"]) == said[-3:]
    assert joined["timeline"]["limited"] is True
    state = state_of(joined["state"]["events"])
    assert ("m.room.name", "") in state
    assert ("m.room.member", alice.id) in state
    assert joined["summary"] == {"m.joined_member_count": 1, "m.invited_member_count": 0}


def test_first_sync_of_a_small_room_has_all_in_the_timeline(alice: Person) -> None:
    room = alice.creates()
    joined = alice.syncs(ALL)["join"][room]
    assert joined["timeline"]["events"][0]["type"] == "m.room.create"
    assert joined["timeline"]["limited"] is False
    assert joined["state"]["events"] == []


def test_incremental_sync_tells_each_event_once_in_order(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.syncs(ALL)
    said = [person.says(room, "hi") for person in (alice, bob, alice)]
    timeline = alice.syncs(ALL)["join"][room]["timeline"]
    assert ids(timeline["events"]) == said
    assert timeline["limited"] is False
    assert alice.syncs(ALL)["join"] == {}


def test_only_rooms_that_changed_are_told(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(2)]
    assert alice.syncs()["join"].keys() == set(rooms)
    alice.says(rooms[1], "hi")
    assert alice.syncs()["join"].keys() == {rooms[1]}


def test_a_gap_has_the_state_changed_in_it(alice: Person) -> None:
    room = alice.creates(name="Before")
    alice.syncs()
    name = alice.sets(room, "m.room.name", name="In the gap")
    alice.sets(room, "m.room.topic", topic="first")
    said = [alice.says(room, str(i)) for i in range(3)]
    topic = alice.sets(room, "m.room.topic", topic="second")
    joined = alice.syncs(limit(2))["join"][room]
    assert ids(joined["timeline"]["events"]) == [said[-1], topic]
    assert joined["timeline"]["limited"] is True
    state = joined["state"]["events"]
    assert state_of(state)["m.room.name", ""] == name
    # The topic is that of the start of the timeline, which then changes it.
    assert [one["content"] for one in state if one["type"] == "m.room.topic"] == [
        {"topic": "first"}
    ]
    assert len(state) == 2


def test_state_after_has_the_state_at_the_end(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    alice.sets(room, "m.room.topic", topic="first")
    alice.says(room, "hi")
    topic = alice.sets(room, "m.room.topic", topic="second")
    joined = alice.syncs(ALL, state_after=True)["join"][room]
    assert "state" not in joined
    assert state_of(joined["state_after"]["events"]) == {("m.room.topic", ""): topic}


def test_state_after_of_a_first_sync_is_the_whole_state(alice: Person) -> None:
    room = alice.creates()
    topic = alice.sets(room, "m.room.topic", topic="hills")
    joined = alice.asks(ALL, state_after=True)["join"][room]
    state = state_of(joined["state_after"]["events"])
    assert state["m.room.topic", ""] == topic
    assert state == state_of(joined["timeline"]["events"])


def test_full_state_tells_the_whole_state_of_quiet_rooms_too(alice: Person) -> None:
    room = alice.creates(name="Garden")
    alice.syncs()
    joined = alice.syncs(full_state=True)["join"][room]
    assert joined["timeline"]["events"] == []
    assert ("m.room.name", "") in state_of(joined["state"]["events"])


def test_timeline_without_events_still_tells_state(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    topic = alice.sets(room, "m.room.topic", topic="hills")
    joined = alice.syncs(limit(0))["join"][room]
    assert joined["timeline"]["events"] == []
    assert joined["timeline"]["limited"] is True
    assert state_of(joined["state"]["events"]) == {("m.room.topic", ""): topic}


# --- coming and going ---


def test_an_invite_comes_with_stripped_state(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat", name="Garden")
    bob.syncs()
    alice.invites(room, bob)
    alice.sets(room, "m.room.name", name="Later")
    answer = bob.syncs()
    assert answer["join"] == {}
    events = answer["invite"][room]["invite_state"]["events"]
    assert all(set(one) == {"type", "state_key", "sender", "content"} for one in events)
    told = {(one["type"], one["state_key"]): one["content"] for one in events}
    assert told["m.room.name", ""] == {"name": "Garden"}
    assert told["m.room.member", bob.id]["membership"] == "invite"
    assert told["m.room.member", alice.id]["membership"] == "join"
    assert ("m.room.create", "") in told
    assert ("m.room.power_levels", "") not in told
    assert bob.syncs()["invite"] == {}
    assert room in bob.asks()["invite"]


def test_a_knock_is_told_with_stripped_state(alice: Person, bob: Person) -> None:
    room = alice.creates(state={"m.room.join_rules": {"join_rule": "knock"}})
    bob.syncs()
    bob.knocks(room)
    events = bob.syncs()["knock"][room]["knock_state"]["events"]
    keys = [(one["type"], one["state_key"]) for one in events]
    assert ("m.room.member", bob.id) in keys
    assert ("m.room.join_rules", "") in keys
    assert len(keys) == len(set(keys))


def test_invites_from_ignored_users_are_not_told(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat")
    _ignore(bob, alice)
    bob.syncs()
    alice.invites(room, bob)
    assert bob.syncs()["invite"] == {}
    assert bob.asks()["invite"] == {}


def test_a_joined_room_is_told_whole_with_a_gap(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    said = [alice.says(room, str(i)) for i in range(3)]
    bob.syncs()
    bob.joins(room)
    joined = bob.syncs(limit(3))["join"][room]
    events = joined["timeline"]["events"]
    assert ids(events)[:2] == said[1:]
    assert events[-1]["state_key"] == bob.id
    assert joined["timeline"]["limited"] is True
    assert ("m.room.name", "") in state_of(joined["state"]["events"])
    assert joined["summary"]["m.joined_member_count"] == 2


def test_who_leaves_hears_nothing_of_later(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    before = alice.says(room, "before")
    bob.leaves(room)
    alice.says(room, "after")
    alice.sets(room, "m.room.topic", topic="secret")
    answer = bob.syncs(ALL)
    assert answer["join"] == {}
    left = answer["leave"][room]
    events = left["timeline"]["events"]
    assert ids(events)[0] == before
    assert events[-1]["content"] == {"membership": "leave"}
    assert len(events) == 2
    assert left["state"]["events"] == []
    alice.says(room, "still talking")
    assert bob.syncs(ALL)["leave"] == {}
    assert bob.asks(ALL)["leave"] == {}


def test_include_leave_tells_rooms_as_they_were_left(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    topic = alice.sets(room, "m.room.topic", topic="then")
    alice.kicks(room, bob)
    alice.sets(room, "m.room.topic", topic="now")
    left = bob.asks(limit(1, include_leave=True))["leave"][room]
    assert [one["state_key"] for one in left["timeline"]["events"]] == [bob.id]
    assert state_of(left["state"]["events"])["m.room.topic", ""] == topic


def test_a_declined_invite_shows_no_more_than_the_leave(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat", name="Secret")
    alice.invites(room, bob)
    bob.syncs()
    alice.says(room, "not for bob")
    bob.leaves(room)
    left = bob.syncs(ALL)["leave"][room]
    assert [one["content"] for one in left["timeline"]["events"]] == [{"membership": "leave"}]
    assert left["state"]["events"] == []


def test_a_ban_after_leaving_is_told_without_what_lay_between(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs()
    bob.leaves(room)
    alice.says(room, "between")
    alice.bans(room, bob)
    events = bob.syncs(ALL)["leave"][room]["timeline"]["events"]
    assert [one["content"]["membership"] for one in events] == ["leave", "ban"]


def test_who_comes_back_is_told_all_anew(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    bob.leaves(room)
    topic = alice.sets(room, "m.room.topic", topic="meanwhile")
    bob.joins(room)
    joined = bob.syncs(limit(1))["join"][room]
    assert joined["timeline"]["limited"] is True
    assert state_of(joined["state"]["events"])["m.room.topic", ""] == topic


def test_who_comes_back_is_not_told_again_what_they_know(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    bob.leaves(room)
    meanwhile = alice.says(room, "meanwhile")
    bob.joins(room)
    timeline = bob.syncs(ALL)["join"][room]["timeline"]
    memberships = [e["content"].get("membership") for e in timeline["events"]]
    assert memberships == ["leave", None, "join"]
    assert ids(timeline["events"])[1] == meanwhile
    assert timeline["limited"] is False


def test_who_comes_back_later_is_told_what_was_since_they_left(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    bob.leaves(room)
    bob.syncs(ALL)
    meanwhile = alice.says(room, "meanwhile")
    bob.joins(room)
    joined = bob.syncs(ALL)["join"][room]
    events = joined["timeline"]["events"]
    assert ids(events)[0] == meanwhile
    assert [e["content"].get("membership") for e in events] == [None, "join"]
    # A client that did not sync before has to page for what was before.
    assert joined["timeline"]["limited"] is True
    assert ("m.room.create", "") in state_of(joined["state"]["events"])


def test_bans_that_were_told_are_not_told_again(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    alice.bans(room, bob)
    bob.syncs(ALL)
    alice.unbans(room, bob)
    [told] = ids(bob.syncs(ALL)["leave"][room]["timeline"]["events"])
    bob.joins(room)
    events = bob.syncs(ALL)["join"][room]["timeline"]["events"]
    assert told not in ids(events)
    assert [e["content"]["membership"] for e in events] == ["join"]


def test_who_came_and_left_again_is_not_told_what_they_know(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.syncs(ALL)
    bob.leaves(room)
    bob.syncs(ALL)
    bob.joins(room)
    said = alice.says(room, "hello again")
    bob.leaves(room)
    events = bob.syncs(ALL)["leave"][room]["timeline"]["events"]
    assert [e["content"].get("membership") for e in events] == ["join", None, "leave"]
    assert ids(events)[1] == said


def test_a_timeline_starts_after_state_that_is_hidden(alice: Person, bob: Person) -> None:
    room = alice.creates()
    shown = alice.sets(room, "m.room.topic", topic="shown")
    alice.sets(room, "m.room.history_visibility", history_visibility="joined")
    hidden = alice.sets(room, "m.room.topic", topic="hidden from who is not there")
    alice.says(room, "hidden too")
    bob.syncs()
    bob.joins(room)
    joined = bob.syncs(ALL)["join"][room]
    assert [e.get("state_key") for e in joined["timeline"]["events"]] == [bob.id]
    assert joined["timeline"]["limited"] is True
    assert state_of(joined["state"]["events"])["m.room.topic", ""] == hidden
    page = history.messages(
        bob.server,
        bob.caller,
        room,
        start=joined["timeline"]["prev_batch"],
        stop=None,
        backwards=True,
        limit=10,
        event_filter=history.parse_filter(None),
    )
    assert shown in ids([json.loads(event) for event in page.events])


@pytest.mark.parametrize(
    ("visibility", "seen"),
    [
        ("world_readable", ["a", "b", "c", "d"]),
        ("shared", ["a", "b", "c", "d"]),
        ("invited", ["b", "c", "d"]),
        ("joined", ["c", "d"]),
    ],
)
def test_history_visibility_decides_what_was_before(
    alice: Person, bob: Person, visibility: str, seen: list[str]
) -> None:
    room = alice.creates(
        "private_chat", state={"m.room.history_visibility": {"history_visibility": visibility}}
    )
    bob.syncs()
    alice.says(room, "a")
    alice.invites(room, bob)
    alice.says(room, "b")
    bob.joins(room)
    alice.says(room, "c")
    bob.says(room, "d")
    for answer in (bob.syncs(ALL), bob.asks(ALL)):
        events = answer["join"][room]["timeline"]["events"]
        assert [e["content"]["body"] for e in events if e["type"] == "m.room.message"] == seen


# --- events as they are shown ---


def test_transaction_ids_are_for_the_device_that_sent(alice: Person, bob: Person) -> None:
    other = another_device(alice, "OTHER")
    room = alice.creates()
    bob.joins(room)
    for one in (alice, other, bob):
        one.syncs()
    alice.says(room, "hi")
    unsigned = [
        one.syncs()["join"][room]["timeline"]["events"][0]["unsigned"]
        for one in (alice, other, bob)
    ]
    assert unsigned[0]["transaction_id"].startswith("txn")
    assert [("transaction_id" in one) for one in unsigned] == [True, False, False]
    assert all(one["membership"] == "join" for one in unsigned)


def test_age_grows(alice: Person, clock: FakeClock) -> None:
    room = alice.creates()
    alice.syncs()
    token = alice.token
    alice.says(room, "hi")
    ages = []
    for _ in range(2):
        clock.advance(seconds=5)
        event = alice.asks(since=token)["join"][room]["timeline"]["events"][0]
        ages.append(event["unsigned"]["age"])
    assert ages == [5_000, 10_000]


def test_state_events_name_what_they_replaced(alice: Person) -> None:
    room = alice.creates()
    first = alice.sets(room, "m.room.topic", topic="one")
    alice.syncs()
    alice.sets(room, "m.room.topic", topic="two")
    event = alice.syncs()["join"][room]["timeline"]["events"][0]
    assert event["unsigned"]["replaces_state"] == first
    assert event["unsigned"]["prev_content"] == {"topic": "one"}


def test_redacted_events_are_shown_without_content(alice: Person) -> None:
    room = alice.creates()
    token = alice.syncs()["next_batch"]
    said = alice.says(room, "oh no")
    assert alice.syncs()["join"][room]["timeline"]["events"][0]["content"]
    redaction = alice.redacts(room, said)
    (told,) = alice.syncs()["join"][room]["timeline"]["events"]
    assert told["redacts"] == told["content"]["redacts"] == said
    message = alice.asks(since=token)["join"][room]["timeline"]["events"][0]
    assert message["content"] == {}
    assert message["unsigned"]["redacted_because"]["event_id"] == redaction


def test_messages_of_ignored_users_are_left_out_but_not_their_state(
    alice: Person, bob: Person
) -> None:
    room = alice.creates()
    bob.joins(room)
    _ignore(bob, alice)
    bob.syncs()
    alice.says(room, "psst")
    topic = alice.sets(room, "m.room.topic", topic="hills")
    assert ids(bob.syncs()["join"][room]["timeline"]["events"]) == [topic]


def _ignore(who: Person, whom: Person) -> None:
    content = {"ignored_users": {whom.id: {}}}
    account_data.put(who.server, who.id, None, "m.ignored_user_list", content)


# --- filters ---


def test_filters_choose_rooms(alice: Person) -> None:
    one, other = alice.creates(), alice.creates()
    assert list(alice.asks({"room": {"rooms": [one]}})["join"]) == [one]
    assert list(alice.asks({"room": {"not_rooms": [one]}})["join"]) == [other]


def test_filters_choose_events_and_look_further_back_for_them(alice: Person) -> None:
    room = alice.creates()
    said = [alice.says(room, str(i)) for i in range(2)]
    for i in range(30):
        alice.sends(room, "org.example.noise", {"i": i})
    timeline = {"types": ["m.room.message"], "limit": 2}
    joined = alice.syncs({"room": {"timeline": timeline}})["join"][room]
    assert ids(joined["timeline"]["events"]) == said


def test_state_that_the_timeline_filter_hides_is_told_as_state(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    topic = alice.sets(room, "m.room.topic", topic="hills")
    said = alice.says(room, "hi")
    joined = alice.syncs({"room": {"timeline": {"types": ["m.room.message"]}}})["join"][room]
    assert ids(joined["timeline"]["events"]) == [said]
    assert joined["timeline"]["limited"] is False
    assert state_of(joined["state"]["events"]) == {("m.room.topic", ""): topic}


def test_state_filters_choose_state(alice: Person) -> None:
    room = alice.creates(name="Garden")
    alice.says(room, "hi")
    wanted = {"room": {"timeline": {"limit": 1}, "state": {"types": ["m.room.n*"]}}}
    joined = alice.syncs(wanted)["join"][room]
    assert list(state_of(joined["state"]["events"])) == [("m.room.name", "")]


def test_a_timeline_filter_for_other_rooms_leaves_state(alice: Person) -> None:
    room = alice.creates()
    wanted = {"room": {"timeline": {"not_rooms": [room]}}}
    alice.syncs(wanted)
    topic = alice.sets(room, "m.room.topic", topic="hills")
    joined = alice.syncs(wanted)["join"][room]
    assert joined["timeline"]["events"] == []
    assert state_of(joined["state"]["events"]) == {("m.room.topic", ""): topic}


def test_event_fields_choose_what_is_told_of_events(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    said = alice.says(room, "hi")
    wanted = {"event_fields": ["event_id", "content.body"]}
    assert alice.syncs(wanted)["join"][room]["timeline"]["events"] == [
        {"event_id": said, "content": {"body": "hi"}}
    ]


def test_events_can_have_the_form_of_servers(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    alice.says(room, "hi")
    (event,) = alice.syncs({"event_format": "federation"})["join"][room]["timeline"]["events"]
    assert {"hashes", "signatures", "auth_events", "prev_events", "depth"} <= set(event)


def test_contains_url_chooses_by_content(alice: Person) -> None:
    room = alice.creates()
    alice.syncs()
    picture = alice.sends(room, "m.room.message", {"url": "mxc://a/b"})
    alice.says(room, "hi")
    wanted = {"room": {"timeline": {"contains_url": True}}}
    assert ids(alice.syncs(wanted)["join"][room]["timeline"]["events"]) == [picture]


# --- lazy loading ---

LAZY = {"room": {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}}
REDUNDANT = {
    "room": {
        "timeline": {"limit": 1},
        "state": {"lazy_load_members": True, "include_redundant_members": True},
    }
}


def members(joined: dict[str, dict[str, list[dict[str, str]]]]) -> set[str]:
    return {
        event["state_key"]
        for event in joined["state"]["events"]
        if event["type"] == "m.room.member"
    }


def test_lazy_loading_tells_only_members_who_speak(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    bob.joins(room)
    bob.says(room, "hi")
    alice.says(room, "hello")
    assert members(alice.syncs(LAZY)["join"][room]) == {alice.id}
    bob.says(room, "how are you?")
    assert members(alice.syncs(LAZY)["join"][room]) == {bob.id}
    bob.says(room, "fine?")
    assert members(alice.syncs(LAZY)["join"][room]) == set()


def test_redundant_members_are_told_again(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    bob.joins(room)
    alice.syncs(REDUNDANT)
    for _ in range(2):
        bob.says(room, "hi")
        assert members(alice.syncs(REDUNDANT)["join"][room]) == {bob.id}


def test_a_lost_answer_takes_nothing_from_the_next(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    bob.joins(room)
    alice.says(room, "hi")
    token = alice.syncs(LAZY)["next_batch"]
    bob.says(room, "hi")
    for _ in range(2):  # the client asks again with the same token
        assert members(alice.asks(LAZY, token)["join"][room]) == {bob.id}


def test_lazy_loading_tells_members_changed_in_a_gap(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    alice.syncs(LAZY)
    bob.joins(room)
    for _ in range(3):
        alice.says(room, "hi")
    assert members(alice.syncs(LAZY)["join"][room]) >= {bob.id}


def test_lazy_loading_tells_the_heroes_of_a_room_without_name(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.says(room, "hi")
    joined = alice.syncs(LAZY)["join"][room]
    assert joined["summary"]["m.heroes"] == [bob.id]
    assert members(joined) == {alice.id, bob.id}


def test_heroes_of_an_abandoned_room_are_those_who_left(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    bob.leaves(room)
    assert alice.syncs()["join"][room]["summary"]["m.heroes"] == [bob.id]


# --- cost ---


def test_the_number_of_statements_does_not_depend_on_the_number_of_rooms(alice: Person) -> None:
    counts = []
    alice.says(alice.creates(name="Garden"), "hi")
    alice.asks()
    for more in (2, 6):
        rooms = [alice.creates(name="Garden") for _ in range(more)]
        with statements(alice.server.store) as at_first:
            assert alice.asks(limit(1))["join"].keys() >= set(rooms)
        alice.syncs(limit(1))
        for room in rooms:
            alice.says(room, "hi")
            alice.sets(room, "m.room.topic", topic="hills")
            alice.says(room, "ho")
        with statements(alice.server.store) as later:
            assert alice.syncs(limit(1))["join"].keys() == set(rooms)
        counts.append((len(at_first), len(later)))
    assert all(later <= earlier for earlier, later in zip(*counts, strict=True))
