"""Spec: rooms/#feature-matrix and the pages of the versions."""

import pytest

from chat.protocol.errors import UnsupportedRoomVersion
from chat.protocol.room_versions import ROOM_VERSIONS, EventIdFormat, StateResolution, rules_for

ALL = [str(number) for number in range(1, 13)]
FROM: dict[str, int] = {
    "enforce_key_validity": 5,
    "strict_canonical_json": 6,
    "notification_levels_checked": 6,
    "knocking": 7,
    "restricted_joins": 8,
    "knock_restricted_joins": 10,
    "integer_power_levels": 10,
    "creator_is_sender": 11,
    "redacts_in_content": 11,
    "hashed_room_id": 12,
    "privileged_creators": 12,
}
UNTIL: dict[str, int] = {
    "hashed_references": 2,
    "redactions_authorised": 2,
    "aliases_authorised": 5,
}


def test_versions_1_to_12_are_known() -> None:
    assert list(ROOM_VERSIONS) == ALL
    assert all(rules_for(version).version == version for version in ALL)


@pytest.mark.parametrize(("flag", "first"), FROM.items())
def test_features_that_came(flag: str, first: int) -> None:
    assert [int(v) for v in ALL if getattr(rules_for(v), flag)] == list(range(first, 13))


@pytest.mark.parametrize(("flag", "last"), UNTIL.items())
def test_features_that_went(flag: str, last: int) -> None:
    assert [int(v) for v in ALL if getattr(rules_for(v), flag)] == list(range(1, last + 1))


def test_algorithms_and_formats() -> None:
    resolutions = [rules_for(v).state_resolution for v in ALL]
    assert resolutions == [
        StateResolution.V1,
        *[StateResolution.V2] * 10,
        StateResolution.V2_1,
    ]
    formats = [rules_for(v).event_id_format for v in ALL]
    assert formats == [
        *[EventIdFormat.DOMAIN] * 2,
        EventIdFormat.BASE64,
        *[EventIdFormat.URL_SAFE_BASE64] * 9,
    ]
    assert [rules_for(v).max_depth for v in ALL] == [2**63 - 1] * 5 + [2**53 - 1] * 7


@pytest.mark.parametrize(
    "version", ["", "0", "13", "1.0", "org.example", 1, None, [], {}, "x" * 9999]
)
def test_other_versions_are_unsupported(version: object) -> None:
    with pytest.raises(UnsupportedRoomVersion):
        rules_for(version)
