"""How gunicorn serves us: its settings, made of the configuration.

`settings` runs in the master, at start and at every SIGHUP; the workers are forked from it and
inherit the configuration that it read, so that all of them agree.
"""

import gc
import logging
import os
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import gevent
from gevent import socket
from gunicorn.http import message

from chat.app import logs, start
from chat.config.load import CONFIG_VARIABLE, ConfigError, Loaded, load
from chat.config.model import Config, Listener

if TYPE_CHECKING:
    from chat.app.build import Application

log = logging.getLogger(__name__)

FIGURES_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
IDLE_S = 75  # a kept-alive connection without a request; proxies wait 60
STOP_S = 9  # the master ends workers that have not left by then; a worker needs 7 at most
FROZEN_S = 60  # a worker that gives no sign of life for so long is replaced
EVERY_IPV4 = "0.0.0.0"  # noqa: S104  # compared with, not bound


@dataclass
class _Master:
    """What this process, or the one it was forked from, has read last."""

    loaded: Loaded | None = None


_master = _Master()


def config_paths(environment: Mapping[str, str]) -> list[Path]:
    """The configuration files that CHAT_CONFIG names, `:` between several."""
    named = environment.get(CONFIG_VARIABLE) or "homeserver.yaml"
    return [Path(path) for path in named.split(os.pathsep)]


def loaded() -> Loaded:
    """The configuration in force."""
    if _master.loaded is None:
        _master.loaded = load(config_paths(os.environ), os.environ)
    return _master.loaded


def application() -> "Application":
    """The application, with connections and greenlets of its own: call it after the fork.

    Raises StartError.
    """
    built: Application = _build().application(loaded().config)
    return built


def _build() -> ModuleType:
    """chat.app.build, imported late: it brings prometheus_client, which then reads its folder."""
    from chat.app import build  # noqa: PLC0415

    return build


def settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Everything gunicorn is told. Ends the process when the configuration is wrong at start;
    a wrong one at a later reload is logged, and the last right one stays in force.
    """
    try:
        fresh = load(config_paths(environment), environment)
        logs.configure(fresh.config)
    except ConfigError as error:
        _refuse(error)
    else:
        _master.loaded = fresh
        for warning in fresh.warnings:
            log.warning(warning)
    gevent.config.resolver = "dnspython"  # looks names up on cooperative sockets, in no thread
    config = loaded().config
    workers = _worker_count(config, environment)
    if workers > 1:
        _share_figures()
    return _fixed_settings() | {
        "bind": [address for address, _ in _addresses(config)],
        "workers": workers,
        "worker_connections": start.raise_open_files(config),
        "pidfile": str(config.pid_file) if config.pid_file else None,
        "on_starting": lambda arbiter: _on_starting(config),
        "when_ready": lambda arbiter: _when_ready(config),
        "child_exit": lambda arbiter, worker: _forget_gauges(worker.pid),
        "on_exit": lambda arbiter: _remove_figures(),
    }


def _refuse(error: ConfigError) -> None:
    if _master.loaded is None:
        for sentence in error.errors:
            print(f"error: {sentence}", file=sys.stderr)  # noqa: T201  # there is no log yet
        sys.exit(1)
    for sentence in error.errors:
        log.error("configuration not reloaded: %s", sentence)


def _fixed_settings() -> dict[str, Any]:
    return {
        "wsgi_app": "chat.app.wsgi:app",
        "worker_class": "chat.app.worker.ChatWorker",
        "logger_class": logs.MasterLogger,
        "http_parser": "auto",
        "keepalive": IDLE_S,
        "graceful_timeout": STOP_S,
        "timeout": FROZEN_S,
        "backlog": 2048,
        "sendfile": False,  # gevent would send 8 KiB at a time
        "forwarded_allow_ips": "",  # the worker itself trusts proxies, by listener
        "control_socket_disable": True,
    }


def _on_starting(config: Config) -> None:
    try:
        start.prepare(config)
    except start.StartError as error:
        log.critical("cannot start: %s", error)
        sys.exit(1)
    _build()  # here, so that the workers share the memory of the code
    gc.collect()
    gc.freeze()  # pages that the collector leaves alone stay shared with the workers


def _when_ready(config: Config) -> None:
    for listener in config.listeners:
        if listener.path is not None:
            listener.path.chmod(listener.mode)
    for address, listener in _addresses(config):
        scheme = "https" if listener.tls else "http"
        log.info(
            "listening",
            extra={"url": f"{scheme}://{address}", "serves": ",".join(sorted(listener.serves))},
        )


def _worker_count(config: Config, environment: Mapping[str, str]) -> int:
    """WEB_CONCURRENCY, or one worker per core up to four; SQLite allows one."""
    asked = environment.get("WEB_CONCURRENCY") or ""
    wanted = int(asked) if asked.isdigit() and int(asked) else min(os.cpu_count() or 1, 4)
    if not config.database.single_process:
        return wanted
    if asked and wanted > 1:
        log.warning("WEB_CONCURRENCY is ignored: SQLite allows one worker", extra={"asked": asked})
    return 1


# --- figures for Prometheus, which several workers keep in files ---


def _share_figures() -> None:
    """Name the folder before prometheus_client is imported: it looks once."""
    if FIGURES_VARIABLE not in os.environ and "prometheus_client" not in sys.modules:
        os.environ[FIGURES_VARIABLE] = tempfile.mkdtemp(prefix="chat-metrics-")


def _forget_gauges(pid: int) -> None:
    """A worker that is gone holds nothing any more; what it has counted stays."""
    if FIGURES_VARIABLE in os.environ:
        from prometheus_client import multiprocess  # noqa: PLC0415 - see `_build`

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _remove_figures() -> None:
    if FIGURES_VARIABLE in os.environ:
        shutil.rmtree(os.environ[FIGURES_VARIABLE], ignore_errors=True)


# --- listeners ---


def _addresses(config: Config) -> Iterator[tuple[str, Listener]]:
    """What gunicorn is to bind, and the listener that it belongs to."""
    ipv6 = _has_ipv6()
    for listener in config.listeners:
        if listener.path is not None:
            yield f"unix:{listener.path}", listener
        for address in _bindable(listener.addresses, ipv6=ipv6):
            host = f"[{address}]" if ":" in address else address
            yield f"{host}:{listener.port}", listener


def _bindable(addresses: tuple[str, ...], *, ipv6: bool) -> list[str]:
    """`addresses` without what this machine cannot bind.

    A socket on :: takes IPv4 too, so it stands for 0.0.0.0 as well.
    """
    if not ipv6:
        for address in addresses:
            if ":" in address and not (address == "::" and EVERY_IPV4 in addresses):
                log.warning("no IPv6 here, not listening", extra={"address": address})
        return [address for address in addresses if ":" not in address]
    covered = EVERY_IPV4 if "::" in addresses else ""
    return [address for address in addresses if address != covered]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def listeners_by_name(config: Config) -> dict[str, Listener]:
    """The listener of each bound socket, by `socket_name`."""
    return {address.removeprefix("unix:"): listener for address, listener in _addresses(config)}


def socket_name(name: Any) -> str:
    """What `getsockname` says, in the form of `listeners_by_name`'s keys."""
    if isinstance(name, str):
        return name
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def tls_context(config: Config) -> ssl.SSLContext | None:
    """One context for all TLS listeners; None when there are none. Raises StartError."""
    if not any(listener.tls for listener in config.listeners):
        return None
    assert config.tls_certificate_path is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate_path, config.tls_private_key_path)
    except (OSError, ssl.SSLError) as error:
        raise start.StartError(f"tls_certificate_path or tls_private_key_path: {error}") from error
    return context


def http_parser_name(cfg: Any) -> str:
    """Which HTTP parser gunicorn uses: C (`gunicorn_h1c`) or Python."""
    return "C" if message._check_fast_parser(cfg) else "Python"
