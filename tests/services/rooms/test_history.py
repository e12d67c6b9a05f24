"""Pages of history: each visible event once, nothing hidden shown."""

import json
from typing import Any

import pytest

from chat.protocol.errors import Forbidden, InvalidParam, NotFound
from chat.services import account_data
from chat.services.caller import Caller
from chat.services.rooms import history, membership, send, state
from chat.services.rooms.create import Wish, create_room
from chat.services.rooms.history import EVERYTHING, Page, parse_filter
from chat.services.server import Server
from chat.storage import streams
from chat_testing.callers import a_user
from chat_testing.databases import statements
from chat_testing.servers import FakeClock

PUBLIC = Wish(preset="public_chat")


@pytest.fixture
def alice(server: Server) -> Caller:
    return a_user(server, "alice")


@pytest.fixture
def bob(server: Server) -> Caller:
    return a_user(server, "bob")


def say(server: Server, caller: Caller, room_id: str, body: str) -> str:
    txn = send.txn(caller, f"/send/{body}", body)
    content = {"msgtype": "m.text", "body": body}
    return send.send_event(server, caller, room_id, "m.room.message", content, txn).event_id


def page(server: Server, caller: Caller, room_id: str, **options: Any) -> Page:
    wanted: dict[str, Any] = {
        "backwards": True,
        "start": None,
        "stop": None,
        "limit": 100,
        "event_filter": EVERYTHING,
        **options,
    }
    return history.messages(server, caller, room_id, **wanted)


def decoded(events: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(one) for one in events]


def bodies(events: list[bytes]) -> list[str]:
    return [one["content"]["body"] for one in decoded(events) if "body" in one["content"]]


def set_visibility(server: Server, caller: Caller, room_id: str, rule: str) -> None:
    content = {"history_visibility": rule}
    state.put(server, caller, room_id, "m.room.history_visibility", "", content)


