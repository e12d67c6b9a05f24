"""What one user knows, built only from what the server tells: by classic or by sliding sync.

Each `sync` merges an answer and then insists that the replica is what the truth says: every event
that the user may see, once and in order, none else; and the right state at the start of every
timeline.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chat_testing.model.api import Api, path
from chat_testing.model.truth import Item, Json, Key, Room, Truth, is_outside

SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
PAGES = 200
NOTICES_S = 2.0
ACCOUNT_DATA = "org.example.model"


@dataclass
class RoomReplica:
    """What is known of one room."""

    events: list[Json] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    state: dict[Key, Json] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    private_receipt: str = ""
    typing: set[str] = field(default_factory=set)
    account_data: Json = field(default_factory=dict)
    unread: int = 0

    def take_receipts(self, content: Json, own: str) -> None:
        """Merge the content of an m.receipt event."""
        for event_id, by_type in content.items():
            for user in by_type.get("m.read", {}):
                self.receipts[user] = event_id
            if own in by_type.get("m.read.private", {}):
                self.private_receipt = event_id

    def append(self, events: Iterable[Json]) -> None:
        """Newer events, which may redact those before."""
        for event in events:
            self.ids.add(event["event_id"])
            self.events.append(event)
            if event["type"] == "m.room.redaction":
                self._redact(event["content"].get("redacts") or event["redacts"])

    def _redact(self, target: str) -> None:
        for event in self.events:
            if event["event_id"] == target:
                event["content"] = {}


class Replica(ABC):
    """One user's knowledge."""

    def __init__(self, api: Api, truth: Truth, user: str, token: str) -> None:
        self.api = api
        self.truth = truth
        self.user = user
        self.token = token
        self.position = ""
        self.rooms: dict[str, RoomReplica] = {}
        self.account_data: Json = {}

    def sync(self, limit: int) -> None:
        """Ask once, with a timeline limit, and check what comes of it.

        That somebody no longer types because of something else may follow a little later.
        """
        self.ask(limit)
        deadline = time.monotonic() + NOTICES_S
        while wrong := self._wrong_typists():
            assert time.monotonic() < deadline, f"{self.user}: {wrong}"
            time.sleep(0.02)
            self.ask(limit)

    @abstractmethod
    def ask(self, limit: int) -> None:
        """Ask once and check what comes of it, but for who types."""

    def _wrong_typists(self) -> list[tuple[set[str], set[str]]]:
        pairs = [
            (self.known(room.room_id).typing, room.typing)
            for room in self.truth.rooms_of(self.user, "join")
        ]
        return [pair for pair in pairs if pair[0] != pair[1]]

    def known(self, room_id: str) -> RoomReplica:
        """What is known of a room."""
        return self.rooms.setdefault(room_id, RoomReplica())

    def merge_timeline(self, room_id: str, timeline: Json, *, may_repeat: bool) -> list[Json]:
        """Merge a timeline, and what lies in a gap before it; what was new of it."""
        replica = self.known(room_id)
        events: list[Json] = timeline.get("events", [])
        repeated = [event for event in events if event["event_id"] in replica.ids]
        assert may_repeat or not repeated, f"{self.user} is shown again: {repeated}"
        fresh = [event for event in events if event["event_id"] not in replica.ids]
        if timeline.get("limited") and not repeated:
            replica.append(self._gap(room_id, timeline["prev_batch"], replica))
        replica.append(fresh)
        return fresh

    def check_edits(self, room: Room, events: Sequence[Json], *, limited: bool) -> None:
        """Messages come with their newest edits; in limited timelines that is sure."""
        for event in events:
            told = event.get("unsigned", {}).get("m.relations", {}).get("m.replace")
            edit = room.newest_edit(self.user, event["event_id"])
            if told is not None or (limited and edit is not None):
                assert edit is not None, f"{self.user}: no edit {told}"
                assert told is not None, f"{self.user}: {edit} is not told with {event}"
                assert told["event_id"] == edit.event_id, f"{self.user}: {edit}, not {told}"

    def _gap(self, room_id: str, prev_batch: str, replica: RoomReplica) -> list[Json]:
        """The events between what is known and a token, oldest first."""
        found: list[Json] = []
        token: str | None = prev_batch
        for _ in range(PAGES):
            target = path("rooms", room_id, "messages", **{"dir": "b", "limit": 4, "from": token})
            page = self.api.ok("GET", target, self.token)
            for event in page["chunk"]:
                if event["event_id"] in replica.ids:
                    return found[::-1]
                found.append(event)
            token = page.get("end")
            if token is None:
                return found[::-1]
        raise AssertionError("paging back does not end")

    def check_timeline(self, room: Room) -> None:
        """The events known are those visible, in order."""
        expected = room.visible(self.user)
        outside = [item for item in room.items if is_outside(self.user, item)]
        events = [
            event
            for event in self.known(room.room_id).events
            if not any(item.is_shown_as(event, pruned=False) for item in outside)
        ]
        assert len(events) == len(expected), (
            f"{self.user} knows {len(events)} events of {len(expected)}:\n"
            + _beside(expected, events)
        )
        for item, event in zip(expected, events, strict=True):
            pruned = item.redacted_by is not None and item.redacted_by in expected
            fits = item.is_shown_as(event, pruned=pruned)
            if not fits and item.redacted_by is not None:
                fits = item.is_shown_as(event, pruned=True)  # fetched after the redaction
            assert fits, f"{self.user} expects {item}, knows {event}\n" + _beside(expected, events)

    def check_state(self, room: Room) -> None:
        """The state known is the current one."""
        check_state(self.user, room.state.values(), self.known(room.room_id).state)

    def receipts_due(self, room: Room) -> Mapping[str, str]:
        """The public receipts that must be known."""
        return room.receipts

    def check_company(self, room: Room) -> None:
        """Receipts and account data are as they should be."""
        known = self.known(room.room_id)
        due = self.receipts_due(room)
        assert known.receipts == due, f"{self.user}: {known.receipts} {due}"
        assert known.private_receipt == room.private_receipts.get(self.user, "")
        assert known.account_data == room.account_data.get(self.user, {})
        if room.all_is_read(self.user):
            assert known.unread == 0, f"{self.user}: {known.unread} unread of none"


