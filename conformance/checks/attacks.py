"""Classes of attacks that security advisories for chat servers have described, one check each.

The class stands in brackets in the promise.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from conformance.checks.sliding_sync import PATH as SLIDING
from conformance.client import Json, User, World
from conformance.parallel import together
from conformance.runner.exchange import Exchange

SEND = "/rooms/{}/send/{}/{}"
STATE = "/rooms/{}/state/{}/{}"
MESSAGE = "m.room.message"
NUMBERS = (2**53, -(2**53), 2**63, 2**64, 10**40)
BOUNDED_S = 3.0


def ids(events: list[Json]) -> set[str]:
    """Their IDs."""
    return {event["event_id"] for event in events}


def check_nul_everywhere(world: World) -> None:
    """A NUL is stored or refused wherever text goes (class: text that the database refuses)."""
    user = world.user()
    room = user.create_room()
    nul = "a\0b"
    asked = [
        user.put(SEND, room, MESSAGE, "t", body={"body": nul, nul: nul}),
        user.put(STATE, room, "m.room.topic", "", body={"topic": nul}),
        user.put(STATE, room, "org.example.x", nul, body={}),
        user.put("/profile/{}/displayname", user.user_id, body={"displayname": nul}),
        user.put("/user/{}/account_data/org.example.x", user.user_id, body={nul: nul}),
        user.put("/user/{}/rooms/{}/tags/{}", user.user_id, room, nul, body={}),
        user.post("/rooms/{}/leave", user.create_room(), body={"reason": nul}),
        user.post("/search", body={"search_categories": {"room_events": {"search_term": nul}}}),
        user.post("/user_directory/search", body={"search_term": nul}),
        user.post("/publicRooms", body={"filter": {"generic_search_term": nul}}),
        user.put("/devices/{}", user.device_id, body={"display_name": nul}),
        user.post("/user/{}/filter", user.user_id, body={"event_fields": [nul]}),
        user.login(device_id=nul),
        user.put("/sendToDevice/m.x/t", body={"messages": {user.user_id: {"*": {nul: nul}}}}),
    ]
    for answer in asked:
        assert answer.status in (200, 400), (answer.request.path, answer.status)
    user.sync()


def check_lone_surrogates_everywhere(world: World) -> None:
    """Half a character is refused, never stored (class: text that cannot be encoded)."""
    user = world.user()
    room = user.create_room()
    half = b'{"\\ud83d": "\\ud800", "body": "\\udfff", "name": "\\ud800", "a": ["\\udc00"]}'
    asked = [
        user.put(SEND, room, MESSAGE, "t", body=half),
        user.put(STATE, room, "m.room.name", "", body=half),
        user.put("/user/{}/account_data/org.example.x", user.user_id, body=half),
        user.put("/profile/{}/org.example.x", user.user_id, body=b'{"org.example.x": "\\ud800"}'),
        user.post("/user/{}/filter", user.user_id, body=b'{"event_fields": ["\\ud800"]}'),
    ]
    for answer in asked:
        answer.refused(400, "M_NOT_JSON", "M_BAD_JSON")
    user.sync()


def check_numbers_that_are_none(world: World) -> None:
    """NaN and infinities are no JSON, in bodies and filters (class: JSON beyond the standard)."""
    user = world.user()
    room = user.create_room()
    for number in (b"NaN", b"Infinity", b"-Infinity"):
        body = b'{"a": %s}' % number
        for answer in (
            user.put(SEND, room, MESSAGE, "t", body=body),
            user.put("/user/{}/account_data/org.example.x", user.user_id, body=body),
            user.post("/createRoom", body=body),
        ):
            answer.refused(400, "M_NOT_JSON", "M_BAD_JSON")
        wish = b'{"room": {"timeline": {"limit": %s}}}' % number
        answer = user.get("/sync", filter=wish.decode())
        answer.refused(400, "M_NOT_JSON", "M_BAD_JSON", "M_INVALID_PARAM")


def check_integers_that_are_too_large(world: World) -> None:
    """Integers of 2^53 and more get into no event (class: numbers that servers read apart)."""
    user = world.user()
    room = user.create_room()
    for number in NUMBERS:
        for answer in (
            user.put(SEND, room, MESSAGE, "t", body={"n": [number]}),
            user.put(STATE, room, "org.example.n", "", body={"n": {"n": number}}),
        ):
            answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")
    for number in (2**53 - 1, 1 - 2**53):
        user.send_event(room, MESSAGE, {"n": number})
    answer = user.get("/rooms/{}/messages", room, dir="b", limit=2**64)
    answer.refused(400, "M_INVALID_PARAM")


def check_nesting(world: World) -> None:
    """JSON that is nested 10 000 deep is refused wherever it goes (class: exhausted stack)."""
    user = world.user()
    room = user.create_room()
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    broad = b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    for body in (deep, broad):
        for answer in (
            user.put(SEND, room, MESSAGE, "t", body=body),
            user.put("/user/{}/account_data/org.example.x", user.user_id, body=body),
            user.post("/user/{}/filter", user.user_id, body=body),
            world.stranger.post("/login", body=body),
        ):
            answer.refused(400, "M_BAD_JSON", "M_NOT_JSON")
    answer = user.get("/sync", filter=broad.decode())
    answer.refused(400, "M_BAD_JSON", "M_NOT_JSON", "M_INVALID_PARAM")


def check_largest_event(world: World) -> None:
    """There is one size that events may have, to the byte (class: events others cannot take)."""
    user = world.user()
    room = user.create_room()

    def fits(length: int) -> bool:
        answer = user.put(SEND, room, MESSAGE, f"t{length}", body={"body": "x" * length})
        if answer.status != 200:
            answer.refused(413, "M_TOO_LARGE")
        return answer.status == 200

    low, high = 60_000, 65_536
    assert fits(low) and not fits(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    assert 65_536 - 1_200 < low < 65_536 - 300, low  # the rest is what the server adds
    assert len(user.history(room)[0]["content"]["body"]) <= low


def check_longest_ids(world: World) -> None:
    """Identifiers have 255 bytes and not one more (class: rooms that other servers cannot take)."""
    user = world.user()
    room = user.create_room()
    server = world.server_name

    def both(ask: Callable[[str], Exchange], taken: int = 0) -> None:
        """Ask with a name that makes 255 bytes together with `taken`, and with one more."""
        longest = "x" * (255 - taken)
        assert ask(longest).status in (200, 404), longest
        for longer in (longest + "x", longest[:-1] + "é"):
            assert ask(longer).status in (400, 413), longer

    both(lambda name: user.put(STATE, room, "org.example.x", name, body={}))
    both(lambda name: user.put(STATE, room, name, "", body={}))
    both(lambda name: user.put(SEND, room, name, "t" + name[-1:] + str(len(name)), body={}))
    taken = len(f"#:{server}")
    both(lambda name: user.get("/directory/room/{}", f"#{name}:{server}"), taken)
    both(lambda name: user.get("/profile/{}", f"@{name}:{server}"), taken)


def check_power_levels_of_other_types(world: World) -> None:
    """Power levels that are no integers break no room (class: rooms that nobody can use again)."""
    user = world.user()
    others: list[Any] = [[], {}, True, None, "soup", "", "1" * 400, 2**60]
    for version in ("1", "9", "10", "11"):
        room = user.create_room(room_version=version)
        levels = user.state(room, "m.room.power_levels")
        for wrong in others:
            for changed in (
                levels | {"users_default": wrong},
                levels | {"users": levels["users"] | {"@bob:example.org": wrong}},
                levels | {"events": {MESSAGE: wrong}},
            ):
                answer = user.put(STATE, room, "m.room.power_levels", "", body=changed)
                assert answer.status in (200, 400, 403), answer.status
        user.set_state(room, "m.room.power_levels", levels)
        user.send(room, "Still here")
        user.sync()
    room = user.create_room(room_version="10")
    levels = user.state(room, "m.room.power_levels") | {"ban": "50"}
    answer = user.put(STATE, room, "m.room.power_levels", "", body=levels)
    assert answer.status in (400, 403), answer.status


def check_members_after_one_has_left(world: World) -> None:
    """Who left sees no later member, by no way (class: member lists through `at` and context)."""
    owner, gone, late = world.user(), world.user(), world.user()
    room = owner.create_room(preset="public_chat")
    gone.join(room)
    last = owner.send(room, "Farewell")
    gone.leave(room)
    late.join(room)
    now = owner.sync()["next_batch"]
    for query in ({}, {"at": now}):
        chunk = gone.get("/rooms/{}/members", room, **query).json.get("chunk", [])
        assert late.user_id not in {event["state_key"] for event in chunk}, query
    around = gone.get("/rooms/{}/context/{}", room, last, limit=50).ok()
    assert late.user_id not in {event.get("state_key") for event in around["state"]}
    assert late.user_id not in {event.get("state_key") for event in around["events_after"]}
    paged = gone.get("/rooms/{}/messages", room, dir="f", limit=100).ok()
    assert late.user_id not in {event.get("state_key") for event in paged["chunk"]}
    gone.get("/rooms/{}/joined_members", room).refused(403, "M_FORBIDDEN")


def check_receipts_for_hidden_events(world: World) -> None:
    """No receipt tells of an event that its sender cannot see (class: probing for events)."""
    owner, user = world.user(), world.user()
    rule = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room = owner.create_room(preset="public_chat", initial_state=[rule])
    hidden = owner.send(room, "Before anybody came")
    other = owner.send(owner.create_room(), "In another room")
    user.join(room)
    for event_id in (hidden, other, "$nothing"):
        for kind in ("m.read", "m.read.private", "m.fully_read"):
            answer = user.post("/rooms/{}/receipt/{}/{}", room, kind, event_id)
            assert answer.status in (400, 403, 404), (kind, answer.status)
        answer = user.post("/rooms/{}/read_markers", room, body={"m.read": event_id})
        assert answer.status in (400, 403, 404), answer.status
    told = owner.sync()["rooms"]["join"][room].get("ephemeral", {})
    assert user.user_id not in json.dumps(told)


def check_syncs_after_leaving(world: World) -> None:
    """After a leave or a ban no sync tells what came later (class: state after the end)."""
    for farewell in ("leave", "ban"):
        owner, user = world.user(), world.user()
        room = owner.create_room(preset="public_chat", name="Before")
        user.join(room)
        token = user.sync()["next_batch"]
        of_room = {"required_state": [["*", "*"]], "timeline_limit": 20}
        lists = {"all": of_room | {"ranges": [[0, 9]]}}
        body = {"conn_id": "c", "lists": lists}
        place = user.post(SLIDING, body=body).ok()["pos"]
        if farewell == "leave":
            user.leave(room)
        else:
            owner.ban(room, user)
        owner.set_state(room, "m.room.name", {"name": "After that"})
        owner.send(room, "After that")
        subscribed = {"room_subscriptions": {room: of_room}}
        answers = [
            user.sync(token),
            user.sync(token, full_state=True),
            user.sync(filter={"room": {"include_leave": True}}),
            user.post(SLIDING, pos=place, body=body | subscribed).ok(),
            user.post(SLIDING, body={"conn_id": "d", "lists": lists} | subscribed).ok(),
        ]
        for answer in answers:
            assert "After that" not in json.dumps(answer), (farewell, answer)


def check_events_that_break_syncs(world: World) -> None:
    """What one user sends ends nobody's sync (class: events that break another user's client)."""
    sender, reader = world.user(), world.user()
    room = sender.create_room(preset="public_chat")
    reader.join(room)
    token = reader.sync()["next_batch"]
    odd: list[Json] = [{}, {"membership": 7}, {"name": ["x"]}, {"alias": {}}, {"url": 7}]
    for kind in ("m.room.name", "m.room.canonical_alias", "m.room.avatar", "m.room.topic"):
        for content in odd:
            sender.put(STATE, room, kind, "", body=content)
    related: list[Json] = [{"m.relates_to": 7}, {"m.relates_to": {"rel_type": [], "event_id": {}}}]
    for number, content in enumerate((*related, {"m.mentions": 7}, {"m.new_content": []})):
        sender.put(SEND, room, MESSAGE, f"t{number}", body=content)
    sender.put(STATE, room, "m.room.encryption", "", body={"algorithm": ["x"]})
    sender.put(STATE, room, "m.room.join_rules", "", body={"join_rule": [], "allow": 7})
    last = sender.send(room, "Still here")
    wish = {"ranges": [[0, 9]], "required_state": [["*", "*"]], "timeline_limit": 50}
    found = reader.post(SLIDING, body={"lists": {"all": wish}}).ok()["rooms"][room]
    assert last in ids(found["timeline"])
    for answer in (reader.sync(token), reader.sync()):
        assert last in ids(answer["rooms"]["join"][room]["timeline"]["events"])


def check_patterns_take_no_time(world: World) -> None:
    """Patterns with many wildcards are matched at once (class: globs that back-track)."""
    user = world.user()
    kind = "a" * 200
    room = user.create_room()
    user.put(STATE, room, kind, "", body={"body": kind}).ok()
    glob = "*a" * 100 + "*b"
    started = time.monotonic()
    user.sync(filter={"room": {"timeline": {"types": [glob]}, "state": {"not_types": [glob]}}})
    user.get("/rooms/{}/messages", room, dir="b", filter=json.dumps({"not_types": [glob]})).ok()
    user.put(STATE, room, "m.room.server_acl", "", body={"allow": [glob, "*"], "deny": [glob]})
    user.send(room, kind)
    user.post("/user_directory/search", body={"search_term": "a " * 400}).ok()
    took_s = time.monotonic() - started
    assert took_s < BOUNDED_S, took_s


def check_search_shows_nothing_hidden(world: World) -> None:
    """Search finds nothing that its user may not read (class: search that leaks)."""
    owner, user = world.user(), world.user()
    word = world.name("secret").replace("-", "")
    rule = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room = owner.create_room(preset="public_chat", initial_state=[rule])
    owner.send(room, f"early {word}")
    user.join(room)
    user.leave(room)
    owner.send(room, f"late {word}")
    owner.send(owner.create_room(), f"elsewhere {word}")
    for more in ({}, {"event_context": {"before_limit": 9, "after_limit": 9}}):
        wish = {"search_term": word, **more}
        found = user.post("/search", body={"search_categories": {"room_events": wish}}).ok()
        results = found["search_categories"]["room_events"]
        assert results.get("count", 0) == 0 and not results.get("results"), results


def check_aliases_are_not_taken(world: World) -> None:
    """Nobody takes another's alias or directory entry (class: alias and directory squatting)."""
    owner, thief = world.user(), world.user()
    name = world.name()
    alias = f"#{name}:{world.server_name}"
    room = owner.create_room(preset="public_chat", room_alias_name=name)
    own = thief.create_room()
    thief.put("/directory/room/{}", alias, body={"room_id": own}).refused(409, "M_UNKNOWN")
    thief.delete("/directory/room/{}", alias).refused(403, "M_FORBIDDEN")
    thief.post("/createRoom", body={"room_alias_name": name}).refused(400, "M_ROOM_IN_USE")
    answer = thief.put(STATE, own, "m.room.canonical_alias", "", body={"alias": alias})
    answer.refused(400, "M_BAD_ALIAS")
    listing = {"visibility": "private"}
    thief.put("/directory/list/room/{}", room, body=listing).refused(403, "M_FORBIDDEN")
    foreign = "#kitchen:example.org"
    answer = thief.put("/directory/room/{}", foreign, body={"room_id": own})
    answer.refused(400, "M_INVALID_PARAM")
    assert owner.get("/directory/room/{}", alias).ok()["room_id"] == room


