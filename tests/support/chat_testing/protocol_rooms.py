"""A room made of real, signed events, in any room version."""

from dataclasses import dataclass, field
from typing import Any

from chat.protocol import auth_rules
from chat.protocol.event import Event, StateKey
from chat.protocol.event_builder import Draft, build
from chat.protocol.identifiers import EventId, RoomId, UserId
from chat.protocol.room_versions import RoomRules, rules_for
from chat.protocol.signatures import (
    SigningKey,
    decode_base64,
    encode_base64,
    generate_signing_key,
    reference_hash,
)

SEED = decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")  # appendices/#signing-key
ALICE, BOB, CHARLIE = "@alice:a", "@bob:b", "@charlie:c"


@dataclass
class Room:
    """A history under construction: `send` appends to it, `fork` begins a branch.

    Branches share `events`; each has its own state and last event.
    """

    rules: RoomRules
    key: SigningKey
    events: dict[EventId, Event] = field(default_factory=dict)
    state: dict[StateKey, EventId] = field(default_factory=dict)
    last: list[EventId] = field(default_factory=list)
    room_id: RoomId | None = None
    depth: int = 0

    def fork(self) -> "Room":
        return Room(
            self.rules,
            self.key,
            self.events,
            dict(self.state),
            list(self.last),
            self.room_id,
            self.depth,
        )

    def draft(self, event_type: str, sender: str, content: dict[str, Any], **more: Any) -> Draft:
        return Draft(self.room_id, UserId(sender), event_type, content, **more)

    def event(self, draft: Draft, ts: int | None = None, **more: Any) -> Event:
        """The event that this draft becomes at the end of this branch; it is not appended."""
        keys = auth_rules.auth_keys(
            draft.type, draft.sender, draft.state_key, draft.content, self.rules
        )
        auth = [self.state[key] for key in keys if key in self.state]
        fields: dict[str, Any] = {
            "prev_events": self.last,
            "auth_events": auth,
            "depth": self.depth + 1,
            "origin_server_ts": 1000 * (len(self.events) + 1) if ts is None else ts,
            **more,
        }
        cited = {*fields["prev_events"], *fields["auth_events"]}
        hashes = {
            one: encode_base64(reference_hash(self.events[one].pdu, self.rules))
            for one in cited
            if one in self.events
        }
        server = draft.sender.partition(":")[2]
        return build(
            draft, self.rules, server=server, key=self.key, reference_hashes=hashes, **fields
        )

    def append(self, event: Event) -> Event:
        self.events[event.event_id] = event
        if event.state_key is not None:
            self.state[event.key] = event.event_id
        self.room_id, self.last, self.depth = event.room_id, [event.event_id], event.depth
        return event

    def send(
        self,
        event_type: str,
        sender: str,
        content: dict[str, Any],
        state_key: str | None = None,
        ts: int | None = None,
    ) -> Event:
        return self.append(
            self.event(self.draft(event_type, sender, content, state_key=state_key), ts)
        )

    def with_member(self, user: str, membership: str = "join", sender: str = "") -> "Room":
        self.send("m.room.member", sender or user, {"membership": membership}, user)
        return self

    def with_levels(self, sender: str = ALICE, **content: Any) -> "Room":
        self.send("m.room.power_levels", sender, content, "")
        return self

    def with_join_rule(self, join_rule: str, **more: Any) -> "Room":
        self.send("m.room.join_rules", ALICE, {"join_rule": join_rule, **more}, "")
        return self

    def lookup(self, key: StateKey) -> Event | None:
        event_id = self.state.get(key)
        return None if event_id is None else self.events[event_id]

    def check(self, event: Event) -> None:
        auth_rules.check(event, self.lookup, self.rules)

    def check_draft(
        self,
        event_type: str,
        sender: str,
        content: dict[str, Any],
        state_key: str | None = None,
        **more: Any,
    ) -> None:
        draft = self.draft(event_type, sender, content, state_key=state_key, **more)
        self.check(self.event(draft))


def make_room(version: str, *, creators: list[str] | None = None, **create: Any) -> Room:
    """Alice's room, which she has joined, open to everybody; nobody has a level of their own."""
    rules = rules_for(version)
    room = Room(rules, generate_signing_key("1", SEED))
    content: dict[str, Any] = {"room_version": version, **create}
    if not rules.creator_is_sender:
        content["creator"] = ALICE
    if creators is not None:
        content["additional_creators"] = creators
    if not rules.hashed_room_id:
        room.room_id = RoomId("!room:a")
    room.send("m.room.create", ALICE, content, "")
    room.with_member(ALICE)
    return room.with_join_rule("public")
