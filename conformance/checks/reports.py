"""Reports of bad content."""

from conformance.client import World

REASON = {"reason": "It insults people"}


def check_report_of_an_event(world: World) -> None:
    """A member reports an event, with a reason or without."""
    owner, user = world.user(), world.user()
    room = owner.create_room(preset="public_chat")
    event_id = owner.send(room, "Insults")
    user.join(room)
    for body in (REASON, {}, {"reason": ""}):
        user.post("/rooms/{}/report/{}", room, event_id, body=body).ok()


def check_report_of_an_event_from_outside(world: World) -> None:
    """Who is not in the room cannot report its events, and learns nothing of them."""
    owner, stranger = world.user(), world.user()
    room = owner.create_room(preset="public_chat")
    event_id = owner.send(room, "Insults")
    for name in (event_id, "$nothing"):
        answer = stranger.post("/rooms/{}/report/{}", room, name, body=REASON)
        answer.refused(404, "M_NOT_FOUND")


def check_report_of_a_room(world: World) -> None:
    """A room is reported by whoever has seen its name, and only where there is one."""
    owner, stranger = world.user(), world.user()
    room = owner.create_room()
    stranger.post("/rooms/{}/report", room, body=REASON).ok()
    unknown = f"!{world.name()}:{world.server_name}"
    stranger.post("/rooms/{}/report", unknown, body=REASON).refused(404, "M_NOT_FOUND")


def check_report_of_a_user(world: World) -> None:
    """A user is reported by anybody, and only where there is one."""
    user, other = world.user(), world.user()
    user.post("/users/{}/report", other.user_id, body=REASON).ok()
    unknown = f"@{world.name()}:{world.server_name}"
    user.post("/users/{}/report", unknown, body=REASON).refused(404, "M_NOT_FOUND")


def check_reason_of_a_report(world: World) -> None:
    """The reason of a report is text of bounded length."""
    user, other = world.user(), world.user()
    path = "/users/{}/report"
    user.post(path, other.user_id, body={"reason": 7}).refused(400, "M_BAD_JSON")
    long = {"reason": "x" * 40_000}
    user.post(path, other.user_id, body=long).refused(400, "M_BAD_JSON")
    user.post(path, other.user_id, body={"reason": "x" * 32_768}).ok()
