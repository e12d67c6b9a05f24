"""Reading the history of rooms: messages, single events, context."""

import json

from conformance.client import Json, User, World


def room_of_ten(world: World) -> tuple[User, str, list[str]]:
    """A user's room with ten messages, and the IDs of these, oldest first."""
    user = world.user()
    room = user.create_room()
    return user, room, [user.send(room, f"Plate {number}") for number in range(10)]


def ids(events: list[Json]) -> list[str]:
    """The IDs of the messages among the events."""
    return [event["event_id"] for event in events if event["type"] == "m.room.message"]


def pages(user: User, room: str, **query: object) -> list[Json]:
    """Page through the history until there is no more; every event that was seen."""
    seen: list[Json] = []
    answer = user.get("/rooms/{}/messages", room, **query).ok()
    seen.extend(answer["chunk"])
    while "end" in answer:
        answer = user.get("/rooms/{}/messages", room, **(query | {"from_": answer["end"]})).ok()
        seen.extend(answer["chunk"])
        assert len(seen) < 1000
    return seen


def check_backwards(world: World) -> None:
    """Paging backwards shows every event once, newest first, and ends with the creation."""
    user, room, sent = room_of_ten(world)
    seen = pages(user, room, dir="b", limit=3)
    assert ids(seen) == sent[::-1]
    assert len({event["event_id"] for event in seen}) == len(seen)
    assert seen[-1]["type"] == "m.room.create"


def check_forwards(world: World) -> None:
    """Paging forwards shows the same events in the other order."""
    user, room, sent = room_of_ten(world)
    forwards = pages(user, room, dir="f", limit=4)
    backwards = pages(user, room, dir="b", limit=4)
    assert ids(forwards) == sent
    assert [one["event_id"] for one in forwards] == [one["event_id"] for one in backwards[::-1]]


def check_from_prev_batch(world: World) -> None:
    """The prev_batch of a sync leads to the events before its timeline."""
    user, room, sent = room_of_ten(world)
    wish = {"room": {"timeline": {"limit": 4}}}
    timeline = user.sync(filter=wish)["rooms"]["join"][room]["timeline"]
    assert timeline["limited"] is True
    assert ids(timeline["events"]) == sent[-4:]
    before = pages(user, room, dir="b", limit=5, from_=timeline["prev_batch"])
    assert ids(before) == sent[:-4][::-1]


def check_gap(world: World) -> None:
    """The gap of a limited sync is what lies between its prev_batch and the token before."""
    user, room, _ = room_of_ten(world)
    since = user.sync()["next_batch"]
    missed = [user.send(room, f"Cup {number}") for number in range(6)]
    wish = {"room": {"timeline": {"limit": 2}}}
    timeline = user.sync(since, filter=wish)["rooms"]["join"][room]["timeline"]
    assert ids(timeline["events"]) == missed[-2:]
    gap = user.history(room, from_=timeline["prev_batch"], to=since)
    assert ids(gap) == missed[:-2][::-1]


def check_start_token(world: World) -> None:
    """A page names the token at which it began."""
    user, room, _ = room_of_ten(world)
    token = user.sync()["next_batch"]
    answer = user.get("/rooms/{}/messages", room, dir="b", limit=1, from_=token).ok()
    assert answer["start"] == token


def check_direction_is_needed(world: World) -> None:
    """The direction is needed and is either b or f."""
    user, room, _ = room_of_ten(world)
    user.get("/rooms/{}/messages", room).refused(400, "M_MISSING_PARAM")
    user.get("/rooms/{}/messages", room, dir="up").refused(400, "M_INVALID_PARAM")


def check_unknown_token(world: World) -> None:
    """A token that the server never gave out is refused."""
    user, room, _ = room_of_ten(world)
    for token in ("made-up", "s", "999999999999999999999999999"):
        answer = user.get("/rooms/{}/messages", room, dir="b", from_=token)
        answer.refused(400, "M_INVALID_PARAM")


def check_filter_by_type(world: World) -> None:
    """A page is filtered by type, with wildcards and exceptions."""
    user, room, sent = room_of_ten(world)
    names = json.dumps({"types": ["m.room.*"], "not_types": ["m.room.message"]})
    kinds = {event["type"] for event in user.history(room, filter=names)}
    assert "m.room.create" in kinds
    assert "m.room.message" not in kinds
    messages = json.dumps({"types": ["m.room.message"]})
    assert ids(user.history(room, filter=messages)) == sent[::-1]
    assert len(user.history(room, filter=messages)) == 10


