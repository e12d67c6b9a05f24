"""Event formats and limits, key validity, property paths and globs: small tables by hand.

Sources: the event format sections of rooms/v1.md … v12.md with their examples,
client-server-api "Size limits", fragments/v5-signing-requirements.md, appendices.md ("Dot-separated
property paths", "Glob-style matching").
"""

from typing import Any

Json = Any
ALL = [str(number) for number in range(1, 13)]
MISSING = object()


def span(first: int, last: int = 12) -> list[str]:
    return ALL[first - 1 : last]


# ---------------------------------------------------------------- event formats

# The examples of the room version pages share these fields.
SPEC_BASE: dict[str, Any] = {
    "room_id": "!UcYsUzyxTGDxLBEvLy:example.org",
    "sender": "@alice:example.com",
    "origin_server_ts": 1404838188000,
    "depth": 12,
    "type": "m.room.message",
    "content": {"key": "value"},
    "hashes": {"sha256": "thishashcoversallfieldsincasethisisredacted"},
    "signatures": {
        "example.com": {
            "ed25519:key_version": "these86bytesofbase64signaturecoveressentialfields"
            "includinghashessocancheckredactedpdus"
        }
    },
    "unsigned": {"age": 4612},
}
PAIR = ["$af232176:example.org", {"sha256": "abase64encodedsha256hashshouldbe43byteslong"}]
HASH_IDS = ["$urlsafe_base64_encoded_eventid", "$a-different-event-id"]
OLD_HASH_IDS = ["$base64encodedeventid", "$adifferenteventid"]

SPEC_EXAMPLES: list[tuple[list[str], dict[str, Any]]] = [
    (
        span(1, 2),
        {
            **SPEC_BASE,
            "event_id": "$a4ecee13e2accdadf56c1025:example.com",
            "auth_events": [PAIR],
            "prev_events": [PAIR],
        },
    ),
    (
        span(3, 3),
        {
            **SPEC_BASE,
            "auth_events": OLD_HASH_IDS,
            "prev_events": OLD_HASH_IDS,
            "redacts": "$some/old+event",
        },
    ),
    (
        span(4, 10),
        {
            **SPEC_BASE,
            "auth_events": HASH_IDS,
            "prev_events": HASH_IDS,
            "redacts": "$some-old_event",
        },
    ),
    (span(11, 11), {**SPEC_BASE, "auth_events": HASH_IDS, "prev_events": HASH_IDS}),
    (
        span(12),
        {
            **SPEC_BASE,
            "auth_events": HASH_IDS,
            "prev_events": HASH_IDS,
            "room_id": "!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ",
        },
    ),
]


def _references(count: int, versions: list[str]) -> list[Any]:
    ids = [f"$event{number}:example.org" for number in range(count)]
    return [[one, {"sha256": "x"}] for one in ids] if versions[0] == "1" else ids


Change = tuple[str, list[str], dict[str, Any], bool]  # name, versions, changed fields, valid


def _changes(versions: list[str]) -> list[Change]:
    """What is done to the example of these versions, and whether it stays an event."""
    required = ["sender", "origin_server_ts", "type", "content", "depth", "hashes", "signatures"]
    required += ["auth_events", "prev_events", "room_id"]
    if versions[0] == "1":
        required.append("event_id")
    changes: list[Change] = [("as it stands", versions, {}, True)]
    changes += [(f"without {name}", versions, {name: MISSING}, False) for name in required]
    changes += [
        (f"{name} is {label}", versions, {name: value}, False)
        for name, label, value in (
            ("sender", "a number", 7),
            ("sender", "no user ID", "alice"),
            ("type", "null", None),
            ("content", "a list", []),
            ("content", "text", "x"),
            ("origin_server_ts", "text", "1"),
            ("depth", "text", "12"),
            ("depth", "a boolean", True),
            ("hashes", "a list", []),
            ("hashes", "without sha256", {"md5": "x"}),
            ("hashes", "with a number", {"sha256": 1}),
            ("signatures", "a list", []),
            ("signatures", "flat", {"example.com": "x"}),
            ("signatures", "with a number", {"example.com": {"ed25519:1": 1}}),
            ("auth_events", "an object", {}),
            ("prev_events", "text", "$x"),
            ("prev_events", "a list of numbers", [1]),
            ("state_key", "a number", 1),
            ("state_key", "null", None),
            ("unsigned", "a list", []),
            ("room_id", "a number", 1),
            ("room_id", "no room ID", "room"),
        )
    ]
    changes += [
        (f"{name} of {count}", versions, {name: _references(count, versions)}, count <= limit)
        for name, limit in (("prev_events", 20), ("auth_events", 10))
        for count in (0, limit, limit + 1)
    ]
    wrong_shape = HASH_IDS if versions[0] == "1" else [PAIR]
    changes.append(
        ("auth_events of another version", versions, {"auth_events": wrong_shape}, False)
    )
    return changes + _limits(versions)


