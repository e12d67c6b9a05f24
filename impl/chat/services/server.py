"""The record that every service gets: what this server is and has."""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from chat.config.model import Config
from chat.protocol.identifiers import ServerName
from chat.protocol.signatures import SigningKey
from chat.services.accounts.last_seen import LastSeen
from chat.services.clock import Clock
from chat.services.leases import Leases
from chat.services.notices import Notices
from chat.services.notifier import Notifier
from chat.services.presence_signs import PresenceSigns
from chat.services.ratelimit import RateLimits
from chat.services.rooms.kept import KeptLists
from chat.services.sessions import SessionCache
from chat.services.sync.memory import SyncMemory
from chat.storage.caches import Caches
from chat.storage.engine import Store
from chat.storage.receipts import TypingNotice, put_typing

if TYPE_CHECKING:
    from chat.services.media.files import MediaStore
    from chat.services.rooms.writer import Writer


@dataclass(frozen=True, slots=True)
class Server:
    """One homeserver in one process. Services take values from here, never a Flask object."""

    name: ServerName
    config: Config
    store: Store
    clock: Clock
    key: SigningKey
    notifier: Notifier
    writer: "Writer"
    limits: RateLimits
    leases: Leases
    sessions: SessionCache
    last_seen: LastSeen
    media: "MediaStore"
    caches: Caches
    sync: SyncMemory
    lists: KeptLists
    typing: Notices[TypingNotice] = field(default_factory=partial(Notices, put_typing))
    presence: PresenceSigns = field(default_factory=PresenceSigns)
