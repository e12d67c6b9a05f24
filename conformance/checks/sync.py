"""Syncing."""

import time
from typing import Any

from conformance.checks.state import shared_room
from conformance.client import Json, User, World
from conformance.parallel import meanwhile


def joined(answer: Json, room: str) -> Json:
    """What a sync tells of a joined room."""
    part: Json = answer["rooms"]["join"][room]
    return part


def timeline(answer: Json, room: str) -> list[Json]:
    """The timeline of a joined room in a sync."""
    events: list[Json] = joined(answer, room)["timeline"]["events"]
    return events


def rooms(answer: Json, membership: str) -> set[str]:
    """The rooms of a sync in which the user has a membership."""
    return set(answer.get("rooms", {}).get(membership, {}))


def keys(events: list[Json]) -> set[tuple[str, str]]:
    """Type and state key of state events."""
    return {(event["type"], event["state_key"]) for event in events}


def limited_to(limit: int, **room: Any) -> Json:
    """A filter for so many events in each timeline."""
    return {"room": {"timeline": {"limit": limit}} | room}


def check_first_sync(world: World) -> None:
    """The first sync has every joined room with state and timeline, and a token."""
    user = world.user()
    room = user.create_room(name="Kitchen")
    event_id = user.send(room, "Dinner is ready")
    answer = user.sync()
    assert rooms(answer, "join") == {room}
    part = joined(answer, room)
    events = part.get("state", {}).get("events", []) + part["timeline"]["events"]
    assert {"m.room.create", "m.room.name"} <= {event["type"] for event in events}
    assert part["timeline"]["events"][-1]["event_id"] == event_id


def check_sync_of_a_newcomer(world: World) -> None:
    """The first sync of a user without rooms has a token and no rooms."""
    answer = world.user().sync()
    assert answer["next_batch"]
    assert not any(rooms(answer, kind) for kind in ("join", "invite", "leave", "knock"))


def check_state_before_the_timeline(world: World) -> None:
    """The state of a first sync is that at the start of the timeline."""
    user = world.user()
    room = user.create_room(name="Before")
    user.send(room, "One")
    user.set_state(room, "m.room.name", {"name": "After"})
    user.send(room, "Two")
    part = joined(user.sync(filter=limited_to(2)), room)
    names = [e["content"] for e in part["state"]["events"] if e["type"] == "m.room.name"]
    assert names == [{"name": "Before"}]
    assert [event["type"] for event in part["timeline"]["events"]] == [
        "m.room.name",
        "m.room.message",
    ]


def check_state_is_not_told_twice(world: World) -> None:
    """State that is in the timeline of a new room is not repeated as state."""
    user = world.user()
    room = user.create_room()
    part = joined(user.sync(filter=limited_to(50)), room)
    state = {event["event_id"] for event in part.get("state", {}).get("events", [])}
    assert not state & {event["event_id"] for event in part["timeline"]["events"]}
    assert part["timeline"]["events"][0]["type"] == "m.room.create"


def check_only_what_is_new(world: World) -> None:
    """A sync with a token has what came since, in order, and nothing else."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    sent = [bob.send(room, "One"), alice.send(room, "Two"), bob.send(room, "Three")]
    answer = alice.sync(since)
    assert [event["event_id"] for event in timeline(answer, room)] == sent
    assert joined(answer, room)["timeline"].get("limited", False) is False
    assert joined(answer, room).get("state", {}).get("events", []) == []


def check_nothing_new(world: World) -> None:
    """A sync to which nothing is new has no rooms."""
    alice, _, _ = shared_room(world)
    answer = alice.sync(alice.sync()["next_batch"])
    assert not any(rooms(answer, kind) for kind in ("join", "invite", "leave", "knock"))


def check_token_can_be_used_again(world: World) -> None:
    """A token that is used again yields the same events again."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    bob.send(room, "One")
    first, second = alice.sync(since), alice.sync(since)
    assert [event["event_id"] for event in timeline(first, room)] == [
        event["event_id"] for event in timeline(second, room)
    ]


