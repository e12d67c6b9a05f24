"""Events that relate to others: edits, reactions, references, threads."""

from conformance.checks.state import shared_room
from conformance.client import Json, User, World

V1 = "/_matrix/client/v1"
RELATIONS = V1 + "/rooms/{}/relations/{}"
THREADS = V1 + "/rooms/{}/threads"
TEXT = "m.room.message"


def relate(rel_type: str, event_id: str, **more: object) -> Json:
    """The content of a message that relates to an event."""
    relation = {"rel_type": rel_type, "event_id": event_id}
    return {"msgtype": "m.text", "body": "* soup", "m.relates_to": relation} | more


def reply(user: User, room: str, root: str) -> str:
    """Write in the thread of a root; returns the event's ID."""
    return user.send_event(room, TEXT, relate("m.thread", root))


def edit(user: User, room: str, event_id: str, body: str, kind: str = TEXT) -> str:
    """Replace the text of a message; returns the event's ID."""
    new = {"m.new_content": {"msgtype": "m.text", "body": body}}
    return user.send_event(room, kind, relate("m.replace", event_id, **new))


def react(user: User, room: str, event_id: str, key: str) -> str:
    """Annotate an event; returns the event's ID."""
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
    return user.send_event(room, "m.reaction", {"m.relates_to": relation})


def ids(answer: Json) -> list[str]:
    """The IDs of a page's events."""
    return [event["event_id"] for event in answer["chunk"]]


def bundled(user: User, room: str, event_id: str) -> Json:
    """The aggregations of an event."""
    found: Json = user.event(room, event_id).get("unsigned", {}).get("m.relations", {})
    return found


def ignore(user: User, other: User) -> None:
    """Ignore another user."""
    body: Json = {"ignored_users": {other.user_id: {}}}
    path = "/user/{}/account_data/m.ignored_user_list"
    user.put(path, user.user_id, body=body).ok()


def check_related_events(world: World) -> None:
    """The events that relate to an event are listed, the newest first."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    answer, like = reply(bob, room, root), react(bob, room, root, "+")
    assert ids(alice.get(RELATIONS, room, root).ok()) == [like, answer]


def check_related_events_forwards(world: World) -> None:
    """With dir=f the oldest of them come first."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    answer, like = reply(bob, room, root), react(bob, room, root, "+")
    assert ids(alice.get(RELATIONS, room, root, dir="f").ok()) == [answer, like]


def check_related_events_of_a_kind(world: World) -> None:
    """They are narrowed by the kind of relation, and by the type of event."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    answer, like = reply(bob, room, root), react(bob, room, root, "+")
    note = bob.send_event(room, "org.example.note", relate("m.thread", root))
    assert ids(alice.get(RELATIONS + "/{}", room, root, "m.annotation").ok()) == [like]
    assert ids(alice.get(RELATIONS + "/{}", room, root, "m.thread").ok()) == [note, answer]
    assert ids(alice.get(RELATIONS + "/{}/{}", room, root, "m.thread", TEXT).ok()) == [answer]
    assert ids(alice.get(RELATIONS + "/{}/{}", room, root, "m.replace", TEXT).ok()) == []


def check_pages_of_related_events(world: World) -> None:
    """Page by page each related event comes once."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    sent = [reply(user, room, root) for _ in range(5)]
    for direction, wanted in (("b", sent[::-1]), ("f", sent)):
        seen: list[str] = []
        token = None
        for _ in range(3):
            wish = {"limit": 2, "dir": direction} | ({} if token is None else {"from_": token})
            answer = user.get(RELATIONS, room, root, **wish).ok()
            seen += ids(answer)
            token = answer.get("next_batch")
        assert (seen, token) == (wanted, None)


def check_related_events_between_tokens(world: World) -> None:
    """The tokens of sync and of other pages begin and end a list."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    early = reply(user, room, root)
    token = user.sync()["next_batch"]
    late = reply(user, room, root)
    assert ids(user.get(RELATIONS, room, root, from_=token).ok()) == [early]
    assert ids(user.get(RELATIONS, room, root, to=token).ok()) == [late]


def check_related_events_of_related_events(world: World) -> None:
    """With recurse, what relates to related events comes too, at least three levels deep."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    answer = reply(user, room, root)
    like = react(user, room, answer, "+")
    other = user.send_event(room, "m.ref", relate("m.reference", like))
    found = user.get(RELATIONS, room, root, recurse=True).ok()
    assert ids(found) == [other, like, answer]
    assert found["recursion_depth"] >= 3
    assert ids(user.get(RELATIONS, room, root, recurse=False).ok()) == [answer]


def check_filters_hold_for_all_levels(world: World) -> None:
    """What relates by another kind on the way ends the recursion there."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    answer = reply(user, room, root)
    react(user, room, answer, "+")
    found = user.get(RELATIONS + "/{}", room, root, "m.thread", recurse=True).ok()
    assert ids(found) == [answer]


def check_rich_replies_are_no_relations(world: World) -> None:
    """A reply without a kind of relation is not among the related events."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    content = {"body": "Yes", "m.relates_to": {"m.in_reply_to": {"event_id": root}}}
    user.send_event(room, TEXT, content)
    assert ids(user.get(RELATIONS, room, root).ok()) == []


