"""Searching messages, names and topics."""

import time
from typing import Any

from conformance.client import Json, User, World

SEARCH = "/search"


def ask(user: User, term: str, next_batch: str | None = None, **wish: Any) -> Json:
    """What a search among the events of rooms finds."""
    body = {"search_categories": {"room_events": {"search_term": term} | wish}}
    answer = user.post(SEARCH, body=body, next_batch=next_batch).ok()
    found: Json = answer["search_categories"]["room_events"]
    return found


def ids(found: Json) -> list[str]:
    """The IDs of the events found, in their order."""
    return [one["result"]["event_id"] for one in found["results"]]


def word_of(world: World) -> str:
    """A word that nobody else has used."""
    return world.name("quince").replace("-", "")


def refused(user: User, room_events: Any, *errcodes: str) -> None:
    """Insist that a search is refused."""
    body = {"search_categories": {"room_events": room_events}}
    user.post(SEARCH, body=body).refused(400, *errcodes)


def check_message_is_found(world: World) -> None:
    """What was acknowledged is found at once, with its room, its rank and the whole event."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    event_id = user.send(room, f"Fresh {word} today")
    found = ask(user, word)
    assert (ids(found), found["count"]) == ([event_id], 1)
    (result,) = found["results"]
    assert result["rank"] > 0
    assert result["result"]["room_id"] == room
    assert result["result"]["content"]["body"] == f"Fresh {word} today"
    assert found["highlights"] == [word]
    assert "next_batch" not in found


def check_all_words_are_needed(world: World) -> None:
    """A text is found when it has every word, whatever their order, case and accents."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    event_id = user.send(room, f"Café {word}, ready")
    for term in (f"READY {word.upper()}", "cafe", f"{word} café", word[:6]):
        assert event_id in ids(ask(user, f"{term} {word}")), term
    assert ids(ask(user, f"{word} cold")) == []


def check_search_in_names_and_topics(world: World) -> None:
    """Names, topics and messages are searched, or only those that the keys name."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    message = user.send(room, word)
    name = user.set_state(room, "m.room.name", {"name": word})
    topic = user.set_state(room, "m.room.topic", {"topic": f"All about {word}"})
    assert set(ids(ask(user, word))) == {message, name, topic}
    for key, event_id in (("body", message), ("name", name), ("topic", topic)):
        assert ids(ask(user, word, keys=[f"content.{key}"])) == [event_id], key


def check_newest_first(world: World) -> None:
    """Ordered by time, the newest results come first, also across rooms and pages."""
    user, word = world.user(), word_of(world)
    rooms = [user.create_room(), user.create_room()]
    sent = [user.send(rooms[number % 2], f"{word} {number}") for number in range(7)]
    seen, token, pages = [], None, 0
    while pages == 0 or token:
        found = ask(user, word, token, order_by="recent", filter={"limit": 3})
        seen += ids(found)
        token, pages = found.get("next_batch"), pages + 1
    assert (seen, pages) == (sent[::-1], 3)


def check_best_first(world: World) -> None:
    """Ordered by rank, which is the default, better matches come first."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    poor = user.send(room, f"one {word} and a great many other words about nothing in particular")
    good = user.send(room, f"{word} {word} {word}")
    for number in range(4):
        user.send(room, f"Nothing of the sort {number}")
    found = ask(user, word)
    assert ids(found) == [good, poor]
    assert found["results"][0]["rank"] > found["results"][1]["rank"]
    assert ids(ask(user, word, order_by="rank")) == [good, poor]


def check_search_filter(world: World) -> None:
    """Rooms, senders and types limit a search, and so does having a URL."""
    alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
    one, other = alice.create_room(preset="public_chat"), alice.create_room()
    bob.join(one)
    first, second = alice.send(one, word), bob.send(one, word)
    content = {"msgtype": "m.file", "body": word, "url": "mxc://example.org/SEsfnsuifSDFSSEF"}
    third = alice.send_event(other, "m.room.message", content)
    for wanted, expected in (
        ({"rooms": [one]}, {first, second}),
        ({"not_rooms": [one]}, {third}),
        ({"senders": [bob.user_id]}, {second}),
        ({"not_senders": [bob.user_id]}, {first, third}),
        ({"types": ["m.room.topic"]}, set()),
        ({"contains_url": True}, {third}),
    ):
        assert set(ids(ask(alice, word, filter=wanted))) == expected, wanted