@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_walking_shows_every_event_once(
    server: Server, alice: Caller, backwards: bool, limit: int
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    for i in range(10):
        say(server, alice, room_id, str(i))
    seen: list[str] = []
    start = None
    while True:
        one = page(server, alice, room_id, backwards=backwards, limit=limit, start=start)
        seen += [event["event_id"] for event in decoded(one.events)]
        assert len(one.events) <= limit
        if one.end is None:
            break
        start = one.end
    assert len(seen) == len(set(seen)) == 16
    whole = page(server, alice, room_id, backwards=backwards)
    assert [event["event_id"] for event in decoded(whole.events)] == seen


def test_new_events_follow_where_a_page_began(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    say(server, alice, room_id, "old")
    begun = page(server, alice, room_id, limit=1)
    assert bodies(begun.events) == ["old"]
    say(server, alice, room_id, "new")
    onwards = page(server, alice, room_id, backwards=False, start=begun.start)
    assert bodies(onwards.events) == ["new"]


def test_sync_tokens_are_points_of_the_history(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    say(server, alice, room_id, "before")
    position = server.store.read(streams.head)
    say(server, alice, room_id, "after")
    back = page(server, alice, room_id, start=f"s{position}")
    assert bodies(back.events) == ["before"]
    onwards = page(server, alice, room_id, start=f"s{position}_3", backwards=False)
    assert bodies(onwards.events) == ["after"]


def test_a_page_ends_at_its_stop(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    for body in "abc":
        say(server, alice, room_id, body)
    newest = page(server, alice, room_id, limit=2)
    rest = page(server, alice, room_id, stop=newest.end)
    assert bodies(rest.events) == ["c", "b"]


@pytest.mark.parametrize("token", ["x", "t1", "t_", "s", "t" + "9" * 30 + "_1", "s-1", "t1_2_3"])
def test_other_tokens_are_refused(server: Server, alice: Caller, token: str) -> None:
    room_id = create_room(server, alice, PUBLIC)
    with pytest.raises(InvalidParam):
        page(server, alice, room_id, start=token)


@pytest.mark.parametrize("text", ["{", "[]", '{"types": 1}', '{"limit": -1}', "[" * 2000])
def test_unusable_filters_are_refused(text: str) -> None:
    with pytest.raises(InvalidParam):
        parse_filter(text)


def test_filters_choose_without_ending_the_page(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    for i in range(30):
        say(server, alice, room_id, str(i))
    create = parse_filter('{"types": ["m.room.create"]}')
    found = page(server, alice, room_id, limit=1, event_filter=create)
    assert [event["type"] for event in decoded(found.events)] == ["m.room.create"]
    urls = parse_filter('{"contains_url": true}')
    assert page(server, alice, room_id, event_filter=urls).events == []
    other_rooms = parse_filter(json.dumps({"not_rooms": [room_id]}))
    assert page(server, alice, room_id, event_filter=other_rooms).events == []


def test_lazy_members_are_the_senders_of_the_page(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    say(server, alice, room_id, "by alice")
    say(server, bob, room_id, "by bob")
    lazy = parse_filter('{"lazy_load_members": true}')
    one = page(server, alice, room_id, limit=1, event_filter=lazy)
    assert [event["state_key"] for event in decoded(one.state)] == [bob.user_id]
    both = page(server, alice, room_id, limit=2, event_filter=lazy)
    keys = {event["state_key"] for event in decoded(both.state)}
    assert keys == {alice.user_id, bob.user_id}
    assert page(server, alice, room_id).state == []


# --- what is visible ---


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("world_readable", ["before", "invited", "joined"]),
        ("shared", ["before", "invited", "joined"]),
        ("invited", ["invited", "joined"]),
        ("joined", ["joined"]),
        ("nonsense", ["before", "invited", "joined"]),
    ],
)
def test_history_visibility_decides_what_newcomers_see(
    server: Server, alice: Caller, bob: Caller, rule: str, seen: list[str]
) -> None:
    room_id = create_room(server, alice, Wish())
    set_visibility(server, alice, room_id, rule)
    say(server, alice, room_id, "before")
    membership.invite(server, alice, room_id, bob.user_id)
    say(server, alice, room_id, "invited")
    membership.join(server, bob, room_id)
    say(server, alice, room_id, "joined")
    assert bodies(page(server, bob, room_id).events)[::-1] == seen
    onwards = page(server, bob, room_id, backwards=False)
    assert bodies(onwards.events) == seen


def test_each_event_is_judged_by_the_rule_of_its_time(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    set_visibility(server, alice, room_id, "joined")
    say(server, alice, room_id, "private")
    set_visibility(server, alice, room_id, "shared")
    say(server, alice, room_id, "shared")
    set_visibility(server, alice, room_id, "joined")
    say(server, alice, room_id, "private again")
    membership.join(server, bob, room_id)
    assert bodies(page(server, bob, room_id).events) == ["shared"]


def test_whoever_left_sees_what_was_before(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    say(server, alice, room_id, "one")
    membership.join(server, bob, room_id)
    say(server, alice, room_id, "two")
    membership.leave(server, bob, room_id)
    hidden = say(server, alice, room_id, "three")
    state.put(server, alice, room_id, "m.room.name", "", {"name": "new name"})
    assert bodies(page(server, bob, room_id).events) == ["two", "one"]
    last = decoded(page(server, bob, room_id, limit=1).events)[0]
    assert last["content"]["membership"] == "leave"
    with pytest.raises(NotFound):
        history.event(server, bob, room_id, hidden)
    shown = {one["type"]: one for one in decoded(state.whole(server, bob, room_id))}
    assert "m.room.name" not in shown
    membership.join(server, bob, room_id)
    assert bodies(page(server, bob, room_id).events) == ["three", "two", "one"]


def test_gaps_between_stays_stay_hidden_where_only_members_may_read(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    set_visibility(server, alice, room_id, "joined")
    for body in ("a", "b", "c"):
        membership.join(server, bob, room_id)
        say(server, alice, room_id, f"{body} in")
        membership.leave(server, bob, room_id)
        say(server, alice, room_id, f"{body} out")
    assert bodies(page(server, bob, room_id).events) == ["c in", "b in", "a in"]


def test_strangers_and_the_invited_read_nothing(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish())
    event_id = say(server, alice, room_id, "secret")
    declined = create_room(server, alice, Wish(invited=[bob.user_id]))
    membership.leave(server, bob, declined)
    nowhere = "!nowhere:a.example"
    for who, where in ((bob, room_id), (bob, declined), (alice, nowhere)):
        for read in (
            lambda who=who, where=where: page(server, who, where),
            lambda who=who, where=where: state.whole(server, who, where),
            lambda who=who, where=where: state.joined_members(server, who, where),
        ):
            with pytest.raises(NotFound if where == nowhere else Forbidden):
                read()
    membership.invite(server, alice, room_id, bob.user_id)
    with pytest.raises(NotFound):
        history.event(server, bob, room_id, event_id)


def test_everybody_reads_world_readable_rooms(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, Wish())
    say(server, alice, room_id, "before")
    set_visibility(server, alice, room_id, "world_readable")
    say(server, alice, room_id, "open")
    assert bodies(page(server, bob, room_id).events) == ["open"]
    assert state.whole(server, bob, room_id)


def test_banned_users_see_up_to_their_ban(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    say(server, alice, room_id, "seen")
    membership.ban(server, alice, room_id, bob.user_id)
    say(server, alice, room_id, "unseen")
    assert bodies(page(server, bob, room_id).events) == ["seen"]


# --- one event and its surroundings ---


def test_an_event_with_what_surrounds_it(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    sent = [say(server, alice, room_id, str(i)) for i in range(9)]
    found = history.context(server, alice, room_id, sent[4], 4, EVERYTHING)
    assert json.loads(found.event)["event_id"] == sent[4]
    assert bodies(found.before) == ["3", "2"]
    assert bodies(found.after) == ["5", "6"]
    earlier = page(server, alice, room_id, start=found.start, limit=1)
    later = page(server, alice, room_id, start=found.end, limit=1, backwards=False)
    assert (bodies(earlier.events), bodies(later.events)) == (["1"], ["7"])
    alone = history.context(server, alice, room_id, sent[4], 0, EVERYTHING)
    assert (alone.before, alone.after) == ([], [])
    assert bodies(page(server, alice, room_id, start=alone.start, limit=1).events) == ["3"]


def test_surroundings_at_the_ends_of_a_room(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    last = say(server, alice, room_id, "last")
    found = history.context(server, alice, room_id, last, 50, EVERYTHING)
    assert found.after == []
    say(server, alice, room_id, "later")
    onwards = page(server, alice, room_id, start=found.end, backwards=False)
    assert bodies(onwards.events) == ["later"]
    assert page(server, alice, room_id, start=found.start).events == []


def test_context_state_is_of_that_time(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    state.put(server, alice, room_id, "m.room.name", "", {"name": "then"})
    event_id = say(server, alice, room_id, "hello")
    state.put(server, alice, room_id, "m.room.name", "", {"name": "now"})
    found = history.context(server, alice, room_id, event_id, 0, EVERYTHING)
    names = [one["content"] for one in decoded(found.state) if one["type"] == "m.room.name"]
    assert names == [{"name": "then"}]


def test_unknown_events_and_those_of_other_rooms_are_not_found(
    server: Server, alice: Caller
) -> None:
    room_id, other = create_room(server, alice, PUBLIC), create_room(server, alice, PUBLIC)
    event_id = say(server, alice, other, "elsewhere")
    for wanted in (event_id, "$unknown"):
        with pytest.raises(NotFound):
            history.event(server, alice, room_id, wanted)
        with pytest.raises(NotFound):
            history.context(server, alice, room_id, wanted, 1, EVERYTHING)


# --- what an event looks like ---


def test_redacted_events_are_shown_empty_with_their_redaction(
    server: Server, alice: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    event_id = say(server, alice, room_id, "oops")
    assert "oops" in bodies(page(server, alice, room_id).events)
    txn = send.txn(alice, "/redact/1", "1")
    redaction = send.redact(server, alice, room_id, event_id, "typo", txn)
    shown = json.loads(history.event(server, alice, room_id, event_id))
    assert shown["content"] == {}
    because = shown["unsigned"]["redacted_because"]
    assert because["event_id"] == redaction.event_id
    assert because["content"]["reason"] == "typo"
    again = send.redact(server, alice, room_id, event_id, "typo", txn)
    assert again.event_id == redaction.event_id
    with pytest.raises(NotFound):
        send.redact(server, alice, room_id, "$unknown", None, send.txn(alice, "/redact/2", "2"))


def test_only_the_sending_device_sees_its_transaction(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    event_id = say(server, alice, room_id, "hello")
    own = json.loads(history.event(server, alice, room_id, event_id))
    assert own["unsigned"]["transaction_id"] == "hello"
    others = json.loads(history.event(server, bob, room_id, event_id))
    assert "transaction_id" not in others["unsigned"]
    laptop = Caller(alice.user_id, "LAPTOP")
    assert "transaction_id" not in json.loads(history.event(server, laptop, room_id, event_id))


def test_state_events_say_what_they_replace(server: Server, alice: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    first = state.put(server, alice, room_id, "m.room.name", "", {"name": "one"})
    second = state.put(server, alice, room_id, "m.room.name", "", {"name": "two"})
    shown = json.loads(history.event(server, alice, room_id, second.event_id))
    assert shown["unsigned"]["replaces_state"] == first.event_id
    assert shown["unsigned"]["prev_content"] == {"name": "one"}
    assert shown["room_id"] == room_id


def test_a_page_costs_a_fixed_number_of_statements(
    server: Server, alice: Caller, bob: Caller
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    for i in range(60):
        say(server, (alice, bob)[i % 2], room_id, str(i))

    def cost(limit: int) -> int:
        with statements(server.store) as seen:
            page(server, bob, room_id, limit=limit)
        return len(seen)

    cold = cost(50)
    assert cold <= 9
    assert cost(50) == cost(5) <= 6


def test_events_tell_their_age_and_what_the_reader_was(
    server: Server, alice: Caller, bob: Caller, clock: FakeClock
) -> None:
    room_id = create_room(server, alice, PUBLIC)
    before = say(server, alice, room_id, "before")
    membership.join(server, bob, room_id)
    say(server, alice, room_id, "after")
    clock.advance(seconds=2)
    shown = [json.loads(one) for one in page(server, bob, room_id).events[:3]]
    told = [(one["unsigned"]["age"], one["unsigned"]["membership"]) for one in shown]
    assert told == [(2_000, "join"), (2_000, "join"), (2_000, "leave")]
    assert shown[1]["state_key"] == bob.user_id  # the event itself counts
    one = json.loads(history.event(server, bob, room_id, before))
    assert (one["unsigned"]["age"], one["unsigned"]["membership"]) == (2_000, "leave")


def test_messages_of_the_ignored_are_left_out(server: Server, alice: Caller, bob: Caller) -> None:
    room_id = create_room(server, alice, PUBLIC)
    membership.join(server, bob, room_id)
    ignored = say(server, alice, room_id, "ignored")
    say(server, bob, room_id, "own")
    content = {"ignored_users": {alice.user_id: {}, bob.user_id: {}}}
    account_data.put(server, bob.user_id, None, "m.ignored_user_list", content)
    assert bodies(page(server, bob, room_id).events) == ["own"]
    kinds = {json.loads(one)["type"] for one in page(server, bob, room_id).events}
    assert "m.room.create" in kinds  # state is shown
    assert json.loads(history.event(server, bob, room_id, ignored))["event_id"] == ignored