def check_every_event_comes_once(world: World) -> None:
    """A client that syncs again and again sees every message once and in order."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    sent, seen = [], []
    for number in range(12):
        sent.append(bob.send(room, f"Plate {number}"))
        if number % 3 == 0:
            answer = alice.sync(since)
            seen += [event["event_id"] for event in timeline(answer, room)]
            since = answer["next_batch"]
    seen += [event["event_id"] for event in timeline(alice.sync(since), room)]
    assert seen == sent


def check_long_poll_wakes(world: World) -> None:
    """A waiting sync is answered as soon as a message comes."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    with meanwhile(lambda: alice.sync(since, timeout=30_000)) as waiting:
        started = time.monotonic()
        event_id = bob.send(room, "Dinner is ready")
        answer = waiting.result()
        waited_s = time.monotonic() - started
    assert [event["event_id"] for event in timeline(answer, room)] == [event_id]
    assert waited_s < 5, f"it took {waited_s:.1f} s"


def check_long_poll_times_out(world: World) -> None:
    """A waiting sync to which nothing comes is answered when its time is over."""
    alice, _, _ = shared_room(world)
    since = alice.sync()["next_batch"]
    started = time.monotonic()
    answer = alice.sync(since, timeout=1500)
    waited_s = time.monotonic() - started
    assert 1 < waited_s < 10, f"it took {waited_s:.1f} s"
    assert rooms(answer, "join") == set()


def check_long_poll_ignores_strangers(world: World) -> None:
    """A waiting sync is not answered for what happens in rooms of others."""
    alice, other = world.user("alice"), world.user("other")
    room = other.create_room()
    since = alice.sync()["next_batch"]
    with meanwhile(lambda: alice.sync(since, timeout=2000)) as waiting:
        other.send(room, "Not for Alice")
        assert rooms(waiting.result(), "join") == set()


def check_limited(world: World) -> None:
    """A timeline that leaves events out says so and brings the state that they changed."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    alice.set_state(room, "m.room.topic", {"topic": "Bread"})
    sent = [alice.send(room, f"Plate {number}") for number in range(5)]
    part = joined(bob.sync(since, filter=limited_to(3)), room)
    assert part["timeline"]["limited"] is True
    assert [event["event_id"] for event in part["timeline"]["events"]] == sent[-3:]
    assert [(e["type"], e["content"]["topic"]) for e in part["state"]["events"]] == [
        ("m.room.topic", "Bread")
    ]


def check_joining(world: World) -> None:
    """A room that was joined since the token comes with its whole state."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat", name="Kitchen")
    for number in range(15):
        alice.send(room, f"Plate {number}")
    since = bob.sync()["next_batch"]
    bob.join(room)
    part = joined(bob.sync(since, filter=limited_to(5)), room)
    assert {("m.room.create", ""), ("m.room.name", "")} <= keys(part["state"]["events"])
    assert part["timeline"]["events"][-1]["state_key"] == bob.user_id


def check_invite(world: World) -> None:
    """An invite comes once with its stripped state, and wakes a waiting sync."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(name="Kitchen")
    since = bob.sync()["next_batch"]
    with meanwhile(lambda: bob.sync(since, timeout=30_000)) as waiting:
        alice.invite(room, bob)
        answer = waiting.result()
    events = answer["rooms"]["invite"][room]["invite_state"]["events"]
    assert ("m.room.member", bob.user_id) in keys(events)
    assert rooms(bob.sync(answer["next_batch"]), "invite") == set()


def check_accepted_invite(world: World) -> None:
    """A room whose invite was accepted moves from the invites to the joined rooms."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(invite=[bob.user_id])
    since = bob.sync()["next_batch"]
    bob.join(room)
    answer = bob.sync(since)
    assert (rooms(answer, "join"), rooms(answer, "invite")) == ({room}, set())


def check_declined_invite(world: World) -> None:
    """An invite that was declined moves to the rooms that were left."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(invite=[bob.user_id])
    since = bob.sync()["next_batch"]
    bob.leave(room)
    answer = bob.sync(since)
    assert (rooms(answer, "leave"), rooms(answer, "invite")) == ({room}, set())


def check_leaving(world: World) -> None:
    """A room that was left comes once more, up to the leaving, and then no more."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    before = alice.send(room, "With you")
    bob.leave(room)
    after = alice.send(room, "Without you")
    answer = bob.sync(since)
    assert rooms(answer, "join") == set()
    events = answer["rooms"]["leave"][room]["timeline"]["events"]
    assert events[-1]["state_key"] == bob.user_id
    ids = [event["event_id"] for event in events]
    assert before in ids
    assert after not in ids
    alice.send(room, "Still without you")
    assert rooms(bob.sync(answer["next_batch"]), "leave") == set()


