"""What goes with timelines: summaries, receipts, typing, account data, and what is for a device.

Spec: client-server-api/#syncing and the modules' own extensions to it
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from chat.protocol.filters import EventFilter
from chat.services import push_rules, unread
from chat.services.caller import Caller
from chat.services.log_tail import Tail
from chat.services.rooms import client_events
from chat.services.server import Server
from chat.services.sync.memory import SyncMemory
from chat.services.sync.query import Query
from chat.services.sync.since import Plan, Span
from chat.services.threads import MAIN
from chat.services.unread import Unread
from chat.storage import account_data, devices, events, keys, receipts, rooms, sync
from chat.storage.engine import Transaction
from chat.storage.receipts import Receipt
from chat.storage.rooms import LocalMember
from chat.storage.streams import Kind

HEROES = 5
DEVICE_MESSAGES = 100  # in one answer
PUSH_RULES = "m.push_rules"
RECEIPT, TYPING = "m.receipt", "m.typing"
READ_PRIVATE = "m.read.private"

# What a stripped state holds beside the user's own membership event and that of who sent it.
STRIPPED = (
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
)

_encode = msgspec.json.encode


def newest(shown: list[bytes], wanted: EventFilter) -> list[bytes]:
    """As many of these, oldest first, as a filter lets through; the newest stay."""
    return shown if wanted.limit is None else shown[max(0, len(shown) - wanted.limit) :]


# --- summaries ---


@dataclass(frozen=True, slots=True)
class Facts:
    """What is the same for everybody of a room's summary.

    `names`: the first members, one more than anybody needs; None where the room has a name.
    """

    joined: int
    invited: int
    names: list[str] | None
    encrypted: bool

    def heroes(self, user_id: str) -> list[str]:
        """The members after whom `user_id` may name the room."""
        return [name for name in self.names or () if name != user_id][:HEROES]

    def json(self, user_id: str) -> bytes:
        """The `summary` of the room for a user."""
        fields: dict[str, object] = {
            "m.joined_member_count": self.joined,
            "m.invited_member_count": self.invited,
        }
        if self.names is not None:
            fields["m.heroes"] = self.heroes(user_id)
        return _encode(fields)


def facts_of(tx: Transaction, numbers: Collection[int]) -> dict[int, Facts]:
    """The facts of rooms, by number."""
    if not numbers:
        return {}
    found = rooms.summaries(tx, numbers)
    nameless = [room for room, one in found.items() if not one.name and not one.canonical_alias]
    names = _names(tx, found, nameless)
    return {
        room: Facts(one.joined, one.invited, names.get(room), one.encryption is not None)
        for room, one in found.items()
    }


def _names(
    tx: Transaction, found: Mapping[int, rooms.Summary], nameless: Collection[int]
) -> dict[int, list[str]]:
    if not nameless:
        return {}
    names: dict[int, list[str]] = {room: [] for room in nameless}
    names |= sync.first_members(tx, nameless, HEROES + 1)
    lonely = [room for room in nameless if found[room].joined + found[room].invited <= 1]
    if lonely:
        for room, former in sync.first_former_members(tx, lonely, HEROES).items():
            names[room] = names[room] + former
    return names


# --- receipts and typing notices ---


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """Receipts by room, and who types in the rooms where that changed."""

    receipts: dict[int, list[Receipt]]
    typing: dict[int, list[str]]


def ephemeral(
    tx: Transaction, memory: SyncMemory, plan: Plan, spans: Sequence[Span], now_ms: int
) -> Ephemeral:
    """What is to be told of receipts and typing notices."""
    back = {span.room for span in spans if span.is_new and span.after and not span.gap}
    typing = typists_of(tx, memory, plan, spans, now_ms, back)
    return Ephemeral(receipts_of(tx, memory, plan, spans), typing)


def receipts_of(
    tx: Transaction, memory: SyncMemory, plan: Plan, spans: Sequence[Span]
) -> dict[int, list[Receipt]]:
    """The receipts that are new in these spans, by room."""
    found: dict[int, list[Receipt]] = {}
    missing = {}
    for span in spans:
        if span.may_have(Kind.RECEIPT):
            key = _changes_key(span, Kind.RECEIPT)
            known = None if key is None else memory.receipts.get(key)
            if known is None:
                missing[span.room, 0 if span.is_new else span.after] = key
            else:
                found[span.room] = known
    if missing:
        for receipt in receipts.changed(tx, list(missing), plan.head):
            found.setdefault(receipt.room, []).append(receipt)
        for (room, _), key in missing.items():
            if key is not None:
                memory.receipts.put(key, found.get(room, []))
    return found


def _changes_key(span: Span, kind: Kind) -> Hashable | None:
    """What spans that hold the same changes of a kind have in common; None if unknown."""
    if span.changes is None:
        return None
    positions = [change.pos for change in span.changes if change.kind is kind]
    return (span.room, kind, positions[0], positions[-1])


def typists_of(
    tx: Transaction,
    memory: SyncMemory,
    plan: Plan,
    spans: Sequence[Span],
    now_ms: int,
    back: Collection[int],
) -> dict[int, list[str]]:
    """Who types, in the rooms where that is news: also in new ones, if somebody does.

    `back`: rooms of which the client may know who typed in them before it was out of them.
    """
    found: dict[int, list[str]] = {}
    asked: dict[int, Hashable | None] = dict.fromkeys(back)
    others = [span for span in spans if span.room not in back]
    new = [span.room for span in others if span.is_new]
    unknown = [span.room for span in others if not span.is_new and span.changes is None]
    for span in others:
        if not span.is_new and span.changes is not None and span.may_have(Kind.TYPING):
            key = _changes_key(span, Kind.TYPING)
            known = memory.typing.get(key)
            if known is None:
                asked[span.room] = key
            else:
                found[span.room] = known
    if unknown:
        asked |= dict.fromkeys(sync.typing_changed(tx, unknown, plan.since, plan.head))
    if asked or new:
        now = receipts.typing_in(tx, [*asked, *new], now_ms)
        found |= now | {room: now.get(room, []) for room in asked}
        for room, key in asked.items():
            if key is not None:
                memory.typing.put(key, found[room])
    return found


def ephemeral_json(
    read: Sequence[Receipt], typing: Sequence[str] | None, wanted: EventFilter, user_id: str
) -> list[bytes]:
    """The ephemeral events of a room for one user."""
    shown = []
    if typing is not None and wanted.matches(TYPING, None, {}):
        shown.append(typing_json(typing))
    by_thread: dict[str, list[Receipt]] = {}
    for receipt in read:
        if receipt.kind == READ_PRIVATE and receipt.user_id != user_id:
            continue
        if wanted.matches(RECEIPT, receipt.user_id, {}):
            by_thread.setdefault(receipt.thread_id, []).append(receipt)
    # An event of its own for each thread: one event can hold one receipt of a user only.
    return shown + [
        _encode({"type": RECEIPT, "content": _receipts(one)}) for one in by_thread.values()
    ]


def typing_json(user_ids: Collection[str]) -> bytes:
    """The event that says who types."""
    return _encode({"type": TYPING, "content": {"user_ids": list(user_ids)}})


def receipts_json(read: Iterable[Receipt], user_id: str) -> bytes | None:
    """All receipts of a room as one event.

    It can hold one receipt of a user for an event: that which is for no thread says what those for
    threads say, and of threads too that have none.
    """
    told = [one for one in read if one.kind != READ_PRIVATE or one.user_id == user_id]
    told.sort(key=lambda one: one.thread_id == receipts.UNTHREADED)
    return _encode({"type": RECEIPT, "content": _receipts(told)}) if told else None


def _receipts(read: Iterable[Receipt]) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    content: dict[str, dict[str, dict[str, dict[str, object]]]] = {}
    for receipt in read:
        said: dict[str, object] = {"ts": receipt.ts}
        if receipt.thread_id != receipts.UNTHREADED:
            said["thread_id"] = receipt.thread_id
        content.setdefault(receipt.event_id, {}).setdefault(receipt.kind, {})[receipt.user_id] = (
            said
        )
    return content


# --- unread notifications ---


def unread_counts(
    tx: Transaction, server: Server, user_id: str, spans: Sequence[Span]
) -> dict[int, Unread]:
    """The counts of the rooms in which they may have changed, by room and thread."""
    rooms = [
        span.room
        for span in spans
        if span.whole or span.may_have(Kind.EVENT) or span.has_receipt_of(user_id)
    ]
    memory, tail = server.sync.unread, server.notifier.tail
    return unread.counts(tx, memory, tail, user_id, rooms) if rooms else {}


def unread_json(counted: Unread, *, by_thread: bool) -> list[bytes]:
    """The fields of a room; `by_thread` has an own number for each thread."""
    shown = counted.get(MAIN, unread.NONE) if by_thread else unread.total(counted)
    fields = [b'"unread_notifications":' + _counts(shown)]
    threads = [(thread, one) for thread, one in counted.items() if thread != MAIN]
    if by_thread and threads:
        told = [b"%b:%b" % (_encode(thread), _counts(one)) for thread, one in threads]
        fields.append(b'"unread_thread_notifications":{%b}' % b",".join(told))
    return fields


def _counts(counted: unread.Counts) -> bytes:
    return b'{"highlight_count":%d,"notification_count":%d}' % (counted.h, counted.n)


# --- account data ---


def account_events(
    tx: Transaction, plan: Plan, query: Query, new_rooms: Collection[int]
) -> dict[int, list[bytes]]:
    """Changed account data by room, 0 for the global one, and all that of `new_rooms`."""
    user_id = query.caller.user_id
    found: dict[int, list[bytes]] = {}
    changed: list[tuple[int, str, str]] = []
    if plan.may_have(Kind.ACCOUNT_DATA):
        changed = account_data.changed(tx, user_id, plan.since, plan.head)
    if not plan.since and PUSH_RULES not in [kind for _, kind, _ in changed]:
        changed.append((account_data.GLOBAL, PUSH_RULES, push_rules.UNCHANGED))
    if plan.since and new_rooms:
        changed = [one for one in changed if one[0] not in new_rooms]
        changed += sync.room_account_data(tx, user_id, new_rooms, plan.head)
    for room, kind, content in changed:
        wanted = query.filter.room.account_data if room else query.filter.account_data
        if wanted.matches(kind, user_id, {}):
            told = push_rules.shown(user_id, kind, content)
            shown = b'{"type":%b,"content":%b}' % (_encode(kind), told.encode())
            found.setdefault(room, []).append(shown)
    return found


# --- invites and knocks ---


def stripped_states(
    tx: Transaction, server: Server, members: Sequence[LocalMember]
) -> dict[int, list[bytes]]:
    """The stripped state of rooms as it was when the users were invited or knocked."""
    if not members:
        return {}
    own = events.by_numbers(tx, [member.ev for member in members])
    wanted = {(member.room, kind, "") for member in members for kind in STRIPPED}
    wanted |= {
        (row.room, "m.room.member", row.sender)
        for row in own.values()
        if row.sender != row.state_key
    }
    rows = [*sync.state_before(tx, list(own.values()), wanted), *own.values()]
    shown = client_events.load(tx, server.sync.events, rows)
    found: dict[int, list[bytes]] = {}
    for row in rows:
        found.setdefault(row.room, []).append(shown[row.ev].stripped())
    return found


# --- devices ---


@dataclass(slots=True)
class DeviceKeys:
    """The supply of keys of a device, as of a log position; `changed` is when it last changed."""

    counts: dict[str, int]
    unused_fallback: list[str]
    changed: int
    as_of: int


def keys_known(server: Server, caller: Caller) -> DeviceKeys | None:
    """The supply of keys of a device, where nothing about its user changed since it was read."""
    known = server.sync.device(caller.user_id, caller.device_id).keys
    if known is None or server.notifier.changed_since(caller.user_id, (), known.as_of):
        return None
    return known


def device_keys(tx: Transaction, server: Server, caller: Caller, head: int) -> DeviceKeys:
    """The supply of keys of a device."""
    device = server.sync.device(caller.user_id, caller.device_id)
    known = device.keys
    if known is None or _counts_may_differ(server.notifier.tail, caller, known, head):
        known = device.keys = DeviceKeys(
            keys.key_counts(tx, caller.user_id, caller.device_id),
            keys.unused_fallback_types(tx, caller.user_id, caller.device_id),
            sync.key_counts_position(tx, caller.user_id, caller.device_id),
            head,
        )
    known.as_of = max(known.as_of, head)
    return known


def _counts_may_differ(tail: Tail, caller: Caller, known: DeviceKeys, head: int) -> bool:
    if known.as_of < tail.floor or tail.position < head:
        return True
    changes = tail.since(caller.user_id, known.as_of)
    return any(change.kind is Kind.KEY_COUNTS for change in changes)


def confirm_messages(server: Server, caller: Caller, upto: int) -> None:
    """Drop the messages to a device that its token says it has received."""
    device = server.sync.device(caller.user_id, caller.device_id)
    if device.confirmed >= upto:
        return
    if _may_wait(server, caller, device.confirmed, upto):
        waiting = server.store.read(
            lambda tx: keys.messages_for(tx, caller.user_id, caller.device_id, upto, 1)
        )
        if waiting:
            server.store.write(
                lambda tx: keys.delete_messages(tx, caller.user_id, caller.device_id, upto)
            )
    device.confirmed = upto


def _may_wait(server: Server, caller: Caller, confirmed: int, upto: int) -> bool:
    """Whether messages to a device may wait at log positions in (confirmed, upto]."""
    tail = server.notifier.tail
    if not confirmed:
        return True
    if not server.notifier.changed_since(caller.user_id, (), confirmed):
        return False
    if confirmed < tail.floor or tail.position < upto:
        return True
    return any(one.kind is Kind.TO_DEVICE for one in tail.since(caller.user_id, confirmed))


def device_messages(tx: Transaction, plan: Plan, query: Query) -> tuple[list[bytes], int]:
    """Messages that wait for the device, and up to which log position those are all."""
    behind = query.since is not None and query.since.devices < query.since.pos
    if not behind and not plan.may_have(Kind.TO_DEVICE):
        return [], plan.head
    caller = query.caller
    waiting = keys.messages_for(
        tx, caller.user_id, caller.device_id, plan.head, DEVICE_MESSAGES + 1
    )
    told = waiting[:DEVICE_MESSAGES]
    upto = told[-1].pos if len(waiting) > len(told) else plan.head
    return [message_json(one) for one in told], upto


def message_json(message: keys.DeviceMessage) -> bytes:
    """A message to a device as an event."""
    return b'{"type":%b,"sender":%b,"content":%b}' % (
        _encode(message.kind),
        _encode(message.sender),
        message.content.encode(),
    )


@dataclass(frozen=True, slots=True)
class DeviceLists:
    """Users whose devices have to be looked at again, and users who need not be followed."""

    changed: Sequence[str] = ()
    left: Sequence[str] = ()


def busy_rooms(tx: Transaction, server: Server, plan: Plan) -> dict[int, Facts]:
    """Joined rooms whose members or encryption may have changed, where no timeline was read."""
    changed = [
        span.room
        for span in plan.joined
        if not span.is_new and (span.whole or span.may_have(Kind.EVENT))
    ]
    rows = sync.membership_changes(tx, changed, plan.since, plan.head) if changed else []
    new = {span.room for span in plan.joined if span.is_new}
    return facts_of(tx, {row.room for row in rows} | new)


def device_lists(
    tx: Transaction,
    server: Server,
    plan: Plan,
    query: Query,
    busy: Mapping[int, Facts],
) -> DeviceLists:
    """Whose devices changed. `busy`: joined rooms whose members or encryption may have changed."""
    encrypted = {room for room, facts in busy.items() if facts.encrypted}
    new = encrypted & {span.room for span in plan.joined if span.is_new}
    left = _encrypted(tx, [span.room for span in plan.left if span.end is not None])
    come, gone, encrypting = _movements(tx, server, plan, encrypted - new)
    changed = set(_changed_devices(tx, plan, query)) | come
    if new | encrypting:
        changed |= set(sync.joined_users(tx, new | encrypting)) - {query.caller.user_id}
    if left:
        gone |= set(sync.joined_users(tx, left))
    gone -= changed | {query.caller.user_id}
    if gone:
        gone -= set(sync.sharing(tx, gone, plan.user.joined))
    return DeviceLists(sorted(changed), sorted(gone))


def _changed_devices(tx: Transaction, plan: Plan, query: Query) -> Iterable[str]:
    if plan.new_devices is not None:
        return plan.new_devices
    users = devices.lists_changed(tx, plan.since, plan.head)
    sharing = sync.sharing(tx, users, plan.user.joined) if users else []
    own = {query.caller.user_id} & set(users)
    return {*sharing, *own}


def _encrypted(tx: Transaction, numbers: Collection[int]) -> set[int]:
    if not numbers:
        return set()
    return {room for room, one in rooms.summaries(tx, numbers).items() if one.encryption}


def _movements(
    tx: Transaction, server: Server, plan: Plan, numbers: Collection[int]
) -> tuple[set[str], set[str], set[int]]:
    """Who joined and who left these rooms since the token, and which of them became encrypted."""
    if not numbers:
        return set(), set(), set()
    rows = sync.membership_changes(tx, numbers, plan.since, plan.head)
    earlier = events.by_numbers(tx, {row.replaces for row in rows if row.replaces})
    shown = client_events.load(tx, server.sync.events, [*rows, *earlier.values()])
    come, gone, encrypting = set(), set(), set()
    for row in rows:
        if row.type == "m.room.encryption":
            encrypting.add(row.room)
            continue
        user_id = row.state_key or ""
        before = shown[row.replaces].membership if row.replaces else None
        after = shown[row.ev].membership
        if after == "join" != before:
            come.add(user_id)
            gone.discard(user_id)
        elif before == "join" != after:
            gone.add(user_id)
            come.discard(user_id)
    return come, gone, encrypting
