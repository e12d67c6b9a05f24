"""The configuration: what is read, what is refused, and what the operator is told."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from chat.config import describe
from chat.config.kinds import key_name, key_names, key_of
from chat.config.load import ConfigError, load, parse
from chat.config.model import COMING, WITHOUT_EFFECT, Config

FOLDER = Path("/etc/chat")
MINIMAL: dict[str, Any] = {"server_name": "example.org"}
WRONG_VALUES: dict[str, list[Any]] = {
    "server_name": ["", "exa mple", "example.org:99999999", "@alice:example.org", 7, ["a"]],
    "public_baseurl": ["example.org", "ftp://example.org", "https://", "https://[", 8],
    "default_identity_server": ["id.example.org"],
    "serve_server_wellknown": ["yes", 1],
    "extra_well_known_client_content": ["x", [1]],
    "listeners": [
        [{}],
        [{"port": 0}],
        [{"port": 65536}],
        [{"port": "8008"}],
        [{"port": True}],
        [{"port": 8008, "path": "socket"}],
        [{"port": 8008, "bind_addresses": ["localhost"]}],
        [{"port": 8008, "tls": "on"}],
        [{"port": 8008, "type": "https"}],
        [{"port": 8008, "resources": [{"names": ["clients"]}]}],
        [{"port": 8008, "resources": [{}]}],
        [{"port": 8008, "bind_addresses": ["::1"]}, {"port": 8008, "bind_address": "::1"}],
        ["8008"],
        7,
    ],
    "pid_file": [3, "a\0b"],
    "soft_file_limit": [-1, "many"],
    "log_level": ["LOUD", 10],
    "database": [
        {"name": "mysql"},
        {"name": "sqlite3"},
        {"name": "sqlite3", "args": {"database": 7}},
        {"name": "psycopg2", "args": {"cp_min": 0}},
        {"name": "psycopg2", "args": {"cp_max": "ten"}},
        {"name": "psycopg2", "args": {"cp_min": 9, "cp_max": 3}},
        {"name": "psycopg2", "args": ["a"]},
        {},
        "homeserver.db",
    ],
    "caches": [{"global_factor": -1}, {"global_factor": "big"}, 3],
    "enable_registration": ["true", True],  # true alone does not say how abuse is kept out
    "registration_shared_secret": [12345],
    "bcrypt_rounds": [3, 32, 12.0, "12"],
    "password_config": [{"enabled": "no"}, {"pepper": 7}, {"policy": {"minimum_length": -1}}],
    "session_lifetime": ["5 minutes", "-1s", -1, 1.5, True],
    "refresh_token_lifetime": ["1M"],
    "default_room_version": ["0", "13", 12],
    "presence": [{"enabled": "no"}, True],
    "max_upload_size": ["50MB", "50m", "fifty", -5],
    "max_image_pixels": ["32 megapixels"],
    "thumbnail_sizes": [[{"width": 0, "height": 1, "method": "crop"}], [{"width": 32}]],
    "alias_creation_rules": [[{"action": "maybe"}]],
    "rc_message": [{"per_second": -0.1}, {"burst_count": 1.5}, {"per_second": "0.2"}, 5],
    "rc_login": [{"address": {"per_second": "x"}}, {"failed_attempts": 1}],
    "rc_joins": [{"local": {"burst_count": -1}}],
    "rc_federation": [{"window_size": "x"}, {"concurrent": 0}],
    "trusted_key_servers": [[{}], [{"server_name": "a b"}], "matrix.org"],
    "ip_range_blacklist": [["10.0.0.0/99"], ["localhost"], [10]],
}


def config(**values: Any) -> Config:
    return parse(MINIMAL | values, FOLDER)[0]


def errors(**values: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(MINIMAL | values, FOLDER)
    return refused.value.errors


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG_VALUES.items() for value in values]
)
def test_wrong_values_are_refused_with_their_key(key: str, value: Any) -> None:
    (first, *_) = errors(**{key: value})
    assert first.startswith(key)


def test_a_refusal_names_key_value_and_what_is_allowed() -> None:
    assert errors(rc_login={"address": {"per_second": "fast"}}) == (
        "rc_login.address.per_second: 'fast' is not allowed: give a number of at least 0",
    )


def test_all_mistakes_are_named_at_once() -> None:
    values = {key: wrong[0] for key, wrong in WRONG_VALUES.items() if key != "enable_registration"}
    named = {error.split(":")[0].split(".")[0].split(" ")[0] for error in errors(**values)}
    assert named == set(values)


def test_secrets_are_not_shown() -> None:
    (error,) = errors(registration_shared_secret=["hunter2"])
    assert "hunter2" not in error


def test_the_server_name_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="server_name is missing"):
        parse({}, FOLDER)


@pytest.mark.parametrize(
    "name", ["example.org", "localhost:8448", "192.0.2.1", "[2001:db8::1]:8448", "a-b.example"]
)
def test_server_names_are_accepted(name: str) -> None:
    assert config(server_name=name).server_name == name


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [(250, 250), ("250", 250), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000),
     ("1d", 86_400_000), ("1w", 604_800_000), ("1y", 31_536_000_000)],
)  # fmt: skip
def test_durations_are_read_as_milliseconds(written: Any, milliseconds: int) -> None:
    assert config(session_lifetime=written).session_lifetime_ms == milliseconds


@pytest.mark.parametrize(
    ("written", "size"),
    [(1000, 1000), ("7", 7), ("512K", 524_288), ("50M", 52_428_800), ("1G", 1_073_741_824)],
)
def test_sizes_are_read_as_bytes(written: Any, size: int) -> None:
    assert config(max_upload_size=written).max_upload_size_bytes == size


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "homeserver.yaml").write_text("server_name: example.org\nmedia_store_path: media\n")
    read = load([tmp_path / "homeserver.yaml"], {}).config
    assert read.media_store_path == tmp_path / "media"
    assert read.signing_key_path == tmp_path / "example.org.signing.key"
    assert read.database.args["database"] == str(tmp_path / "homeserver.db")


def test_absolute_paths_stay() -> None:
    assert config(media_store_path="/srv/media").media_store_path == Path("/srv/media")


def test_later_files_replace_whole_keys_of_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "server_name: example.org\nbcrypt_rounds: 10\npassword_config: {pepper: salt}\n"
    )
    (tmp_path / "b.yaml").write_text("bcrypt_rounds: 8\npassword_config: {enabled: false}\n")
    read = load([tmp_path / "a.yaml", tmp_path / "b.yaml"], {}).config
    assert (read.server_name, read.bcrypt_rounds) == ("example.org", 8)
    assert (read.password_config.enabled, read.password_config.pepper) == (False, "")


@pytest.mark.parametrize("text", ["- a list", "a: b: c", "\x00", "just text", ""])
def test_files_that_are_no_configuration_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "homeserver.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"homeserver\.yaml"):
        load([tmp_path / "homeserver.yaml"], {})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load([tmp_path / "absent.yaml"], {})


@pytest.mark.parametrize(
    ("values", "nearest"),
    [
        ({"rc_mesage": 1}, "rc_mesage: unknown key, ignored; did you mean rc_message?"),
        ({"presence": {"enable": 1}}, "presence.enable: unknown key, ignored; did you mean enabled?"),  # noqa: E501
        ({"zzz": 1}, "zzz: unknown key, ignored"),
    ],
)  # fmt: skip
def test_unknown_keys_are_named_with_the_nearest_name(values: dict[str, Any], nearest: str) -> None:
    assert parse(MINIMAL | values, FOLDER)[1] == [nearest]


def test_keys_whose_feature_comes_later_are_named_once() -> None:
    values = {"email": {}, "gc_thresholds": [], "user_agent_suffix": "x"}
    _, warnings = parse(MINIMAL | values, FOLDER)
    assert sorted(warning.split(":")[0] for warning in warnings) == [
        "email",
        "gc_thresholds",
        "user_agent_suffix",
    ]


def test_an_empty_key_has_its_default() -> None:
    assert config(bcrypt_rounds=None, presence=None) == config()


def test_half_a_rate_limit_keeps_the_other_half() -> None:
    limits = config(rc_message={"per_second": 9}, rc_joins={"local": {"burst_count": 3}})
    assert (limits.rc_message.per_second, limits.rc_message.burst_count) == (9.0, 10)
    assert (limits.rc_joins.local.per_second, limits.rc_joins.local.burst_count) == (0.1, 3)


def test_the_environment_decides_the_cache_factor() -> None:
    read, _ = parse(MINIMAL | {"caches": {"global_factor": 1}}, FOLDER, {"CHAT_CACHE_FACTOR": "3"})
    assert read.caches.global_factor == 3.0
    with pytest.raises(ConfigError, match="CHAT_CACHE_FACTOR"):
        parse(MINIMAL, FOLDER, {"CHAT_CACHE_FACTOR": "much"})


@pytest.mark.parametrize(
    "safeguard",
    [
        {"enable_registration_without_verification": True},
        {"registration_requires_token": True},
        {"enable_registration_captcha": True},
        {"registrations_require_3pid": ["email"]},
    ],
)
def test_open_registration_needs_a_safeguard_or_a_confirmation(safeguard: dict[str, Any]) -> None:
    assert config(enable_registration=True, **safeguard).enable_registration


def test_tls_needs_certificate_and_key(tmp_path: Path) -> None:
    tls = [{"port": 8448, "tls": True}]
    assert len(errors(listeners=tls)) == 2
    absent = str(tmp_path / "absent.pem")
    named = errors(listeners=tls, tls_certificate_path=absent, tls_private_key_path=absent)
    assert all(absent in error for error in named)


def test_the_shared_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    read = config(registration_shared_secret_path=str(tmp_path / "secret"))
    assert read.registration_shared_secret == "from the file"


@pytest.mark.parametrize(
    ("names", "brought"),
    [
        (["client"], {"client", "health", "media", "static"}),
        (["federation"], {"federation", "health", "keys", "media", "openid"}),
        (["metrics"], {"health", "metrics"}),
    ],
)
def test_resources_bring_what_belongs_to_them(names: list[str], brought: set[str]) -> None:
    (listener,) = config(listeners=[{"port": 1, "resources": [{"names": names}]}]).listeners
    assert listener.serves == brought


def test_a_file_in_synapse_s_form_is_read() -> None:
    path = Path(__file__).with_name("synapse_style.yaml")
    loaded = load([path], {})
    assert loaded.config.listeners[1].addresses == ("::1", "127.0.0.1")
    assert loaded.config.database.cp_max == 20
    assert loaded.config.rc_login.failed_attempts.per_second == 0.17
    assert not [warning for warning in loaded.warnings if "unknown" in warning]


def test_every_key_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs/config.md").read_text(encoding="utf-8")
    assert documented == describe.markdown()
    for name in (*key_names(Config), *COMING, *WITHOUT_EFFECT):
        assert f"| `{name}` |" in documented


def test_every_heading_of_the_documentation_stands_before_a_key() -> None:
    assert set(describe.HEADINGS) <= {one.name for one in fields(Config)}


def test_each_name_stands_in_one_place_only() -> None:
    names = [*key_names(Config), *COMING, *WITHOUT_EFFECT]
    assert len(names) == len(set(names))


def test_keys_without_a_default_may_be_none() -> None:
    for one in fields(Config):
        if not key_of(one).required and key_of(one).default is None:
            assert type(None) in get_args(one.type), key_name(one.name)


def test_the_schema_accepts_the_defaults_and_refuses_wrong_values() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(describe.schema())
    path = Path(__file__).with_name("synapse_style.yaml")
    assert not list(validator.iter_errors(yaml.safe_load(path.read_text())))
    assert list(validator.iter_errors(MINIMAL | {"bcrypt_rounds": 3}))
    assert list(validator.iter_errors({}))


def test_a_key_that_nothing_reads_says_so() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[2] / "impl/chat").rglob("*.py")
        if path.name not in ("kinds.py", "describe.py")
    )
    unread = [
        f"{record.__name__}.{one.name}"
        for record in describe.sections(Config, with_later=False)
        for one in fields(record)
        if not key_of(one).later
        and not key_of(one).help.startswith("Accepted")
        and not re.search(rf'\.{one.name}\b|"{one.name}"', code)
    ]
    assert unread == []
