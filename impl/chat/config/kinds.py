"""How values of the configuration file are read: one small class per kind of value.

A kind has two methods: `read` turns what the YAML file says into what the program uses, and
`schema` describes the same as JSON Schema. A value that cannot be read is reported to its
`Place`, which collects; reading goes on, so that one start names every mistake at once.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

Schema = dict[str, Any]

MILLISECONDS = {
    "": 1,
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Findings:
    """What reading a configuration brought up: errors forbid the start, warnings are logged."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands (dotted `key`), what its paths are relative to, and who hears of it."""

    key: str
    folder: Path
    findings: Findings

    def at(self, name: str) -> "Place":
        """The place of an entry below this one."""
        return Place(f"{self.key}.{name}" if self.key else name, self.folder, self.findings)

    def refuse(self, shown: str, allowed: str) -> None:
        """Report that the value `shown` cannot stay; `allowed` says what may stand here."""
        self.findings.errors.append(f"{self.key}: {shown} is not allowed: give {allowed}")

    def warn(self, sentence: str) -> None:
        """Report something odd that does not forbid the start."""
        self.findings.warnings.append(f"{self.key}: {sentence}")


class Kind(Protocol):
    """One kind of value."""

    def read(self, value: Any, place: Place) -> Any:
        """The value as the program uses it; reports to `place` what cannot be read."""
        ...

    def form(self) -> str:
        """What is written, in a word or two of Markdown."""
        ...

    def schema(self) -> Schema:
        """JSON Schema of what may be written."""
        ...


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, value: Any, place: Place) -> bool:
        if not isinstance(value, bool):
            place.refuse(repr(value), "true or false")
            return False
        return value

    def form(self) -> str:
        return "true or false"

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text:
    """Text, optionally of a given form; `secret` text is never shown in a message."""

    pattern: str = ""
    allowed: str = "text"
    secret: bool = False

    def read(self, value: Any, place: Place) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern or "(?s).*", value):
            place.refuse("this value" if self.secret else repr(value), self.allowed)
            return ""
        return value

    def form(self) -> str:
        return "secret text" if self.secret else "text"

    def schema(self) -> Schema:
        return {"type": "string", **({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, whole unless `fractions`."""

    minimum: float = 0
    maximum: float | None = None
    fractions: bool = False

    def read(self, value: Any, place: Place) -> float:
        fits = isinstance(value, (int, float) if self.fractions else int)
        in_bounds = (
            fits
            and not isinstance(value, bool)
            and value >= self.minimum
            and (self.maximum is None or value <= self.maximum)
        )
        if not in_bounds:
            place.refuse(repr(value), self._allowed())
            return 0
        return float(value) if self.fractions else int(value)

    def form(self) -> str:
        return "number" if self.fractions else "whole number"

    def schema(self) -> Schema:
        bounds = {} if self.maximum is None else {"maximum": self.maximum}
        return {"type": "number" if self.fractions else "integer", "minimum": self.minimum} | bounds

    def _allowed(self) -> str:
        what = "a number" if self.fractions else "a whole number"
        if self.maximum is None:
            return f"{what} of at least {self.minimum}"
        return f"{what} from {self.minimum} to {self.maximum}"


@dataclass(frozen=True, slots=True)
class Scaled:
    """A whole number with an optional unit letter, e.g. 5m or 50M; read as the base unit."""

    factors: Mapping[str, int]
    allowed: str

    def read(self, value: Any, place: Place) -> int:
        match = re.fullmatch(r"(\d+) ?([A-Za-z]*)", str(value))
        if isinstance(value, bool) or not match or match[2] not in self.factors:
            place.refuse(repr(value), self.allowed)
            return 0
        return int(match[1]) * self.factors[match[2]]

    def form(self) -> str:
        return "duration" if "s" in self.factors else "size"

    def schema(self) -> Schema:
        units = "|".join(self.factors)
        return {"type": ["integer", "string"], "minimum": 0, "pattern": f"^[0-9]+ ?({units})$"}


def duration() -> Scaled:
    """A length of time, read as milliseconds."""
    return Scaled(MILLISECONDS, "a duration such as 500ms, 30s, 5m, 2h, 1d, 1w or 1y")


def size() -> Scaled:
    """An amount of memory or disk, read as bytes; also a large count, such as of pixels."""
    return Scaled(BYTES, "a size such as 512K, 50M or 1G")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: Any, place: Place) -> str:
        if not isinstance(value, str) or value not in self.words:
            place.refuse(repr(value), f"one of {', '.join(self.words)}")
            return ""
        return value

    def form(self) -> str:
        return " \\| ".join(f"`{word}`" for word in self.words)

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class File:
    """A path; a relative one is relative to the folder of the file that names it."""

    def read(self, value: Any, place: Place) -> Path:
        if not isinstance(value, str) or not value or "\0" in value:
            place.refuse(repr(value), "a path")
            return Path()
        return place.folder / Path(value).expanduser()

    def form(self) -> str:
        return "path"

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https address."""

    def read(self, value: Any, place: Place) -> str:
        if not isinstance(value, str) or not _is_http_url(value):
            place.refuse(repr(value), "an http:// or https:// address")
            return ""
        return value

    def form(self) -> str:
        return "URL"

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^https?://"}


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query


@dataclass(frozen=True, slots=True)
class Network:
    """An IP address or a range of them."""

    def read(self, value: Any, place: Place) -> str:
        try:
            return str(ipaddress.ip_network(value if isinstance(value, str) else "", strict=False))
        except ValueError:
            place.refuse(repr(value), "an IP address or range such as 10.0.0.0/8 or fe80::/10")
            return ""

    def form(self) -> str:
        return "IP range"

    def schema(self) -> Schema:
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address of this machine."""

    def read(self, value: Any, place: Place) -> str:
        try:
            return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
        except ValueError:
            place.refuse(repr(value), "an IP address such as 127.0.0.1, ::1, 0.0.0.0 or ::")
            return ""

    def form(self) -> str:
        return "IP address"

    def schema(self) -> Schema:
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values of one kind, read as a tuple; a single value stands for a list of one."""

    kind: Kind

    def read(self, value: Any, place: Place) -> tuple[Any, ...]:
        entries = value if isinstance(value, list) else [value]
        return tuple(self.kind.read(one, place.at(str(i))) for i, one in enumerate(entries))

    def form(self) -> str:
        return f"list of: {self.kind.form()}"

    def schema(self) -> Schema:
        return {"type": "array", "items": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class Table:
    """A map from names that the operator chooses to values of one kind, None for any value."""

    kind: Kind | None = None

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            place.refuse(repr(value), "a map of names to values")
            return {}
        kind = self.kind
        if kind is None:
            return {str(name): one for name, one in value.items()}
        return {str(name): kind.read(one, place.at(str(name))) for name, one in value.items()}

    def form(self) -> str:
        return "map" if self.kind is None else f"map to: {self.kind.form()}"

    def schema(self) -> Schema:
        return {"type": "object"} | (
            {"additionalProperties": self.kind.schema()} if self.kind else {}
        )


@dataclass(frozen=True, slots=True)
class Section:
    """A map with known keys: `record` is a dataclass whose fields were made by `key`.

    `check` looks at the whole of it, once each value is right by itself. `fill`: keys that are
    left out of a section that is given keep the values of the section's own default.
    """

    record: type[Any]
    check: Callable[[Any, Place], None] | None = None
    fill: bool = False

    def read(self, value: Any, place: Place) -> Any:
        if not isinstance(value, dict):
            place.refuse(repr(value), f"a map of {', '.join(key_names(self.record))}")
            return None
        warn_of_unknown_keys(value, key_names(self.record), place)
        read = read_record(self.record, value, place)
        if read is not None and self.check is not None:
            self.check(read, place)
        return read

    def form(self) -> str:
        return f"section {self.record.__name__}"

    def schema(self) -> Schema:
        return record_schema(self.record)


_REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known about one key: kind, help, default as it would be written in the file."""

    kind: Kind
    help: str
    default: Any
    later: bool

    @property
    def required(self) -> bool:
        """True when the file has to say it."""
        return self.default is _REQUIRED


def key(kind: Kind, help: str, *, default: Any = _REQUIRED, later: bool = False) -> Any:  # noqa: A002
    """Declare a key as a dataclass field. `later`: checked, but no feature reads it yet."""
    return field(metadata={"key": Key(kind, help, default, later)})


def key_of(dataclass_field: "Field[Any]") -> Key:
    """The key that a field of a record declares."""
    declared = dataclass_field.metadata["key"]
    assert isinstance(declared, Key)
    return declared


def key_name(attribute: str) -> str:
    """The name in the file: the attribute without the unit that it is read as."""
    return attribute.removesuffix("_ms").removesuffix("_bytes")


def key_names(record: type[Any]) -> tuple[str, ...]:
    """The names of all keys of a record."""
    return tuple(key_name(one.name) for one in fields(record))


def read_record(record: type[Any], values: Mapping[str, Any], place: Place) -> Any:
    """Build `record` from what the file says; None when one of its keys is missing or wrong.

    A key that is absent, or left empty, has its default.
    """
    mistakes_before = len(place.findings.errors)
    read = {one.name: _read_key(one, values, place) for one in fields(record)}
    if len(place.findings.errors) > mistakes_before:
        return None
    return record(**read)


def _read_key(one: "Field[Any]", values: Mapping[str, Any], place: Place) -> Any:
    declared, here = key_of(one), place.at(key_name(one.name))
    value = values.get(key_name(one.name))
    if value is None and declared.required:
        here.findings.errors.append(f"{here.key} is missing: {declared.help}")
        return None
    if value is not None and declared.later:
        here.warn("accepted, but nothing reads it yet")
    if value is None:
        value = declared.default
    elif isinstance(declared.kind, Section) and declared.kind.fill and isinstance(value, dict):
        value = (declared.default or {}) | value
    return None if value is None else declared.kind.read(value, here)


def warn_of_unknown_keys(values: Mapping[Any, Any], known: Sequence[str], place: Place) -> None:
    """Warn of every key in `values` that is not `known`, with the nearest name that is."""
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            place.at(str(name)).warn(f"unknown key, ignored{hint}")


def record_schema(record: type[Any]) -> Schema:
    """JSON Schema of a record, help texts and defaults included."""
    properties = {}
    for one in fields(record):
        declared = key_of(one)
        properties[key_name(one.name)] = {
            "description": declared.help,
            **declared.kind.schema(),
            **(
                {}
                if declared.required or declared.default is None
                else {"default": declared.default}
            ),
        }
    required = [key_name(one.name) for one in fields(record) if key_of(one).required]
    return {"type": "object", "properties": properties} | (
        {"required": required} if required else {}
    )
