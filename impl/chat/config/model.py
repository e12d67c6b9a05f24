"""Every key of homeserver.yaml: its kind, default, unit and help, in one place.

Names and units are Synapse's wherever a key means the same, so that operators can bring their
file. A record's attribute has the key's name; lengths of time add `_ms` and amounts of memory
`_bytes`, for that is what they are read as. Defaults are written as they would be in the file.
`later=True`: the value is checked, but the feature that reads it does not exist yet.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from chat.config.kinds import (
    Address,
    Choice,
    File,
    Flag,
    Items,
    Network,
    Number,
    Place,
    Section,
    Table,
    Text,
    Url,
    duration,
    key,
    size,
)

ROOM_VERSIONS = tuple(str(version) for version in range(1, 13))
RESOURCES = (
    "client",
    "consent",
    "federation",
    "health",
    "identity",
    "keys",
    "media",
    "metrics",
    "openid",
    "replication",
    "static",
    "webclient",
)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SECRET = Text(allowed="text", secret=True)
SERVER_NAME = Text(
    pattern=r"(?:[A-Za-z0-9.-]{1,230}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?",
    allowed="a host name, IPv4 address or [IPv6 address], with an optional :port",
)


# --- serving ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """APIs that a listener answers."""

    names: tuple[str, ...] = key(
        Items(Choice(RESOURCES)),
        "What is served: client (brings media, static), federation (brings keys, media, openid), "
        "media, metrics, health, identity, openid, keys, static.",
    )
    compress: bool = key(
        Flag(), "Accepted for Synapse's sake; compression is the proxy's job.", default=False
    )


@dataclass(frozen=True, kw_only=True)  # no slots: `serves` is computed once
class Listener:
    """One port, or one Unix socket, and what answers there."""

    port: int | None = key(Number(minimum=1, maximum=65535), "TCP port.", default=None)
    path: Path | None = key(File(), "Unix socket to listen on instead of a port.", default=None)
    mode: int = key(Number(maximum=0o777), "Permissions of the Unix socket.", default=0o666)
    bind_address: str | None = key(
        Address(), "One IP address; bind_addresses takes several.", default=None
    )
    bind_addresses: tuple[str, ...] = key(
        Items(Address()),
        "IP addresses to listen on; empty means all, for type metrics 127.0.0.1.",
        default=[],
    )
    tls: bool = key(
        Flag(), "Speak TLS here, with tls_certificate_path and tls_private_key_path.", default=False
    )
    type: str = key(
        Choice(("http", "metrics", "manhole")),
        "http, or metrics for a port with nothing but metrics.",
        default="http",
    )
    x_forwarded: bool = key(
        Flag(),
        "Behind a proxy: take the client's address from the last X-Forwarded-For entry.",
        default=False,
    )
    request_id_header: str = key(
        Text(), "Header whose value names the request in the log.", default="", later=True
    )
    tag: str = key(Text(), "A name for this listener in the log.", default="")
    resources: tuple[Resource, ...] = key(
        Items(Section(Resource)), "What is served here.", default=[]
    )
    additional_resources: dict[str, Any] = key(
        Table(), "Python modules of Synapse's; never loaded.", default={}, later=True
    )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The IP addresses to bind, () for a Unix socket."""
        if self.path is not None:
            return ()
        named = self.bind_addresses or ((self.bind_address,) if self.bind_address else ())
        if self.type == "metrics":
            return named or ("127.0.0.1",)
        return named or ("::", "0.0.0.0")  # noqa: S104  # Synapse's default: every interface

    @cached_property
    def serves(self) -> frozenset[str]:
        """Names of everything answered here, those that others bring along included."""
        named = {"metrics"} if self.type == "metrics" else set[str]()
        named |= {name for resource in self.resources for name in resource.names}
        if "client" in named:
            named |= {"media", "static"}
        if "federation" in named:
            named |= {"keys", "media", "openid"}
        return frozenset(named | {"health"})


