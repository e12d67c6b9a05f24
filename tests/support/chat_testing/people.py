"""People who use a server of the test's own process through its services."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chat.services.caller import Caller
from chat.services.rooms import create, membership, send
from chat.services.rooms import state as room_state
from chat.services.server import Server
from chat.services.sync import query, request
from chat.services.sync.answer import Answer
from chat.storage import devices, users
from chat.storage.users import User

_numbers = count(1)


@dataclass
class Person:
    """A user with one device, who syncs from where they stopped."""

    server: Server
    caller: Caller
    token: str | None = None
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The user ID."""
        return self.caller.user_id

    # --- rooms ---

    def creates(self, preset: str = "public_chat", **wish: Any) -> str:
        """A new room's ID."""
        state = [((kind, ""), content) for kind, content in wish.pop("state", {}).items()]
        asked = create.Wish(preset=preset, initial_state=state, **wish)
        return create.create_room(self.server, self.caller, asked)

    def says(self, room_id: str, text: str, kind: str = "m.room.message") -> str:
        """The ID of a new message."""
        return self.sends(room_id, kind, {"msgtype": "m.text", "body": text})

    def sends(self, room_id: str, kind: str, content: dict[str, Any]) -> str:
        """The ID of a new event, whose transaction ID is `txn<number>`."""
        name = f"txn{next(_numbers)}"
        txn = send.txn(self.caller, f"/send/{name}", name)
        return send.send_event(self.server, self.caller, room_id, kind, content, txn).event_id

    def redacts(self, room_id: str, event_id: str) -> str:
        """The ID of a redaction."""
        name = f"txn{next(_numbers)}"
        txn = send.txn(self.caller, f"/redact/{name}", name)
        return send.redact(self.server, self.caller, room_id, event_id, None, txn).event_id

    def sets(self, room_id: str, kind: str, state_key: str = "", **content: Any) -> str:
        """The ID of a new state event."""
        changed = room_state.put(self.server, self.caller, room_id, kind, state_key, content)
        return changed.event_id

    def joins(self, room_id: str) -> None:
        """Join a room."""
        membership.join(self.server, self.caller, room_id)

    def leaves(self, room_id: str) -> None:
        """Leave a room."""
        membership.leave(self.server, self.caller, room_id)

    def knocks(self, room_id: str) -> None:
        """Knock on a room."""
        membership.knock(self.server, self.caller, room_id)

    def invites(self, room_id: str, other: "Person") -> None:
        """Invite somebody."""
        membership.invite(self.server, self.caller, room_id, other.id)

    def kicks(self, room_id: str, other: "Person") -> None:
        """Remove somebody."""
        membership.kick(self.server, self.caller, room_id, other.id)

    def bans(self, room_id: str, other: "Person") -> None:
        """Ban somebody."""
        membership.ban(self.server, self.caller, room_id, other.id)

    def unbans(self, room_id: str, other: "Person") -> None:
        """Lift a ban."""
        membership.unban(self.server, self.caller, room_id, other.id)

    # --- sync ---

    def query(self, filter: Any = None, since: str | None = None, **how: Any) -> query.Query:  # noqa: A002
        """What the person's client asks; `filter` is a definition or a stored filter's ID."""
        text = json.dumps(filter) if isinstance(filter, dict) else filter
        return query.Query(
            self.caller,
            query.parse_token(since),
            query.filter_of(self.server, self.caller, text),
            **how,
        )

    def asks(self, filter: Any = None, since: str | None = None, **how: Any) -> dict[str, Any]:  # noqa: A002
        """The answer to a sync since a token, as a client sees it; the own token stays."""
        answer = request.sync(self.server, self.query(filter, since, **how))
        return shown(answer)

    def syncs(self, filter: Any = None, **how: Any) -> dict[str, Any]:  # noqa: A002
        """The answer to a sync from where the last one stopped."""
        answer = self.asks(filter, self.token, **how)
        self.token = answer["next_batch"]
        self.answers.append(answer)
        return answer


def shown(answer: Answer) -> dict[str, Any]:
    """An answer as a client sees it, with empty sections where there is nothing."""
    rooms = json.loads(answer.rooms or b"{}")
    lists = answer.devices
    return {
        "next_batch": str(answer.token),
        **{section: rooms.get(section, {}) for section in ("join", "invite", "knock", "leave")},
        "account_data": [json.loads(one) for one in answer.account_data],
        "to_device": [json.loads(one) for one in answer.to_device],
        "presence": [json.loads(one) for one in answer.presence],
        "changed": list(lists.changed) if lists else None,
        "left": list(lists.left) if lists else None,
        "key_counts": answer.keys.counts,
        "fallback": answer.keys.unused_fallback,
    }


def a_person(server: Server, name: str, device: str = "DEVICE") -> Person:
    """A new user with a device."""
    user_id = f"@{name}:{server.name}"

    def work(tx: Any) -> None:
        users.insert(tx, User(user_id), 0)
        devices.upsert(tx, user_id, device, None, 0)

    server.store.write(work)
    return Person(server, Caller(user_id, device))


def another_device(person: Person, device: str) -> Person:
    """The same user at another device."""
    user_id = person.id
    person.server.store.write(lambda tx: devices.upsert(tx, user_id, device, None, 0))
    return Person(person.server, Caller(user_id, device))


def ids(events: list[dict[str, Any]]) -> list[str]:
    """The IDs of events."""
    return [event["event_id"] for event in events]


def state_of(events: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(type, state key) → event ID, of the state events among these."""
    return {
        (event["type"], event["state_key"]): event["event_id"]
        for event in events
        if "state_key" in event
    }