def check_being_kicked(world: World) -> None:
    """A kicked user is told by whom, in the rooms that were left."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    alice.kick(room, bob)
    last = bob.sync(since)["rooms"]["leave"][room]["timeline"]["events"][-1]
    assert (last["sender"], last["state_key"]) == (alice.user_id, bob.user_id)


def check_left_rooms_at_first(world: World) -> None:
    """A first sync has the rooms that were left only when the filter asks for them."""
    _, bob, room = shared_room(world)
    bob.leave(room)
    assert rooms(bob.sync(), "leave") == set()
    assert rooms(bob.sync(filter={"room": {"include_leave": True}}), "leave") == {room}


def check_return(world: World) -> None:
    """A room that was joined again comes with what happened in between."""
    alice, bob, room = shared_room(world)
    bob.leave(room)
    since = bob.sync()["next_batch"]
    alice.set_state(room, "m.room.topic", {"topic": "Bread"})
    bob.join(room)
    part = joined(bob.sync(since, filter=limited_to(1)), room)
    assert ("m.room.topic", "") in keys(part["state"]["events"])


def check_full_state(world: World) -> None:
    """A sync that asks for the full state has it, with a token too."""
    alice, _, room = shared_room(world, name="Kitchen")
    since = alice.sync()["next_batch"]
    part = joined(alice.sync(since, full_state=True), room)
    assert {("m.room.create", ""), ("m.room.name", "")} <= keys(part["state"]["events"])
    assert part["timeline"]["events"] == []


def check_state_after(world: World) -> None:
    """A sync may ask for the state at the end of the timeline in place of the start."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    alice.set_state(room, "m.room.topic", {"topic": "Bread"})
    part = joined(bob.sync(since, use_state_after=True), room)
    assert "state" not in part
    assert [event["content"]["topic"] for event in part["state_after"]["events"]] == ["Bread"]
    assert [event["type"] for event in part["timeline"]["events"]] == ["m.room.topic"]


def check_summary(world: World) -> None:
    """The summary of a nameless room counts its members and names some others."""
    alice, bob, room = shared_room(world)
    alice.invite(room, world.user("carol"))
    summary = joined(alice.sync(), room)["summary"]
    assert summary["m.joined_member_count"] == 2
    assert summary["m.invited_member_count"] == 1
    assert bob.user_id in summary["m.heroes"]
    assert alice.user_id not in summary["m.heroes"]


def check_filter_by_id(world: World) -> None:
    """A sync is filtered by a filter that was kept before."""
    user = world.user()
    room = user.create_room()
    for number in range(4):
        user.send(room, f"Plate {number}")
    made = user.post("/user/{}/filter", user.user_id, body=limited_to(2)).ok()
    assert len(timeline(user.sync(filter=made["filter_id"]), room)) == 2


def check_unknown_filter(world: World) -> None:
    """A sync with a filter that was never kept is refused."""
    world.user().get("/sync", filter="987654321").refused(404, "M_NOT_FOUND")


def check_malformed_filter(world: World) -> None:
    """A sync with a filter that is no filter is refused."""
    user = world.user()
    for text in ("{", '{"room": 7}', '{"room": {"timeline": {"limit": "many"}}}'):
        answer = user.get("/sync", filter=text)
        answer.refused(400, "M_INVALID_PARAM", "M_NOT_JSON", "M_BAD_JSON")


def check_long_inline_filter(world: World) -> None:
    """A sync takes an inline filter of 30 000 characters."""
    user = world.user()
    room = user.create_room()
    padding = [f"org.example.{number:06}" for number in range(900)]
    wish = {"room": {"timeline": {"not_types": padding}}}
    assert room in user.sync(filter=wish)["rooms"]["join"]