def _check_listener(listener: Listener, place: Place) -> None:
    if (listener.port is None) == (listener.path is None):
        place.findings.errors.append(f"{place.key}: give either port or path")


# --- storing ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Which database, and how to reach it."""

    name: str = key(
        Choice(("sqlite3", "psycopg2")), "sqlite3 (one worker) or psycopg2, that is PostgreSQL."
    )
    args: dict[str, Any] = key(
        Table(),
        "sqlite3: database (a path). psycopg2: user, password, dbname, host, port, sslmode, … and "
        "cp_max: connections of each worker, kept once opened (cp_min is accepted).",
        default={},
    )
    txn_limit: int = key(
        Number(), "Transactions before a connection is renewed; 0: never.", default=0, later=True
    )
    allow_unsafe_locale: bool = key(
        Flag(), "Allow a PostgreSQL database whose locale is not C.", default=False, later=True
    )

    @property
    def cp_min(self) -> int:
        """Connections that each worker keeps open."""
        return int(self.args.get("cp_min", 5))

    @property
    def cp_max(self) -> int:
        """Connections that each worker opens at most."""
        return int(self.args.get("cp_max", 10))

    @property
    def single_process(self) -> bool:
        """True when only one worker may serve: SQLite has one writer."""
        return self.name == "sqlite3"


POOL_SIZE = Number(minimum=1, maximum=1000)


def _check_database(database: Database, place: Place) -> None:
    """Check `args` by the database's name, and make SQLite's path absolute."""
    args, here = database.args, place.at("args")
    if database.name == "sqlite3":
        if args.get("database") is None:
            here.findings.errors.append(f"{here.key}.database is missing: the path of the file")
        elif args["database"] != ":memory:":
            args["database"] = str(File().read(args["database"], here.at("database")))
    for name in ("cp_min", "cp_max"):
        if name in args:
            POOL_SIZE.read(args[name], here.at(name))


# --- rate limits ---


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """A token bucket: it holds `burst_count` requests and refills by `per_second`."""

    per_second: float = key(Number(fractions=True), "Requests per second, over a long time.")
    burst_count: int = key(Number(), "Requests that may come at once.")


LIMIT = Section(RateLimit, fill=True)