def check_transaction_ids_are_of_a_device(world: World) -> None:
    """A device learns nothing by another's transaction ID (class: another device's answers)."""
    user, stranger = world.user(), world.user()
    other = user.new_device()
    room = user.create_room(preset="public_chat")
    stranger.join(room)
    body = {"msgtype": "m.text", "body": "Dinner is ready"}
    sent = [
        one.put(SEND, room, MESSAGE, "t1", body=body).ok()["event_id"]
        for one in (user, other, stranger, user)
    ]
    assert len(set(sent)) == 3 and sent[0] == sent[3]
    events = {event["event_id"]: event for event in other.history(room)}
    unsigned = [events[event_id].get("unsigned", {}) for event_id in sent[:3]]
    assert ["transaction_id" in one for one in unsigned] == [False, True, False]


def check_race_for_an_alias(world: World) -> None:
    """Of many who want an alias at the same time one gets it (class: squatting by a race)."""
    users = [world.user() for _ in range(4)]
    rooms = [user.create_room() for user in users]
    alias = f"#{world.name()}:{world.server_name}"

    def wish(user: User, room: str) -> Callable[[], Exchange]:
        return lambda: user.put("/directory/room/{}", alias, body={"room_id": room})

    answers = together(*(wish(*pair) for pair in zip(users, rooms, strict=True)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    winner = rooms[[answer.status for answer in answers].index(200)]
    assert users[0].get("/directory/room/{}", alias).ok()["room_id"] == winner
