"""The keys of homeserver.yaml as JSON Schema and as docs/config.md.

`python -m chat.config.describe > docs/config.md`; with `--schema`, the JSON Schema instead.
"""

import json
import sys
from dataclasses import fields
from typing import Any

from chat.config.kinds import Items, Schema, Section, key_name, key_of, record_schema
from chat.config.model import COMING, WITHOUT_EFFECT, Config

# The headings of the documentation, by the first key below each.
HEADINGS = {
    "server_name": "Who we are",
    "listeners": "Serving",
    "log_config": "Logging",
    "database": "Storing",
    "signing_key_path": "Keys and secrets",
    "enable_registration": "Accounts",
    "default_room_version": "Rooms",
    "enable_media_repo": "Media",
    "rc_default": "Rate limits",
    "federation_verify_certificates": "Federation",
}

_INTRODUCTION = """\
# Configuration

Written by `make generate` from `impl/chat/config/model.py`, where each key stands once with its
default, unit, help and check. Keys have Synapse's names, units and defaults wherever they mean the
same.

- A first file is written, and an existing one never overwritten, by
  `python -m chat.app.homeserver --server-name NAME --config-path homeserver.yaml --generate-config
  --report-stats=no`.
- Several files: `--config-path` may be given several times (or `CHAT_CONFIG` name several, `:`
  between them); a key in a later file replaces the whole key of an earlier one.
- A **duration** is written `500ms`, `30s`, `5m`, `2h`, `1d`, `1w`, `1y`, or as a number of
  milliseconds; a **size** `512K`, `50M`, `1G`, or as a number of bytes (of pixels, for images).
- A relative **path** is relative to the folder of the (first) file.
- A key left empty has its default. An unknown key is logged, with the nearest name, and ignored.
  Wrong values stop the start: all of them are named at once, and the exit status is 1.
- *(later)*: the value is checked, and nothing reads it yet; a file that sets it gets a line in the
  log.

Environment: `CHAT_CONFIG` (the file, or files), `WEB_CONCURRENCY` (worker processes; with SQLite
always one), `CHAT_CACHE_FACTOR` (overrides `caches.global_factor`).
"""


def schema() -> Schema:
    """JSON Schema of a configuration file."""
    others = {name: {"description": f"Not there yet: {what}."} for name, what in COMING.items()}
    others |= {name: {"description": f"No effect: {why}."} for name, why in WITHOUT_EFFECT.items()}
    described = record_schema(Config)
    described["properties"] |= others
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "homeserver.yaml",
        **described,
    }


def markdown() -> str:
    """The text of docs/config.md."""
    lines = [_INTRODUCTION]
    for one in fields(Config):
        if one.name in HEADINGS:
            lines += ["", f"## {HEADINGS[one.name]}", *_TABLE_HEAD]
        lines.append(_row(one))
    for record in sections(Config)[1:]:
        lines += ["", f"## Section {record.__name__}", str(record.__doc__), *_TABLE_HEAD]
        lines += [_row(one) for one in fields(record)]
    lines += ["", "## Accepted, not there yet", "", "| key | what it is for |", "|---|---|"]
    lines += [f"| `{name}` | {what} |" for name, what in sorted(COMING.items())]
    lines += ["", "## Accepted without effect", "", "| key | why |", "|---|---|"]
    lines += [f"| `{name}` | {why} |" for name, why in sorted(WITHOUT_EFFECT.items())]
    return "\n".join(lines) + "\n"


_TABLE_HEAD = ("", "| key | value | default | |", "|---|---|---|---|")


def _row(one: Any) -> str:
    declared = key_of(one)
    later = " *(later)*" if declared.later else ""
    help_text = declared.help.replace("<", "\\<")
    return (
        f"| `{key_name(one.name)}` | {declared.kind.form()} | {_default(declared)} "
        f"| {help_text}{later} |"
    )


def _default(declared: Any) -> str:
    if declared.required:
        return "*required*"
    if declared.default in (None, "", [], {}):
        return ""
    text = json.dumps(declared.default, ensure_ascii=False).strip('"')
    return f"`{text}`"


def sections(record: type[Any], *, with_later: bool = True) -> list[type[Any]]:
    """The record and those of all sections below it, outer ones first; each once."""
    found = [record]
    for outer in found:  # grows while it is walked
        inner = [_record(one) for one in fields(outer) if with_later or not key_of(one).later]
        found += [one for one in dict.fromkeys(inner) if one is not None and one not in found]
    return found


def _record(one: Any) -> type[Any] | None:
    kind = key_of(one).kind
    if isinstance(kind, Items):
        kind = kind.kind
    return kind.record if isinstance(kind, Section) else None


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(schema(), indent=2) + "\n" if "--schema" in sys.argv else markdown()
    )
