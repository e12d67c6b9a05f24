"""What sliding sync tells of rooms."""

from typing import Any

from chat.services import account_data, receipts
from chat.services.receipts import Marker
from chat.services.server import Server
from chat.storage.caches import Caches
from chat_testing.people import Person, ids, state_of
from chat_testing.sliding import EVERYTHING, Slider, a_list, a_room


def members(told: dict[str, Any]) -> set[str]:
    """Whose membership events are told."""
    state = told.get("required_state", [])
    return {one["state_key"] for one in state if one["type"] == "m.room.member"}


def test_the_first_answer_has_the_rooms_as_they_are(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    bob.joins(room)
    said = [alice.says(room, str(number)) for number in range(3)]
    answer = Slider(alice, lists={"all": a_list([0, 9], limit=2)}).slides()
    assert answer["lists"] == {"all": {"count": 1}}
    told = answer["rooms"][room]
    assert told["initial"] is True
    assert told["name"] == "Garden"
    assert (told["joined_count"], told["invited_count"]) == (2, 0)
    assert ids(told["timeline"]) == said[-2:]
    assert told["limited"] is True
    assert told["num_live"] == 0
    assert told["membership"] == "join"
    assert "heroes" not in told
    assert told["bump_stamp"] > 0
    assert members(told) == {alice.id}  # of the senders in the timeline


def test_later_answers_have_what_is_new(alice: Person, bob: Person) -> None:
    room, quiet = alice.creates(), alice.creates()
    bob.joins(room)
    slider = Slider(alice)
    assert slider.slides()["rooms"].keys() == {room, quiet}
    assert slider.slides()["rooms"] == {}
    said = bob.says(room, "hi")
    answer = slider.slides()
    assert answer["rooms"].keys() == {room}
    told = answer["rooms"][room]
    assert ids(told["timeline"]) == [said]
    assert told["num_live"] == 1
    assert "initial" not in told
    assert "limited" not in told
    assert slider.slides()["rooms"] == {}


def test_state_comes_as_it_is_now_where_it_changed(alice: Person) -> None:
    room = alice.creates(name="Before")
    slider = Slider(alice, lists={"all": a_list(limit=1)})
    slider.slides()
    alice.sets(room, "m.room.topic", topic="first")
    topic = alice.sets(room, "m.room.topic", topic="second")
    name = alice.sets(room, "m.room.name", name="After")
    alice.says(room, "hi")
    told = slider.sees(room)
    assert state_of(told["required_state"]) == {
        ("m.room.topic", ""): topic,
        ("m.room.name", ""): name,
        ("m.room.member", alice.id): told["required_state"][-1]["event_id"],
    }
    assert told["name"] == "After"
    assert told["limited"] is True


def test_a_removed_name_is_null(alice: Person) -> None:
    room = alice.creates(name="Garden")
    slider = Slider(alice)
    slider.slides()
    alice.sets(room, "m.room.name", name="")
    assert slider.sees(room)["name"] is None


def test_only_state_that_was_asked_for_is_told(alice: Person) -> None:
    room = alice.creates(name="Garden")
    state = [["m.room.create", ""], ["m.room.member", "$ME"], ["m.room.join_rules", "*"]]
    told = Slider(alice, lists={"all": a_list(state=state)}).sees(room)
    assert state_of(told["required_state"]).keys() == {
        ("m.room.create", ""),
        ("m.room.member", alice.id),
        ("m.room.join_rules", ""),
    }


def test_an_asterisk_stands_for_types_and_keys(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.sets(room, "org.example.thing", "one")
    alice.sets(room, "org.example.thing", "two")
    every = Slider(alice, "a", lists={"all": a_list(state=EVERYTHING)}).sees(room)
    assert members(every) == {alice.id, bob.id}
    keyed = Slider(alice, "b", lists={"all": a_list(state=[["*", "one"]])}).sees(room)
    assert state_of(keyed["required_state"]).keys() == {("org.example.thing", "one")}
    typed = Slider(alice, "c", lists={"all": a_list(state=[["org.example.thing", "*"]])})
    assert len(typed.sees(room)["required_state"]) == 2


def test_everything_with_lazy_members_leaves_out_the_others(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    alice.says(room, "hi")
    state = [*EVERYTHING, ["m.room.member", "$LAZY"]]
    told = Slider(alice, lists={"all": a_list(limit=1, state=state)}).sees(room)
    assert members(told) == {alice.id}
    assert ("m.room.create", "") in state_of(told["required_state"])


def test_lazy_members_come_once(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    slider = Slider(alice, lists={"all": a_list(limit=1)})
    assert members(slider.sees(room)) == {bob.id}
    alice.says(room, "one")
    assert members(slider.sees(room)) == {alice.id}
    alice.says(room, "two")
    assert members(slider.sees(room)) == set()


def test_a_worker_that_does_not_know_tells_members_again(alice: Person) -> None:
    room = alice.creates()
    slider = Slider(alice, lists={"all": a_list(limit=1)})
    slider.slides()
    forget(alice.server)
    alice.says(room, "one")
    assert members(slider.sees(room)) == {alice.id}


def forget(server: Server) -> None:
    """What another worker would not know."""
    fresh = type(server.sync)(Caches())
    for name in vars(fresh):
        setattr(server.sync, name, getattr(fresh, name))


def test_a_change_of_a_member_is_told_without_a_gap(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    slider = Slider(alice)
    slider.slides()
    bob.sets(room, "m.room.member", bob.id, membership="join", displayname="Bobby")
    told = slider.sees(room)
    assert members(told) == {bob.id}
    assert told["required_state"][0]["content"]["displayname"] == "Bobby"


# --- ranges ---


def test_ranges_show_the_rooms_with_the_newest_events(alice: Person) -> None:
    rooms = [alice.creates() for _ in range(4)]
    slider = Slider(alice, lists={"all": a_list([0, 1])})
    answer = slider.slides()
    assert answer["lists"]["all"]["count"] == 4
    assert answer["rooms"].keys() == set(rooms[2:])
    slider.lists = {"all": a_list([0, 9])}
    assert slider.slides()["rooms"].keys() == set(rooms[:2])
    assert slider.slides()["rooms"] == {}


def test_a_room_that_was_out_of_sight_comes_with_what_was_missed(alice: Person) -> None:
    first, second = alice.creates(), alice.creates()
    slider = Slider(alice, lists={"all": a_list([0, 1])})
    slider.slides()
    slider.lists = {"all": a_list([0, 0])}
    slider.slides()
    missed = alice.says(first, "missed")
    alice.says(second, "now the first is not shown")
    assert slider.slides()["rooms"].keys() == {second}
    slider.lists = {"all": a_list([0, 1])}
    told = slider.sees(first)
    assert ids(told["timeline"]) == [missed]
    assert "initial" not in told


def test_what_was_missed_for_long_comes_with_a_gap(alice: Person) -> None:
    room, other = alice.creates(), alice.creates()
    slider = Slider(alice, lists={"all": a_list([0, 1], limit=1)})
    slider.slides()
    slider.lists = {"all": a_list([0, 0], limit=1)}
    alice.sets(room, "m.room.topic", topic="missed")
    said = [alice.says(room, str(number)) for number in range(3)]
    alice.says(other, "hi")
    slider.slides()
    slider.lists = {"all": a_list([0, 1], limit=1)}
    told = slider.sees(room)
    assert ids(told["timeline"]) == said[-1:]
    assert told["limited"] is True
    assert ("m.room.topic", "") in state_of(told["required_state"])


# --- subscriptions ---


def test_a_subscription_tells_of_a_room_that_no_list_has(alice: Person) -> None:
    room, _ = alice.creates(), alice.creates()
    slider = Slider(alice, lists={"all": a_list([0, 0])}, rooms={room: a_room()})
    assert room in slider.slides()["rooms"]


def test_a_larger_limit_tells_older_events_again(alice: Person) -> None:
    room = alice.creates()
    said = [alice.says(room, str(number)) for number in range(5)]
    slider = Slider(alice, lists={"all": a_list(limit=1)})
    assert ids(slider.sees(room)["timeline"]) == said[-1:]
    slider.rooms = {room: a_room(limit=3)}
    told = slider.sees(room)
    assert told["unstable_expanded_timeline"] is True
    assert ids(told["timeline"]) == said[-3:]
    assert told["num_live"] == 0
    assert "initial" not in told
    assert slider.slides()["rooms"] == {}
    slider.rooms = {}
    assert slider.slides()["rooms"] == {}
    slider.rooms = {room: a_room(limit=3)}
    assert slider.slides()["rooms"] == {}  # it has them


def test_more_state_is_told_at_once(alice: Person) -> None:
    room = alice.creates(name="Garden")
    slider = Slider(alice, lists={"all": a_list(state=[["m.room.name", ""]])})
    slider.slides()
    slider.rooms = {room: a_room(state=[["m.room.create", ""]])}
    told = slider.sees(room)
    assert ("m.room.create", "") in state_of(told["required_state"])
    assert "timeline" not in told
    assert slider.slides()["rooms"] == {}


def test_rooms_of_others_are_not_there(alice: Person, bob: Person) -> None:
    room = alice.creates()
    slider = Slider(bob, rooms={room: a_room(), "!nowhere:a.example": a_room()})
    assert slider.slides()["rooms"] == {}


# --- coming and going ---


def test_an_invite_comes_with_stripped_state(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat", name="Garden")
    slider = Slider(bob)
    slider.slides()
    alice.invites(room, bob)
    told = slider.sees(room)
    assert told["membership"] == "invite"
    kinds = {one["type"] for one in told["invite_state"]}
    assert {"m.room.create", "m.room.name", "m.room.member"} <= kinds
    assert "timeline" not in told
    assert slider.slides()["rooms"] == {}
    bob.joins(room)
    joined = slider.sees(room)
    assert joined["initial"] is True
    assert joined["membership"] == "join"


def test_a_knock_comes_with_stripped_state(alice: Person, bob: Person) -> None:
    state = {"m.room.join_rules": {"join_rule": "knock"}}
    room = alice.creates("private_chat", state=state)
    slider = Slider(bob)
    slider.slides()
    bob.knocks(room)
    told = slider.sees(room)
    assert told["membership"] == "knock"
    assert told["invite_state"]


def test_who_leaves_is_told_so_once(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    mine = [["m.room.member", "$ME"]]
    slider = Slider(bob, lists={"all": a_list(state=mine)})
    slider.slides()
    bob.leaves(room)
    alice.says(room, "after")
    told = slider.sees(room)
    assert told["membership"] == "leave"
    assert [one["content"]["membership"] for one in told["required_state"]] == ["leave"]
    assert told["timeline"][-1]["state_key"] == bob.id
    assert slider.slides()["rooms"] == {}
    assert room not in Slider(bob, "new").slides()["rooms"]


def test_who_was_removed_finds_out_even_at_first(alice: Person, bob: Person) -> None:
    room = alice.creates(name="Garden")
    bob.joins(room)
    alice.bans(room, bob)
    alice.sets(room, "m.room.name", name="Secret")
    alice.says(room, "secret")
    told = Slider(bob, lists={"all": a_list(state=EVERYTHING)}).sees(room)
    assert told["membership"] == "ban"
    assert told["name"] == "Garden"
    assert "ecret" not in str(told)
    assert "joined_count" not in told


def test_who_was_banned_without_ever_having_been_there_does_not_see_it(
    alice: Person, bob: Person
) -> None:
    room = alice.creates()
    alice.bans(room, bob)
    assert Slider(bob, rooms={room: a_room()}).slides()["rooms"] == {}


def test_a_declined_invite_is_told(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat")
    slider = Slider(bob, lists={"all": a_list(state=[["m.room.member", "$ME"]])})
    alice.invites(room, bob)
    slider.slides()
    bob.leaves(room)
    told = slider.sees(room)
    assert told["membership"] == "leave"
    assert [one["content"]["membership"] for one in told["required_state"]] == ["leave"]


def test_who_comes_back_gets_the_room_anew(alice: Person, bob: Person) -> None:
    state = {"m.room.history_visibility": {"history_visibility": "joined"}}
    room = alice.creates(state=state)
    bob.joins(room)
    slider = Slider(bob)
    slider.slides()
    bob.leaves(room)
    alice.says(room, "hidden")
    bob.joins(room)
    told = slider.sees(room)
    assert told["initial"] is True
    assert "hidden" not in str(told)


def test_an_ignored_inviter_is_not_heard(alice: Person, bob: Person) -> None:
    ignored = {"ignored_users": {alice.id: {}}}
    account_data.put(bob.server, bob.id, None, "m.ignored_user_list", ignored)
    alice.invites(alice.creates("private_chat"), bob)
    assert Slider(bob).slides()["rooms"] == {}


# --- names ---


def test_a_room_without_a_name_has_heroes(alice: Person, bob: Person) -> None:
    room = alice.creates("private_chat")
    alice.invites(room, bob)
    bob.joins(room)
    bob.sets(room, "m.room.member", bob.id, membership="join", displayname="Bobby")
    told = Slider(alice).sees(room)
    assert "name" not in told
    assert told["heroes"] == [{"user_id": bob.id, "displayname": "Bobby"}]


def test_direct_chats_are_marked(alice: Person, bob: Person) -> None:
    room = alice.creates()
    slider = Slider(alice)
    assert "is_dm" not in slider.sees(room)
    account_data.put(alice.server, alice.id, None, "m.direct", {bob.id: [room]})
    assert slider.sees(room)["is_dm"] is True
    account_data.put(alice.server, alice.id, None, "m.direct", {})
    assert slider.sees(room)["is_dm"] is False


def test_the_stamp_grows_when_somebody_speaks_and_not_else(alice: Person, bob: Person) -> None:
    room = alice.creates()
    slider = Slider(alice)
    first = slider.sees(room)["bump_stamp"]
    bob.joins(room)
    assert slider.sees(room).get("bump_stamp", first) == first
    bob.says(room, "hi")
    assert slider.sees(room)["bump_stamp"] > first


def test_unread_notifications_are_counted_until_they_are_read(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    slider = Slider(alice)
    assert slider.sees(room)["notification_count"] == 0
    said = [bob.says(room, text) for text in ("hi", "hello @alice:a.example")][-1]
    assert slider.sees(room)["notification_count"] == 2
    receipts.put(alice.server, alice.caller, room, [Marker("m.read", said)])
    told = slider.sees(room)
    assert (told["notification_count"], told["highlight_count"]) == (0, 0)
    assert "timeline" not in told
    assert slider.slides()["rooms"] == {}


def test_what_others_read_is_no_news_of_a_room(alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    slider = Slider(alice)
    slider.slides()
    receipts.put(bob.server, bob.caller, room, [Marker("m.read", said)])
    assert slider.slides()["rooms"] == {}
