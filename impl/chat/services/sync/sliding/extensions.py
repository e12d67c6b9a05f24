"""What a request of sliding sync is told beside the events and state of rooms.

Spec: MSC3884 (e2ee), MSC3885 (to_device), MSC3959 (account_data), MSC3960 (receipts), and MSC4508
(typing, and which rooms an extension is for)
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from chat.protocol.errors import InvalidParam
from chat.services.server import Server
from chat.services.sync import extras
from chat.services.sync.extras import DEVICE_MESSAGES, DeviceKeys
from chat.services.sync.query import EVERYTHING, Query, Token
from chat.services.sync.since import Plan, Span
from chat.services.sync.sliding.connections import Known
from chat.services.sync.sliding.room_list import Chosen
from chat.services.sync.sliding.rooms import Result
from chat.services.sync.sliding.wish import Messages, Scope, Wish
from chat.storage import keys, sliding
from chat.storage.account_data import GLOBAL
from chat.storage.engine import Transaction
from chat.storage.receipts import Receipt
from chat.storage.streams import Kind

EVERY_DEVICE_USES = "signed_curve25519"  # of this, clients want to hear that there are none left

_MESSAGES_TOKEN = re.compile(r"s?([0-9]{1,18})")

_encode = msgspec.json.encode


def parse_messages_token(text: str | None) -> int | None:
    """The position in `since` of the to_device extension. Raises InvalidParam."""
    if not text:
        return None
    found = _MESSAGES_TOKEN.fullmatch(text)
    if found is None:
        raise InvalidParam("since is no token that the to_device extension gave out")
    return int(found[1])


@dataclass(frozen=True, slots=True)
class Told:
    """The JSON of the answer's extensions; `is_news`: whether a waiting client is to get it."""

    body: bytes
    is_news: bool