def _limits(versions: list[str]) -> list[Change]:
    strict = int(versions[0]) >= 6
    greatest = 2**53 - 1 if strict else 2**63 - 1
    changes: list[Change] = [
        ("the greatest depth", versions, {"depth": greatest}, True),
        ("beyond the greatest depth", versions, {"depth": greatest + 1}, False),
        ("a fraction in content", versions, {"content": {"a": 1.5}}, not strict),
        ("an integer of 54 bits in content", versions, {"content": {"a": 2**53}}, not strict),
    ]
    for name in ("type", "state_key"):
        changes += [
            (f"{name} of 255 bytes", versions, {name: "x" * 255}, True),
            (f"{name} of 256 bytes", versions, {name: "x" * 256}, False),
            (f"{name} of 254 bytes in 127 characters", versions, {name: "ä" * 127}, True),
            (f"{name} of 256 bytes in 128 characters", versions, {name: "ä" * 128}, False),
        ]
    sender = "@{}:example.com"
    changes += [
        ("sender of 255 bytes", versions, {"sender": sender.format("x" * 242)}, True),
        ("sender of 256 bytes", versions, {"sender": sender.format("x" * 243)}, False),
        ("historical sender", versions, {"sender": "@Old Style:example.com"}, True),
    ]
    if versions != ["12"]:
        room_id = "!{}:example.com"
        changes += [
            ("room_id of 255 bytes", versions, {"room_id": room_id.format("x" * 242)}, True),
            ("room_id of 256 bytes", versions, {"room_id": room_id.format("x" * 243)}, False),
        ]
    if int(versions[0]) <= 10:
        changes.append(("redacts is a number", versions, {"redacts": 1}, False))
    if versions == ["12"]:
        create = {"type": "m.room.create", "state_key": "", "prev_events": [], "auth_events": []}
        changes.append(("create without room_id", versions, {**create, "room_id": MISSING}, True))
    return changes


def event_format() -> Json:
    """The examples of the room version pages, changed in one thing each."""
    cases = []
    for versions, _ in SPEC_EXAMPLES:
        # Versions 4 and 5 take more numbers than 6 to 10, whose example is the same.
        for part in (versions[:2], versions[2:]) if versions[0] == "4" else (versions,):
            for name, fitting, change, valid in _changes(part):
                fields = {key: value for key, value in change.items() if value is not MISSING}
                dropped = [key for key, value in change.items() if value is MISSING]
                cases.append(
                    {
                        "name": name,
                        "versions": fitting,
                        "set": fields,
                        "drop": dropped,
                        "valid": valid,
                    }
                )
    examples = {version: example for versions, example in SPEC_EXAMPLES for version in versions}
    return {"format": "event_format", "examples": examples, "cases": cases}


# ---------------------------------------------------------------- validity of signing keys

DAY_MS = 24 * 60 * 60 * 1000


def _key_case(name: str, until_4: bool, from_5: bool, sent: int, **key: int) -> list[Json]:
    return [
        {"name": name, "versions": versions, "origin_server_ts": sent, "key": key, "valid": valid}
        for versions, valid in ((span(1, 4), until_4), (span(5), from_5))
    ]


def key_validity() -> Json:
    """When a server's key may have signed an event; `fetched_ts` is when it was last seen."""
    now = 1_700_000_000_000
    soon, far = now + DAY_MS, now + 30 * DAY_MS
    cases = [
        *_key_case("sent before valid_until_ts", True, True, now, fetched_ts=now,
                   valid_until_ts=soon),
        *_key_case("sent at valid_until_ts", True, True, soon, fetched_ts=now,
                   valid_until_ts=soon),
        *_key_case("sent after valid_until_ts", True, False, soon + 1, fetched_ts=now,
                   valid_until_ts=soon),
        *_key_case("7 days after it was seen", True, True, now + 7 * DAY_MS, fetched_ts=now,
                   valid_until_ts=far),
        *_key_case("more than 7 days after it was seen", True, False, now + 7 * DAY_MS + 1,
                   fetched_ts=now, valid_until_ts=far),
        *_key_case("an old key, sent before it expired", True, True, now, fetched_ts=soon,
                   valid_until_ts=0, expired_ts=now),
        *_key_case("an old key, sent after it expired", False, False, now + 1, fetched_ts=soon,
                   valid_until_ts=far, expired_ts=now),
    ]  # fmt: skip
    return {"format": "key_validity", "cases": cases}


# ---------------------------------------------------------------- paths and globs


def patterns() -> Json:
    """Property paths into their names; globs and what they match as a whole."""
    return {
        "format": "patterns",
        "paths": [
            ["content.body", ["content", "body"]],
            ["content.m\\.relates_to", ["content", "m.relates_to"]],
            ["content.m\\\\foo", ["content", "m\\foo"]],
            ["content.\\x", ["content", "\\x"]],
            ["type", ["type"]],
            ["", [""]],
            ["a..b", ["a", "", "b"]],
            ["a.", ["a", ""]],
            ["a\\", ["a\\"]],
            ["a\\\\.b", ["a\\", "b"]],
        ],
        "globs": [
            ["*", "", True],
            ["*", "anything", True],
            ["?", "a", True],
            ["?", "", False],
            ["?", "ab", False],
            ["a*c", "ac", True],
            ["a*c", "abbbc", True],
            ["a*c", "abcd", False],
            ["a?c", "abc", True],
            ["a?c", "ac", False],
            ["**", "x", True],
            ["*?*", "", False],
            ["*a*b*", "xxaxxbxx", True],
            ["*a*b*", "xxbxxaxx", False],
            ["m.room.*", "m.room.member", True],
            ["m.room.*", "mxroom.member", False],
            ["[ab]", "a", False],
            ["[ab]", "[ab]", True],
            ["a\\*", "a*", False],
            ["?", "😀", True],
        ],
    }