def check_relations_of_unknown_events(world: World) -> None:
    """Nothing is listed for an event that is not in the room, nor from a token that is none."""
    user = world.user()
    room, other = user.create_room(), user.create_room()
    elsewhere, here = user.send(other, "There"), user.send(room, "Here")
    for more in ((), ("m.thread",), ("m.thread", TEXT)):
        path = RELATIONS + "/{}" * len(more)
        for event_id in (elsewhere, "$" + "x" * 43):
            user.get(path, room, event_id, *more).refused(404, "M_NOT_FOUND")
        for name in ("from_", "to"):
            answer = user.get(path, room, here, *more, **{name: "made-up"})
            answer.refused(400, "M_INVALID_PARAM")
        user.get(path, room, here, *more, dir="up").refused(400, "M_INVALID_PARAM")


def check_ignored_users_do_not_relate(world: World) -> None:
    """What ignored users sent is neither listed nor aggregated."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    mine, theirs = reply(alice, room, root), reply(bob, room, root)
    bob.send_event(room, "m.ref", relate("m.reference", root))
    ignore(alice, bob)
    assert ids(alice.get(RELATIONS, room, root).ok()) == [mine]
    thread = bundled(alice, room, root)["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, mine)
    assert "m.reference" not in bundled(alice, room, root)
    assert bundled(bob, room, root)["m.thread"]["latest_event"]["event_id"] == theirs


def check_redacted_relations(world: World) -> None:
    """A redacted event relates to nothing any more."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    first, second = edit(alice, room, root, "Stew?"), edit(alice, room, root, "Pie?")
    assert bundled(bob, room, root)["m.replace"]["event_id"] == second
    alice.put("/rooms/{}/redact/{}/{}", room, second, "t1", body={}).ok()
    assert bundled(bob, room, root)["m.replace"]["event_id"] == first
    assert ids(bob.get(RELATIONS, room, root).ok()) == [first]


# --- edits ---


def check_edit(world: World) -> None:
    """An edited message keeps its content, and carries its latest edit."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    edit(alice, room, root, "Stew?")
    latest = edit(alice, room, root, "Pie?")
    event = bob.event(room, root)
    assert event["content"]["body"] == "Soup?"
    shown = event["unsigned"]["m.relations"]["m.replace"]
    assert shown["event_id"] == latest
    assert shown["content"]["m.new_content"]["body"] == "Pie?"
    assert (shown["sender"], shown["type"]) == (alice.user_id, TEXT)


def check_unlawful_edits(world: World) -> None:
    """Edits by others, of another type, without new content or of an edit do not count."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    edit(bob, room, root, "Mine")
    edit(alice, room, root, "Other", "org.example.other")
    alice.send_event(room, TEXT, relate("m.replace", root))
    assert bundled(alice, room, root) == {}
    lawful = edit(alice, room, root, "Stew?")
    edit(alice, room, lawful, "Pie?")
    assert bundled(alice, room, root)["m.replace"]["event_id"] == lawful
    assert bundled(alice, room, lawful) == {}


def check_encrypted_edit(world: World) -> None:
    """An encrypted edit of an encrypted event counts, with its new content inside."""
    user = world.user()
    room = user.create_room()
    root = user.send_event(room, "m.room.encrypted", {"ciphertext": "a"})
    content = {"ciphertext": "b", "m.relates_to": {"rel_type": "m.replace", "event_id": root}}
    change = user.send_event(room, "m.room.encrypted", content)
    assert bundled(user, room, root)["m.replace"]["event_id"] == change


def check_edit_of_redacted_message(world: World) -> None:
    """A redacted message carries no edit."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    edit(alice, room, root, "Stew?")
    alice.put("/rooms/{}/redact/{}/{}", room, root, "t1", body={}).ok()
    assert bundled(bob, room, root) == {}


# --- reactions and references ---


def check_second_annotation(world: World) -> None:
    """The same annotation is refused, unless the first was redacted or is of another type."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    first = react(bob, room, root, "+")
    relation = {"rel_type": "m.annotation", "event_id": root, "key": "+"}
    path = ("/rooms/{}/send/{}/{}", room, "m.reaction", "again")
    answer = bob.put(*path, body={"m.relates_to": relation})
    answer.refused(400, "M_DUPLICATE_ANNOTATION")
    react(bob, room, root, "-")
    react(alice, room, root, "+")
    bob.send_event(room, "org.example.like", {"m.relates_to": relation})
    bob.put("/rooms/{}/redact/{}/{}", room, first, "t1", body={}).ok()
    bob.put(*path, body={"m.relates_to": relation}).ok()


def check_annotations_are_not_aggregated(world: World) -> None:
    """Annotations are not among the aggregations."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    react(bob, room, root, "+")
    assert bundled(alice, room, root) == {}


def check_references(world: World) -> None:
    """An event carries the IDs of those that refer to it, the oldest first."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    names = [bob.send_event(room, "m.ref", relate("m.reference", root)) for _ in range(2)]
    chunk = [{"event_id": name} for name in names]
    assert bundled(alice, room, root)["m.reference"] == {"chunk": chunk}