def check_filter_by_sender(world: World) -> None:
    """A page is filtered by sender."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alice.send(room, "Hello")
    theirs = bob.send(room, "Hi")
    only = json.dumps({"senders": [bob.user_id], "types": ["m.room.message"]})
    assert ids(alice.history(room, filter=only)) == [theirs]
    without = json.dumps({"not_senders": [bob.user_id]})
    assert theirs not in ids(alice.history(room, filter=without))


def check_filter_by_url(world: World) -> None:
    """A page is filtered by whether events have a url."""
    user = world.user()
    room = user.create_room()
    plain = user.send(room, "Hello")
    content = {"msgtype": "m.file", "body": "menu", "url": "mxc://example.org/abc"}
    linked = user.send_event(room, "m.room.message", content)
    assert ids(user.history(room, filter=json.dumps({"contains_url": True}))) == [linked]
    assert ids(user.history(room, filter=json.dumps({"contains_url": False}))) == [plain]


def check_lazy_members(world: World) -> None:
    """A page with lazy loading brings the memberships of the senders it shows."""
    alice, bob, carol = world.user("alice"), world.user("bob"), world.user("carol")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    carol.join(room)
    bob.send(room, "Hi")
    lazy = json.dumps({"lazy_load_members": True, "types": ["m.room.message"]})
    state = alice.get("/rooms/{}/messages", room, dir="b", filter=lazy).ok()["state"]
    assert [event["state_key"] for event in state] == [bob.user_id]


def check_bad_filter(world: World) -> None:
    """A filter that is no JSON object is refused."""
    user, room, _ = room_of_ten(world)
    for text in ("{", "[]", '{"types": "m.room.message"}'):
        answer = user.get("/rooms/{}/messages", room, dir="b", filter=text)
        answer.refused(400, "M_INVALID_PARAM", "M_NOT_JSON", "M_BAD_JSON")


def check_bad_limit(world: World) -> None:
    """A limit is a whole number of nought or more."""
    user, room, _ = room_of_ten(world)
    for limit in ("ten", "-1", "1.5"):
        answer = user.get("/rooms/{}/messages", room, dir="b", limit=limit)
        answer.refused(400, "M_INVALID_PARAM")


def check_huge_limit(world: World) -> None:
    """A huge limit is cut down to what the server gives at most."""
    user, room, sent = room_of_ten(world)
    assert ids(user.history(room, limit=2**53 - 1)) == sent[::-1]


def check_one_event(world: World) -> None:
    """One event is read by its ID."""
    user, room, sent = room_of_ten(world)
    assert user.event(room, sent[3])["content"]["body"] == "Plate 3"


def check_event_of_another_room(world: World) -> None:
    """An event is not found in a room that it is not in."""
    user, _, sent = room_of_ten(world)
    other = user.create_room()
    user.get("/rooms/{}/event/{}", other, sent[0]).refused(404, "M_NOT_FOUND")


def check_unknown_event(world: World) -> None:
    """An event that does not exist is not found, nor has it a context."""
    user, room, _ = room_of_ten(world)
    for event_id in ("$" + "x" * 43, "nonsense", "$"):
        user.get("/rooms/{}/event/{}", room, event_id).refused(404, "M_NOT_FOUND")
        user.get("/rooms/{}/context/{}", room, event_id).refused(404, "M_NOT_FOUND")


def check_context(world: World) -> None:
    """The context of an event is what came before, newest first, and after, oldest first."""
    user, room, sent = room_of_ten(world)
    answer = user.get("/rooms/{}/context/{}", room, sent[5], limit=4).ok()
    assert answer["event"]["event_id"] == sent[5]
    assert ids(answer["events_before"]) == [sent[4], sent[3]]
    assert ids(answer["events_after"]) == [sent[6], sent[7]]
    assert {"m.room.create", "m.room.member"} <= {event["type"] for event in answer["state"]}


def check_context_leads_on(world: World) -> None:
    """The tokens of a context lead to the events before and after it."""
    user, room, sent = room_of_ten(world)
    answer = user.get("/rooms/{}/context/{}", room, sent[5], limit=2).ok()
    before = user.history(room, from_=answer["start"], limit=2)
    after = user.history(room, from_=answer["end"], dir="f", limit=2)
    assert ids(before) == [sent[3], sent[2]]
    assert ids(after) == [sent[7], sent[8]]


def check_context_without_neighbours(world: World) -> None:
    """A context with a limit of nought has the event alone."""
    user, room, sent = room_of_ten(world)
    answer = user.get("/rooms/{}/context/{}", room, sent[5], limit=0).ok()
    assert answer["event"]["event_id"] == sent[5]
    assert answer.get("events_before", []) == answer.get("events_after", []) == []


def check_context_is_filtered(world: World) -> None:
    """A context is filtered, but for the event itself."""
    user, room, sent = room_of_ten(world)
    only = json.dumps({"types": ["m.room.create"]})
    answer = user.get("/rooms/{}/context/{}", room, sent[0], filter=only, limit=50).ok()
    assert answer["event"]["event_id"] == sent[0]
    assert [event["type"] for event in answer["events_before"]] == ["m.room.create"]
    assert answer["events_after"] == []


def check_age_and_membership(world: World) -> None:
    """Events in pages tell their age and what the reader was in the room at that time."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    before = alice.send(room, "Before")
    bob.join(room)
    alice.send(room, "After")
    after, join, earlier = bob.history(room, limit=3)
    assert earlier["event_id"] == before
    memberships = [one["unsigned"]["membership"] for one in (earlier, join, after)]
    assert memberships == ["leave", "join", "join"]
    assert all(0 <= one["unsigned"]["age"] < 60_000 for one in (earlier, join, after))
    assert bob.event(room, before)["unsigned"]["membership"] == "leave"


def check_ignored_users_in_history(world: World) -> None:
    """What ignored users say is left out of pages; the state that they set is not."""
    alice, bob = world.user("alice"), world.user("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    said = alice.send(room, "Blah")
    named = alice.set_state(room, "m.room.name", {"name": "Kitchen"})
    body: Json = {"ignored_users": {alice.user_id: {}}}
    bob.put("/user/{}/account_data/m.ignored_user_list", bob.user_id, body=body).ok()
    seen = [event["event_id"] for event in bob.history(room)]
    assert named in seen
    assert said not in seen
