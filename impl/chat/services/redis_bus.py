"""Announcements between workers by Redis, in place of PostgreSQL's NOTIFY.

Redis only wakes: what changed stands in the log, and whoever hears nothing looks once a second. So
a Redis that is gone or loses messages delays, and nothing is lost.
"""

import logging
import secrets
import time
from typing import Any

import redis

from chat.config.model import Redis

log = logging.getLogger(__name__)

CONNECT_S = 5.0
HEALTH_CHECK_S = 15


class RedisBus:
    """What `Notifier` needs of a bus. Channels carry the server's name, which several may share."""

    def __init__(self, config: Redis, server_name: str) -> None:
        self._prefix = f"chat:{server_name}:"
        self._client = redis.Redis(**_arguments(config))
        self._name = secrets.token_hex(8)  # tells its own announcements from those of others
        self._listener: Any = None

    def announce(self, channel: str, *, here: bool = False) -> None:
        """Tell the other processes that something was committed, with `here` this one as well."""
        try:
            self._client.publish(self._prefix + channel, "" if here else self._name)
        except redis.RedisError as error:
            log.warning("Redis takes no announcements", extra={"error": str(error)})

    def await_announcement(self, channel: str, timeout_s: float) -> bool:
        """Wait until another process announces on `channel`; False when none did in time."""
        deadline_s = time.monotonic() + timeout_s
        try:
            return self._await(channel, deadline_s)
        except redis.RedisError as error:
            log.warning("Redis gives no announcements", extra={"error": str(error)})
            self.close()
            time.sleep(max(0.0, deadline_s - time.monotonic()))
            return False

    def _await(self, channel: str, deadline_s: float) -> bool:
        if self._listener is None:
            self._listener = self._client.pubsub(  # type: ignore[no-untyped-call]
                ignore_subscribe_messages=True
            )
            self._listener.subscribe(self._prefix + channel)
        while (left_s := deadline_s - time.monotonic()) > 0:
            heard = self._listener.get_message(timeout=left_s)
            if heard is not None and heard["data"] != self._name.encode():
                return True
        return False

    def close(self) -> None:
        """Close the listening connection."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _arguments(config: Redis) -> dict[str, Any]:
    where: dict[str, Any] = {"host": config.host, "port": config.port}
    if config.path is not None:
        where = {"unix_socket_path": str(config.path)}
    tls: dict[str, Any] = {}
    if config.use_tls:
        files = {
            "ssl_certfile": config.certificate_file,
            "ssl_keyfile": config.private_key_file,
            "ssl_ca_certs": config.ca_file,
            "ssl_ca_path": config.ca_path,
        }
        tls = {"ssl": True} | {name: str(path) for name, path in files.items() if path}
    return (
        where
        | tls
        | {
            "db": config.dbid or 0,
            "password": _password(config),
            "socket_connect_timeout": CONNECT_S,
            "health_check_interval": HEALTH_CHECK_S,
        }
    )


def _password(config: Redis) -> str | None:
    if config.password_path is None:
        return config.password
    return config.password_path.read_text(encoding="utf-8").strip()