def check_filter_by_type(world: World) -> None:
    """A sync is filtered by types of events in the timeline and in the state."""
    user = world.user()
    room = user.create_room(name="Kitchen", topic="Bread")
    event_id = user.send(room, "Dinner is ready")
    wish = {
        "room": {
            "timeline": {"types": ["m.room.message"]},
            "state": {"types": ["m.room.name"]},
        }
    }
    part = joined(user.sync(filter=wish), room)
    assert [event["event_id"] for event in part["timeline"]["events"]] == [event_id]
    assert keys(part["state"]["events"]) <= {("m.room.name", "")}


def check_filter_by_room(world: World) -> None:
    """A sync is filtered by rooms."""
    user = world.user()
    room, other = user.create_room(), user.create_room()
    assert rooms(user.sync(filter={"room": {"rooms": [room]}}), "join") == {room}
    assert rooms(user.sync(filter={"room": {"not_rooms": [room]}}), "join") == {other}


def check_filter_by_sender(world: World) -> None:
    """A sync is filtered by senders."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    alice.send(room, "Mine")
    event_id = bob.send(room, "Theirs")
    wish = {"room": {"timeline": {"not_senders": [alice.user_id]}}}
    events = timeline(alice.sync(since, filter=wish), room)
    assert [event["event_id"] for event in events] == [event_id]


def check_event_fields(world: World) -> None:
    """A sync is reduced to the fields that the filter names."""
    user = world.user()
    room = user.create_room()
    user.send(room, "Dinner is ready")
    nothing: Json = {"types": []}
    wish = {
        "event_fields": ["content.body", "event_id", "type", "sender", "origin_server_ts"],
        "account_data": nothing,
        "room": {"timeline": {"types": ["m.room.message"]}, "state": nothing},
    }
    (event,) = timeline(user.sync(filter=wish), room)
    assert event["content"] == {"body": "Dinner is ready"}
    assert event.keys() == {"content", "event_id", "type", "sender", "origin_server_ts"}


def check_filter_on_ephemeral_events(world: World) -> None:
    """A filter that leaves out a kind of ephemeral event leaves it out."""
    alice, bob, room = shared_room(world)
    since = alice.sync()["next_batch"]
    body = {"typing": True, "timeout": 30_000}
    bob.put("/rooms/{}/typing/{}", room, bob.user_id, body=body).ok()
    wish = {"room": {"ephemeral": {"not_types": ["m.typing"]}}}
    assert "m.typing" not in str(alice.sync(since, filter=wish))
    assert "m.typing" in str(alice.sync(since))


def check_lazy_members(world: World) -> None:
    """With lazy loading a first sync has the memberships of the senders and the own."""
    alice, bob, room = shared_room(world)
    silent = world.user("silent")
    silent.join(room)
    alice.send(room, "One")
    wish = limited_to(1, state={"lazy_load_members": True})
    state = joined(bob.sync(filter=wish), room)["state"]["events"]
    shown = {event["state_key"] for event in state if event["type"] == "m.room.member"}
    assert {alice.user_id, bob.user_id} <= shown
    everything = joined(bob.sync(filter=limited_to(1)), room)["state"]["events"]
    assert ("m.room.member", silent.user_id) in keys(everything)


def check_lazy_members_later(world: World) -> None:
    """With lazy loading the membership of a sender comes at the latest with the message."""
    alice, bob, room = shared_room(world, name="Kitchen")
    silent = world.user("silent")
    silent.join(room)
    alice.send(room, "One")
    wish = limited_to(1, state={"lazy_load_members": True})
    first = bob.sync(filter=wish)
    silent.send(room, "Two")
    second = bob.sync(first["next_batch"], filter=wish)
    told = [
        event for answer in (first, second) for event in joined(answer, room)["state"]["events"]
    ]
    assert ("m.room.member", silent.user_id) in keys(told)


def check_lazy_members_name_the_room(world: World) -> None:
    """With lazy loading the memberships of those after whom a nameless room is named come along."""
    alice, bob, room = shared_room(world)
    carol = world.user("carol")
    carol.join(room)
    bob.send(room, "One")
    wish = limited_to(1, state={"lazy_load_members": True})
    part = joined(alice.sync(filter=wish), room)
    heroes = part["summary"]["m.heroes"]
    assert set(heroes) == {bob.user_id, carol.user_id}
    assert {("m.room.member", user_id) for user_id in heroes} <= keys(part["state"]["events"])


def check_acknowledged_changes_are_there(world: World) -> None:
    """What was acknowledged before a sync is asked for is in its answer."""
    alice, bob, room = shared_room(world)
    since = bob.sync()["next_batch"]
    for number in range(20):
        event_id = alice.send(room, f"Plate {number}")
        answer = bob.sync(since)
        assert [event["event_id"] for event in timeline(answer, room)] == [event_id]
        since = answer["next_batch"]


def check_unknown_token(world: World) -> None:
    """A token that the server never gave out is refused."""
    user = world.user()
    for token in ("made-up", "s", "s-1", "s1.5", "\0"):
        user.get("/sync", since=token).refused(400, "M_INVALID_PARAM")


def check_bad_timeout(world: World) -> None:
    """A timeout is a whole number."""
    world.user().get("/sync", timeout="soon").refused(400, "M_INVALID_PARAM")


def check_presence_of_the_caller(world: World) -> None:
    """A sync may say with which presence it comes, in one of three words."""
    user = world.user()
    for word in ("offline", "online", "unavailable"):
        user.sync(set_presence=word)
    user.get("/sync", set_presence="asleep").refused(400, "M_INVALID_PARAM")


def check_transaction_id(world: World) -> None:
    """The transaction ID of a message is told to the device that sent it, and to no other."""
    alice, bob, room = shared_room(world)
    phone = alice.new_device()
    since = {user: user.sync()["next_batch"] for user in (alice, phone, bob)}
    body = {"msgtype": "m.text", "body": "Dinner is ready"}
    alice.put("/rooms/{}/send/m.room.message/{}", room, "t-own", body=body).ok()
    found = {
        user: timeline(user.sync(token), room)[-1]["unsigned"].get("transaction_id")
        for user, token in since.items()
    }
    assert found == {alice: "t-own", phone: None, bob: None}


def check_no_other_rooms(world: World) -> None:
    """A sync tells nothing of rooms that the user has nothing to do with."""
    alice, bob = world.user("alice"), world.user("bob")
    since = bob.sync()["next_batch"]
    room = alice.create_room(preset="public_chat", visibility="public")
    alice.send(room, "Not for Bob")
    assert room not in str(bob.sync(since))
    assert room not in str(bob.sync())


def check_many_rooms(world: World) -> None:
    """A sync has each of the rooms in which something happened, and no other."""
    alice, bob = world.user("alice"), world.user("bob")
    made = [alice.create_room(preset="public_chat") for _ in range(6)]
    for room in made:
        bob.join(room)
    since = bob.sync()["next_batch"]
    for room in made[::2]:
        alice.send(room, "Dinner is ready")
    assert rooms(bob.sync(since), "join") == set(made[::2])


def last_message(user: User, since: str, room: str) -> str:
    """The text of the last message that a sync brings."""
    text: str = timeline(user.sync(since), room)[-1]["content"]["body"]
    return text


def check_own_messages(world: World) -> None:
    """A user's own messages come back in the sync of all of their devices."""
    user = world.user()
    phone = user.new_device()
    room = user.create_room()
    since = user.sync()["next_batch"], phone.sync()["next_batch"]
    user.send(room, "Note to self")
    assert last_message(user, since[0], room) == "Note to self"
    assert last_message(phone, since[1], room) == "Note to self"


def check_state_just_before_a_limited_timeline(world: World) -> None:
    """What changed right before a limited timeline begins is in the state that comes with it."""
    user = world.user()
    room = user.create_room(name="Before")
    token = user.sync()["next_batch"]
    user.set_state(room, "m.room.name", {"name": "After"})
    for number in range(3):
        user.send(room, str(number))
    wish = {"room": {"timeline": {"limit": 3}}}
    for since in (token, None):
        told = user.sync(since, filter=wish)["rooms"]["join"][room]
        assert told["timeline"]["limited"]
        names = [one["content"] for one in told["state"]["events"] if one["type"] == "m.room.name"]
        assert names == [{"name": "After"}], (since, names)