def check_state_events_carry_no_aggregations(world: World) -> None:
    """A state event carries no aggregations."""
    user = world.user()
    room = user.create_room()
    topic = user.set_state(room, "m.room.topic", {"topic": "Soup"})
    user.send_event(room, "m.ref", relate("m.reference", topic))
    assert bundled(user, room, topic) == {}


# --- threads ---


def check_thread(world: World) -> None:
    """The root of a thread tells how long it is, its latest reply, and whether one wrote in it."""
    alice, bob, room = shared_room(world)
    carol = world.user("carol")
    carol.join(room)
    root = alice.send(room, "Soup?")
    reply(bob, room, root)
    latest = reply(bob, room, root)
    for user, wrote in ((alice, True), (bob, True), (carol, False)):
        thread = bundled(user, room, root)["m.thread"]
        assert (thread["count"], thread["current_user_participated"]) == (2, wrote)
        assert thread["latest_event"]["event_id"] == latest


def check_edit_of_the_latest_reply(world: World) -> None:
    """The latest reply of a thread carries its own aggregations."""
    alice, bob, room = shared_room(world)
    root = alice.send(room, "Soup?")
    latest = reply(bob, room, root)
    change = edit(bob, room, latest, "Stew!")
    shown = bundled(alice, room, root)["m.thread"]["latest_event"]
    assert shown["unsigned"]["m.relations"]["m.replace"]["event_id"] == change


def check_thread_at_a_reply(world: World) -> None:
    """A thread does not begin at an event that relates to another."""
    user = world.user()
    room = user.create_room()
    root = user.send(room, "Soup?")
    answer = reply(user, room, root)
    path = ("/rooms/{}/send/{}/{}", room, TEXT, "nested")
    user.put(*path, body=relate("m.thread", answer)).refused(400, "M_UNKNOWN")


def check_aggregations_everywhere(world: World) -> None:
    """Pages, contexts, limited timelines and lists of threads carry the aggregations, too."""
    user = world.user()
    room = user.create_room()
    since = user.sync()["next_batch"]
    for number in range(3):
        user.send(room, f"Plate {number}")
    root = user.send(room, "Soup?")
    reply(user, room, root)
    context = user.get("/rooms/{}/context/{}", room, root).ok()
    wish = {"room": {"timeline": {"limit": 3}}}
    timeline = user.sync(since, filter=wish)["rooms"]["join"][room]["timeline"]
    assert timeline["limited"]
    pages = (user.history(room), [context["event"]], timeline["events"])
    for events in (*pages, user.get(THREADS, room).ok()["chunk"]):
        (event,) = [one for one in events if one["event_id"] == root]
        assert event["unsigned"]["m.relations"]["m.thread"]["count"] == 1


def check_list_of_threads(world: World) -> None:
    """The threads of a room come by their latest reply, those that one wrote in by themselves."""
    alice, bob, room = shared_room(world)
    roots = [alice.send(room, f"Plate {number}") for number in range(3)]
    for root in roots:
        reply(alice, room, root)
    reply(bob, room, roots[0])
    wanted = [roots[0], roots[2], roots[1]]
    assert ids(bob.get(THREADS, room).ok()) == wanted
    assert ids(bob.get(THREADS, room, include="participated").ok()) == [roots[0]]
    assert ids(alice.get(THREADS, room, include="participated").ok()) == wanted


def check_pages_of_threads(world: World) -> None:
    """Page by page each thread comes once."""
    user = world.user()
    room = user.create_room()
    roots = [user.send(room, f"Plate {number}") for number in range(3)]
    for root in roots:
        reply(user, room, root)
    seen: list[str] = []
    token = None
    for _ in range(2):
        wish = {"limit": 2} | ({} if token is None else {"from_": token})
        answer = user.get(THREADS, room, **wish).ok()
        seen += ids(answer)
        token = answer.get("next_batch")
    assert (seen, token) == (roots[::-1], None)


def check_threads_by_ignored_users(world: World) -> None:
    """A root by an ignored user is shown redacted; a thread of ignored users alone is not."""
    alice, bob, room = shared_room(world)
    theirs, mine = bob.send(room, "Soup?"), alice.send(room, "Stew?")
    reply(alice, room, theirs)
    reply(bob, room, mine)
    ignore(alice, bob)
    (shown,) = alice.get(THREADS, room).ok()["chunk"]
    assert (shown["event_id"], shown["content"]) == (theirs, {})


def check_threads_of_unknown_rooms(world: World) -> None:
    """Threads of an unknown room are not found, and a token that is none is refused."""
    user = world.user()
    user.get(THREADS, f"!nowhere:{world.server_name}").refused(404, "M_NOT_FOUND")
    room = user.create_room()
    user.get(THREADS, room, from_="made-up").refused(400, "M_INVALID_PARAM")
    user.get(THREADS, room, include="some").refused(400, "M_INVALID_PARAM")