def check_state(user: str, expected: Iterable[Item], known: dict[Key, Json]) -> None:
    """A state from the server is the expected one."""
    wanted = {(item.type, item.state_key or ""): item for item in expected}
    assert wanted.keys() == known.keys(), f"{user}: {wanted.keys() ^ known.keys()}"
    for key, item in wanted.items():
        assert item.is_shown_as(known[key], pruned=False), f"{user} expects {item}: {known[key]}"


def take_state(state: dict[Key, Json], events: Iterable[Json]) -> None:
    """Merge state events."""
    for event in events:
        if "state_key" in event:
            state[event["type"], event["state_key"]] = event


class ClassicReplica(Replica):
    """From GET /sync."""

    def __init__(self, api: Api, truth: Truth, user: str, token: str) -> None:
        super().__init__(api, truth, user, token)
        self.invited: set[str] = set()
        self._left_before: set[str] = set()  # rooms that an initial sync need not show

    def ask(self, limit: int) -> None:
        query: dict[str, Any] = {
            "timeout": 0,
            "filter": json.dumps({"room": {"timeline": {"limit": limit}}}),
        }
        if self.position:
            query["since"] = self.position
        else:
            self._left_before = self._left()
        answer = self.api.ok("GET", path("sync", **query), self.token)
        self.position = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for room_id, shown in rooms.get("join", {}).items():
            self._take_joined(room_id, shown)
        for room_id, shown in rooms.get("leave", {}).items():
            self._take_left(room_id, shown)
        self._take_invites(rooms)
        for event in _events(answer, "account_data"):
            if event["type"] == ACCOUNT_DATA:
                self.account_data = event["content"]
        self._check()

    def _left(self) -> set[str]:
        memberships = ("leave", "ban")
        return {room.room_id for m in memberships for room in self.truth.rooms_of(self.user, m)}

    def _take_invites(self, rooms: Json) -> None:
        self.invited |= rooms.get("invite", {}).keys()
        self.invited -= rooms.get("join", {}).keys() | rooms.get("leave", {}).keys()
        for shown in rooms.get("invite", {}).values():
            own = [e for e in shown["invite_state"]["events"] if e.get("state_key") == self.user]
            assert [event["content"]["membership"] for event in own] == ["invite"]

    def _take_joined(self, room_id: str, shown: Json) -> None:
        replica, room = self.known(room_id), self.truth.rooms[room_id]
        self._left_before.discard(room_id)
        take_state(replica.state, _events(shown, "state"))
        self._check_start(room, _events(shown, "timeline"), replica.state)
        take_state(replica.state, _events(shown, "timeline"))
        limited = shown.get("timeline", {}).get("limited", False)
        self.check_edits(room, _events(shown, "timeline"), limited=limited)
        self.merge_timeline(room_id, shown.get("timeline", {}), may_repeat=False)
        for event in _events(shown, "ephemeral"):
            if event["type"] == "m.receipt":
                replica.take_receipts(event["content"], self.user)
            elif event["type"] == "m.typing":
                replica.typing = set(event["content"]["user_ids"])
        counts = shown.get("unread_notifications", {})
        replica.unread = counts.get("notification_count", replica.unread)
        for event in _events(shown, "account_data"):
            if event["type"] == ACCOUNT_DATA:
                replica.account_data = event["content"]

    def _check_start(self, room: Room, events: Sequence[Json], state: dict[Key, Json]) -> None:
        """`state` is that before the first of the events."""
        place = len(room.items)
        for event in reversed(events):
            place = _place_before(room, place, event)
        if events:
            check_state(self.user, room.items[place].before.values(), state)

    def _take_left(self, room_id: str, shown: Json) -> None:
        replica = self.known(room_id)
        if replica.events or self.truth.rooms[room_id].visible(self.user):
            self.merge_timeline(room_id, shown.get("timeline", {}), may_repeat=False)
            take_state(replica.state, _events(shown, "state"))
            take_state(replica.state, _events(shown, "timeline"))
        replica.typing.clear()

    def _check(self) -> None:
        for room in self.truth.rooms_of(self.user, "join"):
            self.check_timeline(room)
            self.check_state(room)
            self.check_company(room)
        for room_id in self._left() - self._left_before:
            self.check_timeline(self.truth.rooms[room_id])
        invited = {room.room_id for room in self.truth.rooms_of(self.user, "invite")}
        assert self.invited == invited, f"{self.user}: {self.invited} {invited}"
        assert self.account_data == self.truth.account_data.get(self.user, {})


