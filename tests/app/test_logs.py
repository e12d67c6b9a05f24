"""The log: one line per record, and whatever a log_config says."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat.app import logs
from chat.config.load import ConfigError, parse
from chat.config.model import Config

SYNAPSE_STYLE = {
    "version": 1,
    "formatters": {
        "precise": {"format": "%(asctime)s - %(levelname)s - %(request)s - %(message)s"}
    },
    "handlers": {
        "file": {"class": "logging.FileHandler", "formatter": "precise", "filename": "FILE"},
        "buffer": {
            "class": "synapse.logging.handlers.PeriodicallyFlushingMemoryHandler",
            "target": "file",
            "capacity": 10,
        },
    },
    "loggers": {"synapse.storage.SQL": {"level": "INFO"}},
    "root": {"level": "INFO", "handlers": ["buffer"]},
    "disable_existing_loggers": False,
}


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logs._find_origins(wanted=True)


def config(folder: Path, **values: Any) -> Config:
    return parse({"server_name": "example.org"} | values, folder)[0]


def line(message: str, **extra: Any) -> str:
    record = logging.LogRecord("chat.http", logging.INFO, "", 0, message, (), None)
    vars(record).update(extra)
    return logs.LineFormatter().format(record).partition("chat.http: ")[2]


def test_facts_follow_the_message() -> None:
    assert line("refused", rule="5.3", event_id="$x") == "refused rule=5.3 event_id=$x"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("two words", '"two words"'),
        ("", '""'),
        ('say "a"', '"say \\"a\\""'),
        ("a=b", '"a=b"'),
        ("new\nline", '"new\\nline"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        (12, "12"),
        (None, "None"),
    ],
)
def test_a_value_cannot_break_out_of_its_place(value: Any, written: str) -> None:
    assert line("x", value=value) == f"x value={written}"


def test_a_message_stays_on_its_line() -> None:
    assert line("one\n2026-01-01 forged") == "one\\n2026-01-01 forged"


def test_a_line_begins_with_the_time_in_utc() -> None:
    record = logging.LogRecord("a", logging.INFO, "", 0, "x", (), None)
    record.created, record.msecs = 0.5, 500.0
    assert logs.LineFormatter().format(record).startswith("1970-01-01T00:00:00.500Z INFO ")


def test_a_traceback_follows_its_line() -> None:
    with pytest.raises(ValueError, match="invalid") as raised:
        int("why")
    information = (raised.type, raised.value, raised.tb)
    record = logging.LogRecord("a", logging.ERROR, "", 0, "failed", (), information)
    text = logs.LineFormatter().format(record)
    assert text.splitlines()[0].endswith("a: failed")
    assert text.splitlines()[-1].startswith("ValueError: invalid literal")


def test_the_plain_keys_write_a_file(tmp_path: Path) -> None:
    logs.configure(config(tmp_path, log_level="WARNING", log_file="chat.log"))
    logging.getLogger("chat").info("quiet")
    logging.getLogger("chat").warning("loud")
    (written,) = (tmp_path / "chat.log").read_text().splitlines()
    assert written.endswith("chat: loud")


def test_a_log_config_of_synapse_s_form_works(tmp_path: Path) -> None:
    settings = yaml.safe_dump(SYNAPSE_STYLE).replace("FILE", str(tmp_path / "out.log"))
    (tmp_path / "log.yaml").write_text(settings)
    logs.configure(config(tmp_path, log_config="log.yaml"))
    logging.getLogger("chat").info("without a request")
    logging.getLogger("chat").info("with one", extra={"request": "GET-7"})
    first, second = (tmp_path / "out.log").read_text().splitlines()
    assert first.endswith("INFO - - - without a request")
    assert second.endswith("INFO - GET-7 - with one")


def test_a_log_config_may_ask_where_a_record_comes_from(tmp_path: Path) -> None:
    logs.configure(config(tmp_path))
    form = "%(filename)s %(funcName)s %(threadName)s"
    settings = SYNAPSE_STYLE | {"formatters": {"precise": {"format": form}}}
    text = yaml.safe_dump(settings).replace("FILE", str(tmp_path / "out.log"))
    (tmp_path / "log.yaml").write_text(text)
    logs.configure(config(tmp_path, log_config="log.yaml"))
    logging.getLogger("chat").info("here")
    expected = "test_logs.py test_a_log_config_may_ask_where_a_record_comes_from MainThread\n"
    assert (tmp_path / "out.log").read_text() == expected


@pytest.mark.parametrize(
    "text",
    [
        "- a list",
        "a: b: c",
        "version: 2",
        "version: 1\nroot: {handlers: [absent]}",
        "version: 1\nhandlers: {h: {class: no.such.Handler}}\nroot: {handlers: [h]}",
        "version: 1\nhandlers: [a]",
        "version: 1\nroot: 7",
    ],
)
def test_an_unusable_log_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.yaml").write_text(text)
    with pytest.raises(ConfigError, match="log_config"):
        logs.configure(config(tmp_path, log_config="log.yaml"))