def check_search_groups(world: World) -> None:
    """Results are grouped by room and by sender, and a group is read on by its own token."""
    alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
    one, other = alice.create_room(preset="public_chat"), alice.create_room()
    bob.join(one)
    sent = [alice.send(one, f"{word} {number}") for number in range(4)]
    late, bobs = alice.send(other, word), bob.send(one, word)
    groupings = {"group_by": [{"key": "room_id"}, {"key": "sender"}]}
    wish: Json = {"order_by": "recent", "groupings": groupings, "filter": {"limit": 3}}
    found = ask(alice, word, **wish)
    groups = found["groups"]
    assert groups["room_id"][one]["results"] == [bobs, sent[3]]
    assert groups["room_id"][other]["results"] == [late]
    assert groups["room_id"][one]["order"] < groups["room_id"][other]["order"]
    assert groups["sender"].keys() == {alice.user_id, bob.user_id}
    assert "next_batch" not in groups["room_id"][other]
    page = ask(alice, word, groups["room_id"][one]["next_batch"], **wish)
    assert ids(page) == [sent[2], sent[1], sent[0]]


def check_search_context(world: World) -> None:
    """Events before and after a result are given, with tokens to go on and how senders looked."""
    user, word = world.user(), word_of(world)
    user.put("/profile/{}/displayname", user.user_id, body={"displayname": "Alice"}).ok()
    room = user.create_room()
    before = [user.send(room, f"before {number}") for number in range(3)]
    user.send(room, word)
    after = [user.send(room, f"after {number}") for number in range(3)]
    options = {"before_limit": 2, "after_limit": 1, "include_profile": True}
    context = ask(user, word, event_context=options)["results"][0]["context"]
    assert [one["event_id"] for one in context["events_before"]] == [before[2], before[1]]
    assert [one["event_id"] for one in context["events_after"]] == [after[0]]
    assert context["profile_info"][user.user_id]["displayname"] == "Alice"
    earlier = user.history(room, from_=context["start"])
    assert earlier[0]["event_id"] == before[0]
    later = user.history(room, dir="f", from_=context["end"])
    assert later[0]["event_id"] == after[1]
    assert "context" not in ask(user, word)["results"][0]


def check_search_state(world: World) -> None:
    """The state of the rooms with results is given when it is asked for."""
    user, word = world.user(), word_of(world)
    room = user.create_room(name="Orchard")
    user.send(room, word)
    state = ask(user, word, include_state=True)["state"]
    assert state.keys() == {room}
    names = [one["content"]["name"] for one in state[room] if one["type"] == "m.room.name"]
    assert names == ["Orchard"]
    assert "state" not in ask(user, word)


def check_nobody_searches_rooms_of_others(world: World) -> None:
    """Whoever was never in a room, or is only invited, finds nothing of it, nor a count."""
    alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
    room = alice.create_room(preset="private_chat")
    alice.send(room, word)
    for _ in range(2):
        found = ask(bob, word, groupings={"group_by": [{"key": "room_id"}]}, include_state=True)
        assert (found["results"], found["count"], found["highlights"]) == ([], 0, [])
        assert room not in str(found)
        alice.invite(room, bob)
    found = ask(bob, word, filter={"rooms": [room]})
    assert found["count"] == 0


def check_search_after_leaving(world: World) -> None:
    """Whoever left, was removed or banned finds what they saw, and nothing from later on."""
    alice, word = world.user("alice"), word_of(world)
    for way_out in ("leave", "kick", "ban"):
        bob = world.user("bob")
        room = alice.create_room(preset="public_chat")
        bob.join(room)
        seen = alice.send(room, f"{word} before")
        if way_out == "leave":
            bob.leave(room)
        else:
            getattr(alice, way_out)(room, bob)
        alice.send(room, f"{word} after")
        found = ask(bob, word, event_context={"after_limit": 5}, include_state=True)
        assert (ids(found), found["count"]) == ([seen], 1), way_out
        assert f"{word} after" not in str(found)


def check_search_and_history_visibility(world: World) -> None:
    """What history visibility hides is not found, and nothing in the answer tells of it."""
    for rule in ("joined", "invited", "shared", "world_readable"):
        alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
        visible = {"history_visibility": rule}
        state = [{"type": "m.room.history_visibility", "state_key": "", "content": visible}]
        room = alice.create_room(preset="public_chat", initial_state=state)
        early = alice.send(room, f"{word} early")
        bob.join(room)
        late = alice.send(room, f"{word} late")
        found = ask(bob, word, order_by="recent", event_context={})
        expected = [late, early] if rule in ("shared", "world_readable") else [late]
        assert (ids(found), found["count"]) == (expected, len(expected)), rule
        assert ("early" in str(found)) == (early in expected), rule