class SlidingReplica(Replica):
    """From simplified sliding sync (MSC4186).

    Of the receipts that were there before a room was first shown, only those for events of the
    shown timeline need be told.
    """

    def __init__(self, api: Api, truth: Truth, user: str, token: str) -> None:
        super().__init__(api, truth, user, token)
        self._receipts_before: dict[str, dict[str, str]] = {}

    def receipts_due(self, room: Room) -> Mapping[str, str]:
        known = self.known(room.room_id).receipts
        before = self._receipts_before[room.room_id]
        return {
            user: event_id
            for user, event_id in room.receipts.items()
            if user in known or before.get(user) != event_id
        }

    def ask(self, limit: int) -> None:
        wanted = {"timeline_limit": limit, "required_state": [["*", "*"]]}
        body = {
            "conn_id": "model",
            "lists": {"all": {"ranges": [[0, 99]], **wanted}},
            "extensions": {
                name: {"enabled": True} for name in ("receipts", "typing", "account_data")
            },
        }
        query = f"?timeout=0&pos={self.position}" if self.position else "?timeout=0"
        answer = self.api.ok("POST", SLIDING + query, self.token, body)
        self.position = answer["pos"]
        for room_id, shown in answer.get("rooms", {}).items():
            self._take_room(room_id, shown)
        self._take_extensions(answer.get("extensions", {}))
        for room in self.truth.rooms_of(self.user, "join"):
            self.check_timeline(room)
            self.check_state(room)
            self.check_company(room)
        assert self.account_data == self.truth.account_data.get(self.user, {})

    def _take_room(self, room_id: str, shown: Json) -> None:
        if self.truth.rooms[room_id].membership(self.user) not in ("join", "leave", "ban"):
            assert "timeline" not in shown or not shown["timeline"]
            return
        replica = self.known(room_id)
        if shown.get("initial"):
            replica.state.clear()
            self._receipts_before[room_id] = dict(self.truth.rooms[room_id].receipts)
        take_state(replica.state, shown.get("required_state", []))
        replica.unread = shown.get("notification_count", replica.unread)
        limited, room = shown.get("limited", False), self.truth.rooms[room_id]
        self.check_edits(room, shown.get("timeline", []), limited=limited)
        timeline = {
            "events": shown.get("timeline", []),
            "limited": shown.get("limited", False) or shown.get("initial", False),
            "prev_batch": shown.get("prev_batch"),
        }
        if timeline["events"]:
            may_repeat = bool(shown.get("initial") or shown.get("unstable_expanded_timeline"))
            self.merge_timeline(room_id, timeline, may_repeat=may_repeat)

    def _take_extensions(self, extensions: Json) -> None:
        for room_id, event in extensions.get("receipts", {}).get("rooms", {}).items():
            self.known(room_id).take_receipts(event["content"], self.user)
        for room_id, event in extensions.get("typing", {}).get("rooms", {}).items():
            self.known(room_id).typing = set(event["content"]["user_ids"])
        account_data = extensions.get("account_data", {})
        for event in account_data.get("global", []):
            if event["type"] == ACCOUNT_DATA:
                self.account_data = event["content"]
        for room_id, events in account_data.get("rooms", {}).items():
            for event in events:
                if event["type"] == ACCOUNT_DATA:
                    self.known(room_id).account_data = event["content"]


def _place_before(room: Room, place: int, event: Json) -> int:
    """Where an event from the server happened: the last such place before another."""
    for earlier in reversed(range(place)):
        item = room.items[earlier]
        if item.is_shown_as(event, pruned=False) or (
            item.redacted_by is not None and item.is_shown_as(event, pruned=True)
        ):
            return earlier
    raise AssertionError(f"this never happened: {event}")


def _events(shown: Json, part: str) -> list[Json]:
    found: list[Json] = shown.get(part, {}).get("events", [])
    return found


def _beside(expected: Sequence[Item], events: Sequence[Json]) -> str:
    lines = [f"  expected {item}" for item in expected]
    lines += [f"  known    {e['type']} {e.get('state_key')} {e['content']}" for e in events]
    return "\n".join(lines)