class Extending:
    """Tells what the extensions of one request have to tell."""

    def __init__(
        self,
        tx: Transaction,
        server: Server,
        wish: Wish,
        known: Known,
        plan: Plan,
        chosen: Chosen,
        result: Result,
    ) -> None:
        self._tx = tx
        self._server = server
        self._wish = wish
        self._known = known
        self._plan = plan
        self._chosen = chosen
        self._result = result
        self._user_id = wish.caller.user_id
        self._news = False

    def tell(self) -> Told:
        """Everything that is new."""
        wanted = self._wish.rules.extensions
        parts: dict[str, bytes] = {}
        if wanted.account_data is not None:
            _put(parts, "account_data", self._account_data(wanted.account_data))
        if wanted.receipts is not None or wanted.typing is not None:
            self._add_ephemeral(parts, wanted.receipts, wanted.typing)
        self._news = bool(parts)
        if wanted.to_device is not None:
            parts["to_device"] = self._to_device(wanted.to_device)
        if wanted.e2ee:
            _put(parts, "e2ee", self._e2ee())
        return Told(_object(parts), self._news)

    # rooms

    def _spans(self, scope: Scope) -> list[Span]:
        """The joined rooms that an extension is for, each with what is new to the client."""
        found = []
        for room, span in self._result.spans.items():
            if self._is_for(scope, room) and self._chosen.rooms[room].member.membership == "join":
                found.append(span)
        return found

    def _is_for(self, scope: Scope, room: int) -> bool:
        relevant = self._chosen.rooms.get(room)
        if relevant is None:
            return False
        lists = frozenset(relevant.lists)
        return scope.has(relevant.member.room_id, lists, subscribed=relevant.subscribed)

    def _is_new(self, span: Span) -> bool:
        """Whether the client does not know the room, or was not told of it for a while."""
        sent = self._known.rooms.get(span.room)
        return sent is None or sent.upto is not None or span.joined_by is not None

    def _account_data(self, scope: Scope) -> bytes | None:
        new = [span.room for span in self._spans(scope) if self._is_new(span)]
        since = self._plan.since
        query = Query(self._wish.caller, Token(since, since) if since else None, EVERYTHING)
        found = extras.account_events(self._tx, self._plan, query, new)
        told = {
            self._chosen.rooms[room].member.room_id: shown
            for room, shown in found.items()
            if room != GLOBAL and self._is_for(scope, room)
        }
        parts = {}
        if found.get(GLOBAL):
            parts["global"] = _list(found[GLOBAL])
        if told:
            parts["rooms"] = _object({room_id: _list(shown) for room_id, shown in told.items()})
        return _object(parts) if parts else None

    def _add_ephemeral(
        self, parts: dict[str, bytes], receipts: Scope | None, typing: Scope | None
    ) -> None:
        if receipts is not None:
            spans = self._spans(receipts)
            read = self._receipts(spans)
            told = {
                span.room_id: extras.receipts_json(read.get(span.room, ()), self._user_id)
                for span in spans
            }
            _put(parts, "receipts", _rooms(told))
        if typing is not None:
            spans = self._spans(typing)
            typists = self._typists(spans)
            told = {
                span.room_id: extras.typing_json(typists[span.room])
                for span in spans
                if span.room in typists
            }
            _put(parts, "typing", _rooms(told))

    def _receipts(self, spans: list[Span]) -> dict[int, list[Receipt]]:
        """What is new; of rooms that the client sees anew those for its timeline, and the own."""
        known = [span for span in spans if span.after]
        found = extras.receipts_of(self._tx, self._server.sync, self._plan, known)
        new = [span.room for span in spans if not span.after]
        if new:
            shown = [one for room in new for one in self._result.timelines.get(room, ())]
            for receipt in sliding.receipts_on(self._tx, new, shown, self._user_id):
                found.setdefault(receipt.room, []).append(receipt)
        return found

    def _typists(self, spans: list[Span]) -> dict[int, list[str]]:
        now_ms, memory = self._server.clock.now_ms(), self._server.sync
        new = {span.room for span in spans if self._is_new(span)}
        asked = [self._typing_span(span, is_new=span.room in new) for span in spans]
        back = new & self._known.rooms.keys()
        return extras.typists_of(self._tx, memory, self._plan, asked, now_ms, back)

    def _typing_span(self, span: Span, *, is_new: bool) -> Span:
        if is_new:
            return replace(span, after=0)
        # A room without events and receipts counts as quiet, though somebody may have typed in it.
        return replace(span, changes=None) if self._plan.own is None else span

    # the device

    def _to_device(self, wanted: Messages) -> bytes:
        caller, head = self._wish.caller, self._plan.head
        limit = min(wanted.limit, DEVICE_MESSAGES)
        waiting = []
        if wanted.since is None or self._may_wait(wanted.since):
            waiting = keys.messages_for(self._tx, caller.user_id, caller.device_id, head, limit + 1)
        told = waiting[:limit]
        self._news = self._news or bool(told)
        upto = told[-1].pos if told else (head if wanted.since is None else wanted.since)
        parts = {"next_batch": _encode(f"s{upto}")}
        if told:
            parts["events"] = _list([extras.message_json(one) for one in told])
        return _object(parts)

    def _may_wait(self, since: int) -> bool:
        """Whether messages to the device may have come since it was told of the last ones."""
        tail = self._server.notifier.tail
        if since < tail.floor or tail.position < self._plan.head:
            return True
        changes = tail.since(self._user_id, since)
        return any(change.kind is Kind.TO_DEVICE for change in changes)

    def _e2ee(self) -> bytes | None:
        plan, tx = self._plan, self._tx
        supply = extras.device_keys(tx, self._server, self._wish.caller, plan.head)
        parts = {}
        if plan.since:
            query = Query(self._wish.caller, Token(plan.since, plan.since), EVERYTHING)
            busy = extras.busy_rooms(tx, self._server, plan)
            lists = extras.device_lists(tx, self._server, plan, query, busy)
            if lists.changed or lists.left:
                self._news = True
                changed, left = list(lists.changed), list(lists.left)
                parts["device_lists"] = _encode({"changed": changed, "left": left})
        if not plan.since or supply.changed > plan.since:
            self._news = self._news or plan.since > 0
            parts |= _supply(supply)
        return _object(parts) if parts else None


def _supply(supply: DeviceKeys) -> dict[str, bytes]:
    counts = {EVERY_DEVICE_USES: 0} | supply.counts
    return {
        "device_one_time_keys_count": _encode(counts),
        "device_unused_fallback_key_types": _encode(supply.unused_fallback),
    }


def _rooms(told: Mapping[str, bytes | None]) -> bytes | None:
    parts = {room_id: shown for room_id, shown in told.items() if shown is not None}
    return _object({"rooms": _object(parts)}) if parts else None


def _put(parts: dict[str, bytes], name: str, part: bytes | None) -> None:
    if part is not None:
        parts[name] = part


def _list(shown: Collection[bytes]) -> bytes:
    return b"[%b]" % b",".join(shown)


def _object(fields: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join([b"%b:%b" % (_encode(name), of) for name, of in fields.items()])
