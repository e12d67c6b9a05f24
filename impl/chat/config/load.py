"""From configuration files to a `Config`: merge, read, check, and tell everything at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from chat.config.kinds import Findings, Place, key_names, key_of, read_record, warn_of_unknown_keys
from chat.config.model import COMING, WITHOUT_EFFECT, Config

CONFIG_VARIABLE = "CHAT_CONFIG"
CACHE_FACTOR_VARIABLE = "CHAT_CACHE_FACTOR"


class ConfigError(Exception):
    """The configuration cannot be used; `errors` holds one sentence per mistake."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and what its operator should be told once, at start."""

    config: Config
    warnings: tuple[str, ...]
    paths: tuple[Path, ...]


def load(paths: Sequence[Path], environment: Mapping[str, str]) -> Loaded:
    """Read the files, later ones overriding earlier ones key by key at the top level.

    Relative paths are relative to the folder of the first file. Raises ConfigError.
    """
    values: dict[str, Any] = {}
    for path in paths:
        values |= _read_yaml(path)
    config, warnings = parse(values, paths[0].absolute().parent, environment)
    return Loaded(config, tuple(warnings), tuple(path.absolute() for path in paths))


def parse(
    values: Mapping[str, Any], folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[Config, list[str]]:
    """Read what one file says: the Config, and warnings. Raises ConfigError with every mistake."""
    findings = Findings()
    place = Place("", folder, findings)
    _warn_of_names(values, place)
    complete = _with_cache_factor(_with_derived_defaults(values), environment or {})
    config = read_record(Config, complete, place)
    if config is not None:
        findings.errors.extend(_contradictions(config))
    if findings.errors:
        raise ConfigError(findings.errors)
    assert isinstance(config, Config)
    return _with_secret_from_file(config), findings.warnings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([f"{path} cannot be read: {error}"]) from error
    if not isinstance(values, dict):
        raise ConfigError([f"{path} does not hold `key: value` lines"])
    return values


def _warn_of_names(values: Mapping[str, Any], place: Place) -> None:
    """Warn of keys that are accepted without doing anything, and of those nobody knows."""
    for name in values:
        if name in COMING:
            place.at(name).warn(f"accepted, but not there yet: {COMING[name]}")
        elif name in WITHOUT_EFFECT:
            place.at(name).warn(f"accepted, but means nothing here: {WITHOUT_EFFECT[name]}")
    warn_of_unknown_keys(values, (*key_names(Config), *COMING, *WITHOUT_EFFECT), place)


def _with_derived_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults that are made of the server's name."""
    complete = dict(values)
    name = values.get("server_name")
    for one in fields(Config):
        default = key_of(one).default
        if values.get(one.name) is None and "<server_name>" in str(default):
            complete[one.name] = default.replace("<server_name>", str(name))
    return complete


def _with_cache_factor(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Let the environment decide the caches' size."""
    text = environment.get(CACHE_FACTOR_VARIABLE)
    if text is None:
        return values
    try:
        factor = float(text)
    except ValueError as error:
        raise ConfigError([f"{CACHE_FACTOR_VARIABLE}: {text!r} is not a number"]) from error
    caches = values.get("caches") or {}
    if not isinstance(caches, dict):  # reported when it is read
        return values
    return values | {"caches": caches | {"global_factor": factor}}


def _contradictions(config: Config) -> Iterator[str]:
    """Sentences on keys that are right by themselves but not together."""
    yield from _open_registration(config)
    yield from _missing_certificates(config)
    yield from _shared_addresses(config)
    tuning = config.caches.cache_autotuning
    if tuning and tuning.target_cache_memory_usage_bytes > tuning.max_cache_memory_usage_bytes:
        yield (
            "caches.cache_autotuning.target_cache_memory_usage: must not exceed"
            " max_cache_memory_usage"
        )
    if config.database.cp_min > config.database.cp_max:
        yield "database.args.cp_min: must not exceed cp_max"


def _open_registration(config: Config) -> Iterator[str]:
    verified = (
        config.registration_requires_token
        or config.enable_registration_captcha
        or config.registrations_require_3pid
    )
    confirmed = verified or config.enable_registration_without_verification
    if config.enable_registration and not confirmed:
        yield (
            "enable_registration: true lets anybody in, abusers too: ask for a token "
            "(registration_requires_token: true), or confirm with "
            "enable_registration_without_verification: true"
        )


def _missing_certificates(config: Config) -> Iterator[str]:
    if not any(listener.tls for listener in config.listeners):
        return
    for name in ("tls_certificate_path", "tls_private_key_path"):
        path = getattr(config, name)
        if path is None:
            yield f"{name} is missing: a listener has tls: true"
        elif not path.is_file():
            yield f"{name}: {str(path)!r} is not a file"


def _shared_addresses(config: Config) -> Iterator[str]:
    seen: set[tuple[str, int | None]] = set()
    for listener in config.listeners:
        for address in listener.addresses:
            if (address, listener.port) in seen:
                yield f"listeners: {address} port {listener.port} is given twice"
            seen.add((address, listener.port))


def _with_secret_from_file(config: Config) -> Config:
    """Take registration_shared_secret from its file where the configuration names one."""
    path = config.registration_shared_secret_path
    if path is None or not path.is_file():
        return config
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"registration_shared_secret_path: {error}"]) from error
    return replace(config, registration_shared_secret=secret)