def check_redacted_event_is_not_found(world: World) -> None:
    """A redacted event is not found."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    event_id = user.send(room, word)
    stays = user.send(room, f"{word} stays")
    assert len(ids(ask(user, word))) == 2
    user.put("/rooms/{}/redact/{}/{}", room, event_id, "r1", body={}).ok()
    found = ask(user, word)
    assert (ids(found), found["count"]) == ([stays], 1)
    assert event_id not in str(
        ask(user, "stays", event_context={"include_profile": True})["results"][0]["result"]
    )


def check_encrypted_room_is_not_searched(world: World) -> None:
    """A room is no longer searched once it is encrypted."""
    user, word = world.user(), word_of(world)
    room = user.create_room()
    user.send(room, word)
    user.set_state(room, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    assert ids(ask(user, word)) == []


def check_upgraded_room_is_searched(world: World) -> None:
    """What was said in a room before it was replaced is still found."""
    user, word = world.user(), word_of(world)
    old = user.create_room()
    event_id = user.send(old, word)
    content = {"body": "This room has been replaced", "replacement_room": user.create_room()}
    user.set_state(old, "m.room.tombstone", content)
    assert ids(ask(user, word)) == [event_id]


def check_term_is_no_query_language(world: World) -> None:
    """Operators of query languages are ordinary words or nothing at all."""
    alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
    alice.send(alice.create_room(), f"{word} and or near not")
    own = bob.create_room()
    mine = bob.send(own, f"{word} or")
    for term in (f'"{word}', f"{word} OR", f"-{word}", f"({word}", f"{word}*", f"{word}:*|x"):
        assert set(ids(ask(bob, term))) <= {mine}, term
    for term in (f"NOT {word}", f"{word}' | '!r1", f"marks:r1 {word}", f"{word} NEAR/2 or"):
        assert ids(ask(bob, term)) in ([], [mine]), term
    assert ids(ask(bob, f"{word} & and")) == []


def check_long_term_takes_no_time(world: World) -> None:
    """A search term of 60 000 characters is answered within seconds."""
    user = world.user()
    user.send(user.create_room(), "quince")
    for term in ("(" * 30_000 + "q", "q " * 30_000, "q" * 60_000, "é" * 30_000):
        began = time.monotonic()
        ask(user, term)
        assert time.monotonic() - began < 5, term[:10]


def check_search_without_words(world: World) -> None:
    """A search term without a word is refused."""
    user = world.user()
    for term in ("", " ", "!?"):
        refused(user, {"search_term": term}, "M_INVALID_PARAM")


def check_malformed_search(world: World) -> None:
    """A search has a term, and its parts have the right types."""
    user = world.user()
    user.post(SEARCH, body={}).refused(400, "M_MISSING_PARAM")
    refused(user, {}, "M_MISSING_PARAM")
    wrongs: list[Json] = [
        {"keys": ["content.formatted_body"]},
        {"keys": "content.body"},
        {"order_by": "age"},
        {"filter": []},
        {"filter": {"limit": "3"}},
        {"groupings": {"group_by": [{"key": "type"}]}},
        {"event_context": {"before_limit": -1}},
    ]
    for wrong in wrongs:
        refused(user, {"search_term": "quince"} | wrong, "M_BAD_JSON", "M_INVALID_PARAM")
    user.post(SEARCH, body=b"{").refused(400, "M_NOT_JSON")


def check_search_of_nothing(world: World) -> None:
    """A search in no category finds nothing and is no error."""
    assert world.user().post(SEARCH, body={"search_categories": {}}).ok() == {
        "search_categories": {}
    }


def check_search_token(world: World) -> None:
    """A token that no search gave out is refused."""
    user = world.user()
    body = {"search_categories": {"room_events": {"search_term": "quince"}}}
    for token in ("nonsense", "WyJhIl0=", "é"):
        user.post(SEARCH, body=body, next_batch=token).refused(400, "M_INVALID_PARAM")


def check_token_of_another_finds_nothing_more(world: World) -> None:
    """The token of another user's search shows nothing that one may not see."""
    alice, bob, word = world.user("alice"), world.user("bob"), word_of(world)
    room = alice.create_room()
    for number in range(3):
        alice.send(room, f"{word} {number}")
    wish: Json = {"filter": {"limit": 1}, "groupings": {"group_by": [{"key": "room_id"}]}}
    found = ask(alice, word, **wish)
    for token in (found["next_batch"], found["groups"]["room_id"][room]["next_batch"]):
        assert ask(bob, word, token, **wish)["results"] == []


def check_stranger_searches_nothing(world: World) -> None:
    """Without a token nothing is searched."""
    body = {"search_categories": {"room_events": {"search_term": "quince"}}}
    world.stranger.post(SEARCH, body=body).refused(401, "M_MISSING_TOKEN")


def check_search_on_the_old_path(world: World) -> None:
    """The path of version r0 searches too."""
    user, word = world.user(), word_of(world)
    event_id = user.send(user.create_room(), word)
    body = {"search_categories": {"room_events": {"search_term": word}}}
    answer = user.post("/_matrix/client/r0/search", body=body).ok()
    assert ids(answer["search_categories"]["room_events"]) == [event_id]