def _limit(per_second: float, burst_count: int) -> dict[str, float]:
    return {"per_second": per_second, "burst_count": burst_count}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLimits:
    """Limits of login and of password checks."""

    address: RateLimit = key(LIMIT, "Logins per IP address.", default=_limit(0.003, 5))
    account: RateLimit = key(LIMIT, "Logins per account.", default=_limit(0.003, 5))
    failed_attempts: RateLimit = key(LIMIT, "Wrong passwords per account.", default=_limit(0.17, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLimits:
    """Limits of joins per user."""

    local: RateLimit = key(LIMIT, "Joins of rooms this server is in.", default=_limit(0.1, 10))
    remote: RateLimit = key(
        LIMIT, "Joins of rooms it is not in yet.", default=_limit(0.01, 10), later=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteLimits:
    """Limits of invites."""

    per_room: RateLimit = key(LIMIT, "Invites per room.", default=_limit(0.3, 10))
    per_user: RateLimit = key(LIMIT, "Invites per invited user.", default=_limit(0.003, 5))
    per_issuer: RateLimit = key(LIMIT, "Invites per inviting user.", default=_limit(0.3, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationLimits:
    """How much of each remote server's work is taken at once."""

    window_size_ms: int = key(duration(), "Length of the window.", default="1s")
    sleep_limit: int = key(Number(), "Requests in a window before the next wait.", default=10)
    sleep_delay_ms: int = key(duration(), "How long they then wait.", default="500ms")
    reject_limit: int = key(Number(), "Requests that may wait before refusal.", default=50)
    concurrent: int = key(Number(minimum=1), "Requests worked on at the same time.", default=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceLimits:
    """Limits of presence updates."""

    per_user: RateLimit = key(LIMIT, "Updates per user.", default=_limit(0.1, 1))


# --- the rest of the sections ---


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long messages live."""

    min_lifetime_ms: int | None = key(
        duration(), "For so long messages are kept.", default=None, later=True
    )
    max_lifetime_ms: int | None = key(
        duration(), "After this time messages go; never when null.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Expiry of messages, by what rooms say in m.room.retention."""

    enabled: bool = key(Flag(), "Remove messages whose time is over.", default=False)
    default_policy: RetentionPolicy = key(
        Section(RetentionPolicy), "For rooms that say nothing.", default={}
    )
    allowed_lifetime_min_ms: int | None = key(
        duration(), "Shorter lifetimes of rooms count as this one.", default=None
    )
    allowed_lifetime_max_ms: int | None = key(
        duration(), "Longer lifetimes of rooms count as this one.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """Where workers on PostgreSQL wake each other; without it PostgreSQL itself does that."""

    enabled: bool = key(Flag(), "Use Redis.", default=False)
    host: str = key(Text(), "Name or address.", default="localhost")
    port: int = key(Number(minimum=1, maximum=65535), "TCP port.", default=6379)
    path: Path | None = key(File(), "Unix socket in place of host and port.", default=None)
    password: str | None = key(SECRET, "Password.", default=None)
    password_path: Path | None = key(File(), "File with the password.", default=None)
    dbid: int | None = key(Number(), "Number of the database.", default=None)
    use_tls: bool = key(Flag(), "Connect by TLS.", default=False)
    certificate_file: Path | None = key(File(), "Our certificate.", default=None)
    private_key_file: Path | None = key(File(), "Its key.", default=None)
    ca_file: Path | None = key(File(), "Certificates to trust; else the system's.", default=None)
    ca_path: Path | None = key(File(), "Folder of certificates to trust.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLog:
    """How much is kept of the order in which things changed; older tokens cost a sync more."""

    max_age_ms: int = key(duration(), "Older changes go.", default="1d")
    max_rows: int = key(Number(minimum=1_000), "Of more changes the oldest go.", default=1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Who is online."""

    enabled: bool = key(Flag(), "Track and show presence.", default=True)
    include_offline_users_on_sync: bool = key(
        Flag(), "Name offline users in a first sync too.", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """What a new password must be like."""

    enabled: bool = key(Flag(), "Check new passwords.", default=False)
    minimum_length: int = key(Number(), "Shortest password, in characters.", default=0)
    require_digit: bool = key(Flag(), "Ask for a digit.", default=False)
    require_symbol: bool = key(
        Flag(), "Ask for a character that is neither letter nor digit.", default=False
    )
    require_lowercase: bool = key(Flag(), "Ask for a lower-case letter.", default=False)
    require_uppercase: bool = key(Flag(), "Ask for an upper-case letter.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Password login."""

    enabled: bool = key(Flag(), "Let users log in with a password.", default=True)
    localdb_enabled: bool = key(
        Flag(), "Check passwords against this server's database.", default=True, later=True
    )
    pepper: str = key(
        SECRET, "Secret appended to each password before hashing; never change it.", default=""
    )
    policy: PasswordPolicy = key(Section(PasswordPolicy), "Rules for new passwords.", default={})


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheAutotuning:
    """Memory of each worker at which caches give way."""

    max_cache_memory_usage_bytes: int = key(
        size(), "Resident memory of a worker above which its caches are made smaller."
    )
    target_cache_memory_usage_bytes: int = key(size(), "Down to this.")
    min_cache_ttl_ms: int = key(duration(), "What was used within this time stays.", default="30s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """Memory for caches."""

    global_factor: float = key(
        Number(fractions=True),
        "Size of all caches relative to their built-in size; CHAT_CACHE_FACTOR overrides it.",
        default=0.5,
    )
    per_cache_factors: dict[str, float] = key(
        Table(Number(fractions=True)),
        "Factor of single caches, by the names that chat_cache_bytes has in the metrics.",
        default={},
    )
    cache_autotuning: CacheAutotuning | None = key(
        Section(CacheAutotuning), "A cap on memory; none when absent.", default=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThumbnailSize:
    """One thumbnail made of each image."""

    width: int = key(Number(minimum=1, maximum=4096), "Pixels.")
    height: int = key(Number(minimum=1, maximum=4096), "Pixels.")
    method: str = key(Choice(("crop", "scale")), "crop fills the frame, scale fits into it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServer:
    """A server that is asked for other servers' signing keys."""

    server_name: str = key(SERVER_NAME, "Whom to ask.")
    verify_keys: dict[str, str] = key(
        Table(Text()), "Its keys by id, in unpadded Base64.", default={}
    )
    accept_keys_insecurely: bool = key(
        Flag(), "Believe its answers without verify_keys.", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRule:
    """One rule about aliases or the room list; the first that matches decides."""

    user_id: str = key(Text(), "Pattern of the acting user, * and ? as wildcards.", default="*")
    alias: str = key(Text(), "Pattern of the alias.", default="*")
    room_id: str = key(Text(), "Pattern of the room ID.", default="*")
    action: str = key(Choice(("allow", "deny")), "What happens.", default="allow")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDirectory:
    """Search for users."""

    enabled: bool = key(Flag(), "Answer searches.", default=True)
    search_all_users: bool = key(
        Flag(), "Find users who share no room with the searcher.", default=False
    )
    prefer_local_users: bool = key(Flag(), "Show local users first.", default=False)
    exclude_remote_users: bool = key(Flag(), "Leave remote users out.", default=False)
    show_locked_users: bool = key(Flag(), "Find locked users too.", default=False, later=True)


EVERYTHING_ALLOWED = [{"action": "allow"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of homeserver.yaml."""

    # Who we are
    server_name: str = key(
        SERVER_NAME, "The part after the colon in user and room names; it can never change."
    )
    public_baseurl: str = key(
        Url(),
        "Where clients reach this server from outside, ending in a slash.",
        default="https://<server_name>/",
    )
    serve_server_wellknown: bool = key(
        Flag(),
        "Answer /.well-known/matrix/server: port 443 of this host takes federation.",
        default=False,
        later=True,
    )
    extra_well_known_client_content: dict[str, Any] = key(
        Table(), "More content for /.well-known/matrix/client.", default={}
    )
    default_identity_server: str | None = key(
        Url(), "Identity server suggested to clients.", default=None
    )
    admin_contact: str = key(
        Text(), "How to reach the operator, e.g. mailto:admin@example.org.", default="", later=True
    )
    report_stats: bool = key(
        Flag(), "Accepted as in Synapse; nothing is ever reported.", default=False
    )

    # Serving
    listeners: tuple[Listener, ...] = key(
        Items(Section(Listener, _check_listener)),
        "Ports and what they answer.",
        default=[
            {
                "port": 8008,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client", "federation"]}],
            }
        ],
    )
    pid_file: Path | None = key(File(), "Where to write the process id.", default=None)
    enable_metrics: bool = key(
        Flag(), "Let listeners with the metrics resource serve it.", default=True
    )
    soft_file_limit: int = key(
        Number(), "Open files to ask the system for; 0: as many as it allows.", default=0
    )
    tls_certificate_path: Path | None = key(
        File(), "PEM file with the certificate chain of the TLS listeners.", default=None
    )
    tls_private_key_path: Path | None = key(
        File(), "PEM file with the private key of the TLS listeners.", default=None
    )

    # Logging
    log_config: Path | None = key(
        File(),
        "A Python logging configuration in YAML, instead of log_level and log_file.",
        default=None,
    )
    log_level: str = key(Choice(LOG_LEVELS), "Least severity that is logged.", default="INFO")
    log_file: Path | None = key(File(), "Log file; standard error when absent.", default=None)

    # Storing
    database: Database = key(
        Section(Database, _check_database),
        "Where everything but media is kept.",
        default={"name": "sqlite3", "args": {"database": "homeserver.db"}},
    )
    caches: Caches = key(Section(Caches), "Memory for caches.", default={})
    redis: Redis = key(Section(Redis), "Announcements between workers by Redis.", default={})
    change_log: ChangeLog = key(
        Section(ChangeLog), "What syncs and workers follow; not of Synapse.", default={}
    )

    # Keys and secrets
    signing_key_path: Path = key(
        File(),
        "Ed25519 key that signs events; made on first start.",
        default="<server_name>.signing.key",
    )
    macaroon_secret_key: str = key(
        SECRET, "Accepted as in Synapse; access tokens are random here.", default=""
    )
    form_secret: str = key(
        SECRET, "Accepted as in Synapse; form tokens are random here.", default=""
    )

    # Accounts
    enable_registration: bool = key(
        Flag(), "Let anybody make an account (see the next key).", default=False
    )
    enable_registration_without_verification: bool = key(
        Flag(),
        "Confirm that accounts may be made without token, captcha or e-mail.",
        default=False,
    )
    registration_requires_token: bool = key(
        Flag(), "Ask for a registration token.", default=False, later=True
    )
    enable_registration_captcha: bool = key(
        Flag(), "Ask for a captcha at registration.", default=False, later=True
    )
    registrations_require_3pid: tuple[str, ...] = key(
        Items(Choice(("email", "msisdn"))),
        "Ask for a confirmed address at registration.",
        default=[],
        later=True,
    )
    registration_shared_secret: str | None = key(
        SECRET,
        "Whoever knows it may make accounts, administrators included: register_new_user.",
        default=None,
    )
    registration_shared_secret_path: Path | None = key(
        File(), "File that holds registration_shared_secret; made when absent.", default=None
    )
    inhibit_user_in_use_error: bool = key(
        Flag(), "Do not tell whether a user name is taken before the last step.", default=False
    )
    allow_guest_access: bool = key(Flag(), "Let guests register.", default=False)
    bcrypt_rounds: int = key(
        Number(minimum=4, maximum=31), "Work per password hash: 2 to this power.", default=12
    )
    password_config: Passwords = key(Section(Passwords), "Password login.", default={})
    session_lifetime_ms: int | None = key(
        duration(), "Life of an access token without refresh; endless when absent.", default=None
    )
    refreshable_access_token_lifetime_ms: int = key(
        duration(), "Life of an access token that can be refreshed.", default="5m"
    )
    nonrefreshable_access_token_lifetime_ms: int | None = key(
        duration(), "Life of an access token that cannot; endless when absent.", default=None
    )
    refresh_token_lifetime_ms: int | None = key(
        duration(), "Life of a refresh token; endless when absent.", default=None
    )
    ui_auth_session_timeout_ms: int = key(
        duration(), "How long a started user-interactive authentication can go on.", default="2h"
    )
    auto_join_rooms: tuple[str, ...] = key(
        Items(Text()), "Aliases of rooms that new users join.", default=[], later=True
    )
    enable_set_displayname: bool = key(Flag(), "Let users change their name.", default=True)
    enable_set_avatar_url: bool = key(Flag(), "Let users change their picture.", default=True)
    enable_3pid_changes: bool = key(
        Flag(), "Let users change their addresses.", default=True, later=True
    )
    require_auth_for_profile_requests: bool = key(
        Flag(), "Show profiles to logged-in users only.", default=False
    )
    limit_profile_requests_to_users_who_share_rooms: bool = key(
        Flag(), "Show profiles to users in common rooms only.", default=False
    )
    user_directory: UserDirectory = key(Section(UserDirectory), "Search for users.", default={})

    # Rooms
    default_room_version: str = key(
        Choice(ROOM_VERSIONS), "Version of new rooms when the client names none.", default="12"
    )
    presence: Presence = key(Section(Presence), "Who is online.", default={})
    encryption_enabled_by_default_for_room_type: str = key(
        Choice(("all", "invite", "off")), "New rooms that are encrypted.", default="off", later=True
    )
    enable_room_list_search: bool = key(
        Flag(), "Answer requests for the public room list.", default=True, later=True
    )
    allow_public_rooms_without_auth: bool = key(
        Flag(), "Show the public room list without login.", default=False
    )
    allow_public_rooms_over_federation: bool = key(
        Flag(), "Show the public room list to other servers.", default=False, later=True
    )
    alias_creation_rules: tuple[DirectoryRule, ...] = key(
        Items(Section(DirectoryRule)), "Who may make which alias.", default=[{"action": "allow"}]
    )
    room_list_publication_rules: tuple[DirectoryRule, ...] = key(
        Items(Section(DirectoryRule)), "Who may publish which room.", default=[{"action": "allow"}]
    )
    max_event_delay_duration_ms: int | None = key(
        duration(),
        "Longest delay of an event that is sent later (MSC4140); none are when null.",
        default=None,
    )
    require_membership_for_aliases: bool = key(
        Flag(), "Only members of a room may make aliases for it.", default=True
    )
    block_non_admin_invites: bool = key(
        Flag(), "Only administrators may invite.", default=False, later=True
    )
    forget_rooms_on_leave: bool = key(
        Flag(), "Leaving a room forgets it.", default=False, later=True
    )
    forgotten_room_retention_period_ms: int | None = key(
        duration(),
        "How long after every local user left and forgot it a room is kept; for ever when null.",
        default="28d",
    )
    retention: Retention = key(Section(Retention), "When messages expire.", default={})
    filter_timeline_limit: int = key(
        Number(minimum=-1), "Most events of one room in a sync; -1: no limit.", default=100
    )

    # Media
    enable_media_repo: bool = key(Flag(), "Serve uploads and downloads.", default=True, later=True)
    media_store_path: Path = key(File(), "Folder for uploaded files.", default="media_store")
    max_upload_size_bytes: int = key(size(), "Largest upload.", default="50M")
    max_image_pixels: int = key(
        size(), "Most pixels of an image that is thumbnailed (32M: 32 Mi pixels).", default="32M"
    )
    dynamic_thumbnails: bool = key(
        Flag(),
        "Make any size that is asked for, not only thumbnail_sizes.",
        default=False,
        later=True,
    )
    thumbnail_sizes: tuple[ThumbnailSize, ...] = key(
        Items(Section(ThumbnailSize)),
        "Thumbnails made of each image.",
        default=[
            {"width": 32, "height": 32, "method": "crop"},
            {"width": 96, "height": 96, "method": "crop"},
            {"width": 320, "height": 240, "method": "scale"},
            {"width": 640, "height": 480, "method": "scale"},
            {"width": 800, "height": 600, "method": "scale"},
        ],
    )
    max_pending_media_uploads: int = key(
        Number(), "Uploads that a user may have announced and not sent.", default=5, later=True
    )
    unused_expiration_time_ms: int = key(
        duration(), "How long an announced upload may be sent.", default="24h", later=True
    )

    # Rate limits
    rc_default: RateLimit = key(
        LIMIT, "Requests per user that no other limit covers (not in Synapse).",
        default=_limit(1000, 5000),
    )  # fmt: skip
    rc_message: RateLimit = key(LIMIT, "Events per sender.", default=_limit(0.2, 10))
    rc_registration: RateLimit = key(
        LIMIT, "Registrations per IP address.", default=_limit(0.17, 3)
    )
    rc_registration_token_validity: RateLimit = key(
        LIMIT, "Token checks per IP address.", default=_limit(0.1, 5), later=True
    )
    rc_login: LoginLimits = key(Section(LoginLimits), "Logins.", default={})
    rc_admin_redaction: RateLimit | None = key(
        LIMIT, "Redactions by room administrators; rc_message counts when absent.", default=None
    )
    rc_joins: JoinLimits = key(Section(JoinLimits), "Joins per user.", default={})
    rc_joins_per_room: RateLimit = key(LIMIT, "Joins per room.", default=_limit(1, 10))
    rc_3pid_validation: RateLimit = key(
        LIMIT, "Confirmation messages per address.", default=_limit(0.003, 5), later=True
    )
    rc_invites: InviteLimits = key(Section(InviteLimits), "Invites.", default={})
    rc_third_party_invite: RateLimit = key(
        LIMIT, "Invites by address, per inviting user.", default=_limit(0.2, 10), later=True
    )
    rc_room_creation: RateLimit = key(LIMIT, "New rooms per user.", default=_limit(0.016, 10))
    rc_media_create: RateLimit = key(LIMIT, "Announced uploads per user.", default=_limit(10, 50))
    rc_key_requests: RateLimit = key(LIMIT, "Key requests per user.", default=_limit(20, 100))
    rc_profile: RateLimit = key(LIMIT, "Profile changes per user.", default=_limit(1, 10))
    rc_user_directory: RateLimit = key(LIMIT, "User searches per user.", default=_limit(0.016, 200))
    rc_reports: RateLimit = key(LIMIT, "Reports per user.", default=_limit(1, 5))
    rc_delayed_event_mgmt: RateLimit = key(
        LIMIT, "Changes of delayed events per user.", default=_limit(1, 5)
    )
    rc_presence: PresenceLimits = key(Section(PresenceLimits), "Presence updates.", default={})
    rc_federation: FederationLimits = key(
        Section(FederationLimits), "Requests of each remote server.", default={}, later=True
    )
    federation_rr_transactions_per_room_per_second: int = key(
        Number(), "Receipt transactions per room.", default=50, later=True
    )

    # Federation
    federation_verify_certificates: bool = key(
        Flag(), "Check other servers' TLS certificates.", default=True, later=True
    )
    federation_custom_ca_list: tuple[Path, ...] = key(
        Items(File()), "PEM files of the only authorities to trust.", default=[], later=True
    )
    use_insecure_ssl_client_just_for_testing_do_not_use: bool = key(
        Flag(), "Check no certificate of any other service.", default=False, later=True
    )
    federation_domain_whitelist: tuple[str, ...] | None = key(
        Items(SERVER_NAME),
        "The only servers to talk to; all when absent.",
        default=None,
        later=True,
    )
    trusted_key_servers: tuple[KeyServer, ...] = key(
        Items(Section(KeyServer)),
        "Servers asked for other servers' keys.",
        default=[{"server_name": "matrix.org"}],
        later=True,
    )
    suppress_key_server_warning: bool = key(
        Flag(), "Say nothing of matrix.org as trusted key server.", default=False, later=True
    )
    ip_range_blacklist: tuple[str, ...] = key(
        Items(Network()),
        "Addresses that this server never calls.",
        default=[
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "169.254.0.0/16",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "192.0.2.0/24",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "::1/128",
            "fe80::/10",
            "fc00::/7",
            "2001:db8::/32",
            "ff00::/8",
            "fec0::/10",
        ],
        later=True,
    )
    ip_range_whitelist: tuple[str, ...] = key(
        Items(Network()), "Exceptions to ip_range_blacklist.", default=[], later=True
    )
    federation_ip_range_blacklist: tuple[str, ...] | None = key(
        Items(Network()),
        "The same for calls of other homeservers; ip_range_blacklist when absent.",
        default=None,
        later=True,
    )
    user_agent_suffix: str = key(
        Text(), "Appended to the User-Agent of our requests.", default="", later=True
    )


# Keys of Synapse whose feature this server is going to have: named once in the log, with these
# words. The issue that brings the feature moves them up into Config.
COMING = {
    "account_threepid_delegates": "sending of confirmation text messages",
    "account_validity": "expiring accounts",
    "app_service_config_files": "application services",
    "auto_accept_invites": "automatic acceptance of invites",
    "autocreate_auto_join_room_federated": "rooms that new users join",
    "autocreate_auto_join_room_preset": "rooms that new users join",
    "autocreate_auto_join_rooms": "rooms that new users join",
    "auto_join_mxid_localpart": "rooms that new users join",
    "auto_join_rooms_for_guests": "rooms that new users join",
    "cas_config": "single sign-on by CAS",
    "delete_stale_devices_after": "removal of unused devices",
    "email": "sending of e-mail",
    "enable_3pid_lookup": "identity servers",
    "enable_registration_token_3pid_bypass": "registration tokens",
    "experimental_features": "unfinished proposals, none of which is on",
    "federation": "retries of federation",
    "federation_client_minimum_tls_version": "federation",
    "federation_metrics_domains": "federation",
    "key_refresh_interval": "validity of signing keys",
    "limit_remote_rooms": "limits of rooms on other servers",
    "limit_usage_by_mau": "limits of active users",
    "max_avatar_size": "limits of pictures",
    "allowed_avatar_mimetypes": "limits of pictures",
    "max_spider_size": "previews of links",
    "max_mau_value": "limits of active users",
    "mau_stats_only": "limits of active users",
    "media_retention": "expiry of media",
    "media_upload_limits": "quotas of uploads",
    "oidc_providers": "single sign-on by OpenID Connect",
    "old_signing_keys": "retired signing keys",
    "opentracing": "tracing",
    "push": "push notifications",
    "recaptcha_private_key": "captchas",
    "recaptcha_public_key": "captchas",
    "recaptcha_siteverify_api": "captchas",
    "redaction_retention_period": "removal of redacted content",
    "registrations_require_3pid_token": "confirmed addresses",
    "allowed_local_3pids": "confirmed addresses",
    "remote_media_download_burst_count": "media of other servers",
    "remote_media_download_per_second": "media of other servers",
    "prevent_media_downloads_from": "media of other servers",
    "saml2_config": "single sign-on by SAML",
    "send_federation": "federation",
    "server_notices": "server notices",
    "sentry": "error reports",
    "spam_checker": "policy modules",
    "sso": "single sign-on",
    "templates": "e-mail templates",
    "third_party_event_rules": "policy modules",
    "turn_shared_secret": "calls through TURN",
    "turn_uris": "calls through TURN",
    "turn_user_lifetime": "calls through TURN",
    "turn_allow_guests": "calls through TURN",
    "turn_username": "calls through TURN",
    "turn_password": "calls through TURN",
    "url_preview_accept_language": "previews of links",
    "url_preview_enabled": "previews of links",
    "url_preview_ip_range_blacklist": "previews of links",
    "url_preview_ip_range_whitelist": "previews of links",
    "url_preview_url_blacklist": "previews of links",
    "user_consent": "terms of service",
    "user_ips_max_age": "expiry of recorded addresses",
    "user_types": "types of users",
    "voip": "calls",
}

# Keys of Synapse that mean nothing here, because the thing they steer does not exist.
WITHOUT_EFFECT = {
    "allow_per_room_profiles": "profiles per room are what membership events say",
    "allow_device_name_lookup_over_federation": "device names are never told to other servers",
    "background_updates": "batches fit themselves into a tenth of the time",
    "dummy_events_threshold": "forward extremities are merged by the next event",
    "enable_legacy_media": "old media paths stay",
    "event_cache_size": "caches decides",
    "federation_sender_instances": "any worker does any work",
    "gc_min_interval": "the collector is left alone",
    "gc_thresholds": "the collector is left alone",
    "hs_disabled": "stop the server instead",
    "instance_map": "any worker does any work",
    "media_storage_providers": "media lies on the local disk",
    "modules": "modules of Synapse's cannot be loaded",
    "notify_appservices_from_worker": "any worker does any work",
    "outbound_federation_restricted_to": "any worker does any work",
    "presence_router": "modules of Synapse's cannot be loaded",
    "pusher_instances": "any worker does any work",
    "run_background_tasks_on": "any worker does any work",
    "start_pushers": "any worker does any work",
    "stats": "statistics are computed when asked for",
    "stream_writers": "any worker does any work",
    "track_appservice_user_ips": "addresses are recorded for everybody",
    "track_puppeted_user_ips": "addresses are recorded for everybody",
    "update_user_directory_from_worker": "any worker does any work",
    "use_frozen_dicts": "events never change here",
    "use_presence": "presence.enabled decides",
    "web_client_location": "clients are served elsewhere",
    "worker_replication_secret": "PostgreSQL connects the workers",
}
