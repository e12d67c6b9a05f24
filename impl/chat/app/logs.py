"""The log: one line per record, `time level logger: message key=value …`."""

import json
import logging
import logging.config
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from gunicorn.glogging import Logger as GunicornLogger

from chat.config.load import ConfigError
from chat.config.model import Config

# Every attribute that a record has by itself; whatever else it carries came in by `extra`.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}

_SOURCE_FILE = logging._srcfile
_PLAIN = re.compile(r'[^ "=]+')


class LineFormatter(logging.Formatter):
    """Writes a record on one line, its `extra` as key=value; tracebacks follow on their own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's own name
        facts = "".join(
            f" {name}={_one_word(value)}"
            for name, value in vars(record).items()
            if name not in _OWN_ATTRIBUTES
        )
        message = _one_line(record.message)
        time = f"{_second(int(record.created))}.{int(record.msecs):03}Z"
        return f"{time} {record.levelname} {record.process} {record.name}: {message}{facts}"


@lru_cache(maxsize=2)  # many records share their second
def _second(timestamp_s: int) -> str:
    return datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _one_line(text: str) -> str:
    """`text` with control characters escaped, so that nobody can forge a line."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _one_word(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text)


class RequestFormatter(logging.Formatter):
    """For formats that say %(request)s, in records that belong to no request too."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in the operator's own format."""
        vars(record).setdefault("request", "-")
        return super().format(record)


class MasterLogger(GunicornLogger):  # type: ignore[misc]
    """gunicorn's own messages, sent where everything else goes; requests are logged by us."""

    def setup(self, cfg: Any) -> None:
        """Leave handlers and levels to `configure`."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True

    def reopen_files(self) -> None:
        """Open log files anew, after a rotation (SIGUSR1)."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()  # the next record opens it again


def configure(config: Config) -> None:
    """Send the log where the configuration says. Raises ConfigError."""
    settings = _plain(config) if config.log_config is None else _from_file(config.log_config)
    try:
        logging.config.dictConfig(settings)
    except (ValueError, TypeError, AttributeError, ImportError, OSError) as error:
        cause = error.__cause__ or error
        raise ConfigError([f"log_config or log_file: {error} ({cause})"]) from error
    _find_origins(wanted=config.log_config is not None)


def _find_origins(*, wanted: bool) -> None:
    """Let records say which line and thread they come from, or save that cost: our own format does
    not. See "Optimization" in Python's logging HOWTO, which names these three.
    """
    logging._srcfile = _SOURCE_FILE if wanted else None
    logging.logThreads = logging.logMultiprocessing = wanted


def _plain(config: Config) -> dict[str, Any]:
    handler: dict[str, Any] = {"class": "logging.StreamHandler", "formatter": "line"}
    if config.log_file is not None:
        handler |= {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": str(config.log_file),
            "encoding": "utf-8",
        }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LineFormatter}},
        "handlers": {"log": handler},
        "root": {"level": config.log_level, "handlers": ["log"]},
        "loggers": {"alembic": {"level": "WARNING"}},
    }


def _from_file(path: Path) -> dict[str, Any]:
    """Read a logging configuration, replacing what only exists inside Synapse."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([f"log_config: {path} cannot be read: {error}"]) from error
    if not isinstance(settings, dict):
        raise ConfigError([f"log_config: {path} is not a logging configuration"])
    return _without_synapse(settings) | {"disable_existing_loggers": False}


def _without_synapse(settings: dict[str, Any]) -> dict[str, Any]:
    """Make a file of Synapse's work: it buffers through a class of its own, and names requests.

    What it sends to a buffer then goes to the handler behind it.
    """
    handlers, buffers = {}, {}
    for name, handler in _section(settings, "handlers").items():
        if str(handler.get("class", "")).startswith("synapse.") and "target" in handler:
            buffers[name] = handler["target"]
        else:
            handlers[name] = handler
    formatters = _section(settings, "formatters")
    loggers = _section(settings, "loggers")
    root = _section(settings, "root")
    return settings | {
        "formatters": {name: _with_request(one) for name, one in formatters.items()},
        "handlers": handlers,
        "loggers": {name: _redirected(one, buffers) for name, one in loggers.items()},
        "root": _redirected(root, buffers),
    }


def _section(settings: dict[str, Any], name: str) -> dict[str, Any]:
    section = settings.get(name) or {}
    entries = section.values() if isinstance(section, dict) and name != "root" else ()
    if not isinstance(section, dict) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError([f"log_config: {name} is not a section"])
    return section


def _with_request(formatter: dict[str, Any]) -> dict[str, Any]:
    own = "()" in formatter or "class" in formatter
    return formatter if own else formatter | {"class": "chat.app.logs.RequestFormatter"}


def _redirected(logger: dict[str, Any], buffers: dict[str, str]) -> dict[str, Any]:
    if "handlers" not in logger:
        return logger
    return logger | {"handlers": [buffers.get(name, name) for name in logger["handlers"]]}
