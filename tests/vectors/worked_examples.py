"""Vectors that carry the spec's own numbers and JSON, and hand-written ones beside them.

Sources: appendices.md (canonical JSON, base64, signing, identifiers), rooms/v1.md … v12.md
(redactions, event IDs).
"""

import base64
import hashlib
from typing import Any

import naive_json

Json = Any
ALL = [str(number) for number in range(1, 13)]


def span(first: int, last: int = 12) -> list[str]:
    return ALL[first - 1 : last]


# ---------------------------------------------------------------- canonical JSON

SPEC_CANONICAL = [
    ("{}", "{}"),
    ('{\n    "one": 1,\n    "two": "Two"\n}', '{"one":1,"two":"Two"}'),
    ('{\n    "b": "2",\n    "a": "1"\n}', '{"a":"1","b":"2"}'),
    ('{"b":"2","a":"1"}', '{"a":"1","b":"2"}'),
    (
        '{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": '
        '"John Doe", "three_pids": [{"medium": "email", "address": "john.doe@example.org"}, '
        '{"medium": "msisdn", "address": "123456789"}]}}}',
        '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids"'
        ':[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":'
        '"msisdn"}]},"success":true}}',
    ),
    ('{\n    "a": "日本語"\n}', '{"a":"日本語"}'),
    ('{\n    "本": 2,\n    "日": 1\n}', '{"日":1,"本":2}'),
    ('{\n    "a": "\\u65E5"\n}', '{"a":"日"}'),
    ('{\n    "a": null\n}', '{"a":null}'),
    ('{\n    "a": -0,\n    "b": 1e10\n}', '{"a":0,"b":10000000000}'),
]

OTHER_CANONICAL = [
    (
        "control characters",
        '"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f"',
        '"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f"',
    ),
    ("escapes that need none", '"\\/\\u0041\\u007f\\u2028"', '"/A\x7f\u2028"'),
    ("quotation mark and backslash", '"\\"\\\\"', '"\\"\\\\"'),
    ("upper-case escape", '"\\u001F"', '"\\u001f"'),
    ("a surrogate pair", '"\\ud83d\\ude00"', '"😀"'),
    (
        "keys by code point, not by UTF-16",
        '{"😀": 1, "\uffff": 2, "a": 3}',
        '{"a":3,"\uffff":2,"😀":1}',
    ),
    ("keys that are prefixes", '{"aa": 1, "a": 2, "": 3}', '{"":3,"a":2,"aa":1}'),
    ("upper case before lower case", '{"b": 1, "B": 2, "_": 3}', '{"B":2,"_":3,"b":1}'),
    ("a duplicate key: the last wins", '{"a": 1, "a": 2}', '{"a":2}'),
    ("the greatest integer", "9007199254740991", "9007199254740991"),
    ("the least integer", "-9007199254740991", "-9007199254740991"),
    ("nested empty values", '[[], {}, "", [[]]]', '[[],{},"",[[]]]'),
    ("white space", " [ 1 ,\t2 ,\r\n3 ] ", "[1,2,3]"),
]

# Not canonical: refused where a room version is strict (6 and later), tolerated before.
LENIENT_ONLY = [
    ("one above the greatest integer", "9007199254740992", "9007199254740992"),
    ("one below the least integer", "-9007199254740992", "-9007199254740992"),
    ("an integer of 65 bits", "36893488147419103232", "36893488147419103232"),
    ("a fraction", "1.5", "1.5"),
    ("a fraction deep inside", '{"a": [{"b": 0.25}]}', '{"a":[{"b":0.25}]}'),
]

NEVER = [
    ("a lone high surrogate", '"\\ud800"'),
    ("a lone low surrogate in a key", '{"\\udc00": 1}'),
    ("NaN", "NaN"),
    ("Infinity", "Infinity"),
    ("minus Infinity", "-Infinity"),
    ("a trailing comma", "[1,]"),
    ("a single quote", "{'a': 1}"),
    ("two values", "1 2"),
    ("nothing", ""),
    ("a leading zero", "01"),
    ("a plus sign", "+1"),
    ("a raw control character", '"\n"'),
    ("an unfinished object", '{"a": 1'),
    ("an unknown escape", '"\\x41"'),
]


def canonical_json() -> Json:
    """Input text → canonical text; `strict` and `lenient` say which encoder accepts it."""
    cases = [
        {
            "name": f"appendices, example {number}",
            "input": text,
            "canonical": canonical,
            "strict": True,
            "lenient": True,
        }
        for number, (text, canonical) in enumerate(SPEC_CANONICAL, start=1)
    ]
    cases += [
        {"name": name, "input": text, "canonical": canonical, "strict": True, "lenient": True}
        for name, text, canonical in OTHER_CANONICAL
    ]
    cases += [
        {"name": name, "input": text, "canonical": canonical, "strict": False, "lenient": True}
        for name, text, canonical in LENIENT_ONLY
    ]
    cases += [
        {"name": name, "input": text, "canonical": None, "strict": False, "lenient": False}
        for name, text in NEVER
    ]
    return {"format": "canonical_json", "cases": cases}


# ---------------------------------------------------------------- base64, hashes, signatures

SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"

MINIMAL_EVENT = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE_EVENT = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}
SIGNED_OBJECT = {
    "name": "example.org",
    "signing_keys": {"ed25519:1": "XSl0kuyvrXNj6A+7/tkrB9sxSbRi08Of5uRhxOqZtEQ"},
    "unsigned": {"age_ts": 922834800000},
    "signatures": {
        "example.org": {
            "ed25519:1": "s76RUgajp8w172am0zQb/iPTHsRnb4SkrzGoeCOSFfcBY2V/1c8QfrmdXHpvnc2jK5BD1WiJ"
            "IxiMW95fMjK7Bw"
        }
    },
}


def _event_id(redacted: dict[str, Any], *, url_safe: bool) -> str:
    """The event ID of an event redacted by hand: "$" and the hash of what is left."""
    left = {key: value for key, value in redacted.items() if key not in ("signatures", "unsigned")}
    digest = hashlib.sha256(naive_json.encode(left)).digest()
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    return "$" + encode(digest).decode().rstrip("=")


def _event_id_cases() -> list[Json]:
    message = {
        "type": "m.room.message",
        "room_id": "!room:example.org",
        "sender": "@alice:example.org",
        "origin": "example.org",
        "origin_server_ts": 1000000,
        "content": {"body": "hello", "msgtype": "m.text"},
        "depth": 7,
        "prev_events": ["$prev"],
        "auth_events": ["$create", "$power", "$member"],
        "hashes": {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},
        "signatures": {"example.org": {"ed25519:1": "AAAA"}},
        "unsigned": {"age": 5},
        "extra": "not protected",
    }
    until_10 = {key: value for key, value in message.items() if key != "extra"} | {"content": {}}
    from_11 = {key: value for key, value in until_10.items() if key != "origin"}
    create = {
        "type": "m.room.create",
        "state_key": "",
        "sender": "@alice:example.org",
        "origin_server_ts": 1000000,
        "content": {"room_version": "12", "org.example.salt": "日", "predecessor": {}},
        "depth": 1,
        "prev_events": [],
        "auth_events": [],
        "hashes": {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"},
        "signatures": {},
    }
    return [
        {
            "name": "message",
            "versions": ["3"],
            "event": message,
            "event_id": _event_id(until_10, url_safe=False),
        },
        {
            "name": "message",
            "versions": span(4, 10),
            "event": message,
            "event_id": _event_id(until_10, url_safe=True),
        },
        {
            "name": "message",
            "versions": span(11),
            "event": message,
            "event_id": _event_id(from_11, url_safe=True),
        },
        {
            "name": "create keeps its whole content",
            "versions": ["12"],
            "event": create,
            "event_id": _event_id(create, url_safe=True),
        },
        {
            "name": "an event that brings its ID",
            "versions": ["1", "2"],
            "event": {**message, "event_id": "$chosen:example.org"},
            "event_id": "$chosen:example.org",
        },
    ]


def signing() -> Json:
    """The appendices' test vectors: base64, signed JSON, hashed and signed events."""
    return {
        "format": "signing",
        "seed": SEED,
        "server": "domain",
        "key_id": "ed25519:1",
        "base64": [
            ["", ""],
            ["f", "Zg"],
            ["fo", "Zm8"],
            ["foo", "Zm9v"],
            ["foob", "Zm9vYg"],
            ["fooba", "Zm9vYmE"],
            ["foobar", "Zm9vYmFy"],
        ],
        "objects": [
            {
                "name": "empty object",
                "object": {},
                "signature": "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4a"
                "hLwYGYZzuHGZKM5ZAQ",
            },
            {
                "name": "object with data",
                "object": {"one": 1, "two": "Two"},
                "signature": "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6k"
                "YdD13EIMJpvhJI+6Bw",
            },
        ],
        "events": [
            {
                "name": "minimally-sized event",
                "versions": span(1, 10),
                "event": MINIMAL_EVENT,
                "sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
                "signature": "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjA"
                "WbOoMszkwsQma+lYAg",
            },
            {
                "name": "event with redactable content",
                "versions": span(1, 10),
                "event": REDACTABLE_EVENT,
                "sha256": "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
                "signature": "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eY"
                "HYMGCA5McEiVPdhzBA",
            },
        ],
        "signed_objects": [{"name": "key object of the appendices", "object": SIGNED_OBJECT}],
        "event_ids": _event_id_cases(),
    }


# ---------------------------------------------------------------- redaction

ALWAYS_KEPT = [
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
]
KEPT_UNTIL_10 = ["prev_state", "origin", "membership"]

POWER_KEYS = [
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
]
POWER_CONTENT = {
    **dict.fromkeys([*POWER_KEYS[:1], *POWER_KEYS[2:6], "users_default", "invite"], 50),
    "events": {"m.room.name": 100},
    "users": {"@a:example.org": 100},
    "notifications": {"room": 20},
    "custom": 1,
}
MEMBER_CONTENT = {
    "membership": "invite",
    "displayname": "A",
    "avatar_url": "mxc://example.org/a",
    "reason": "why",
    "join_authorised_via_users_server": "@a:example.org",
    "third_party_invite": {"display_name": "A", "signed": {"mxid": "@a:example.org"}},
}


def _only(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: content[name] for name in names}


# event type → whole content, then (first version, what is kept from it on)
REDACTED: dict[str, tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]] = {
    "m.room.message": ({"body": "x", "membership": "join", "creator": "y"}, [(1, {})]),
    "m.room.topic": ({"topic": "x"}, [(1, {})]),
    "m.room.member": (
        MEMBER_CONTENT,
        [
            (1, _only(MEMBER_CONTENT, "membership")),
            (9, _only(MEMBER_CONTENT, "membership", "join_authorised_via_users_server")),
            (
                11,
                {
                    **_only(MEMBER_CONTENT, "membership", "join_authorised_via_users_server"),
                    "third_party_invite": {"signed": {"mxid": "@a:example.org"}},
                },
            ),
        ],
    ),
    "m.room.create": (
        {"creator": "@a:example.org", "room_version": "9", "m.federate": False, "custom": [1]},
        [
            (1, {"creator": "@a:example.org"}),
            (
                11,
                {
                    "creator": "@a:example.org",
                    "room_version": "9",
                    "m.federate": False,
                    "custom": [1],
                },
            ),
        ],
    ),
    "m.room.join_rules": (
        {"join_rule": "restricted", "allow": [{"type": "m.room_membership"}], "custom": 1},
        [
            (1, {"join_rule": "restricted"}),
            (8, {"join_rule": "restricted", "allow": [{"type": "m.room_membership"}]}),
        ],
    ),
    "m.room.power_levels": (
        POWER_CONTENT,
        [(1, _only(POWER_CONTENT, *POWER_KEYS)), (11, _only(POWER_CONTENT, *POWER_KEYS, "invite"))],
    ),
    "m.room.aliases": (
        {"aliases": ["#a:example.org"], "custom": 1},
        [(1, {"aliases": ["#a:example.org"]}), (6, {})],
    ),
    "m.room.history_visibility": (
        {"history_visibility": "joined", "custom": 1},
        [(1, {"history_visibility": "joined"})],
    ),
    "m.room.redaction": (
        {"redacts": "$x", "reason": "spam"},
        [(1, {}), (11, {"redacts": "$x"})],
    ),
    "m.room.third_party_invite": ({"public_key": "k", "display_name": "A"}, [(1, {})]),
    "m.room.server_acl": ({"allow": ["*"]}, [(1, {})]),
}


def _kept(steps: list[tuple[int, dict[str, Any]]], version: int) -> dict[str, Any]:
    return [content for first, content in steps if first <= version][-1]


def redaction() -> Json:
    """An event of each type, with every known and an unknown key, and what is left of it."""
    cases = []
    for kind, (content, steps) in REDACTED.items():
        for versions in (span(1, 5), span(6, 7), span(8, 8), span(9, 10), span(11)):
            names = ALWAYS_KEPT + (KEPT_UNTIL_10 if versions[0] != "11" else [])
            whole = {
                "event_id": "$e",
                "type": kind,
                "room_id": "!r:example.org",
                "sender": "@a:example.org",
                "state_key": "",
                "content": content,
                "hashes": {"sha256": "A"},
                "signatures": {"example.org": {}},
                "depth": 3,
                "prev_events": ["$p"],
                "prev_state": ["$s"],
                "auth_events": ["$a"],
                "origin": "example.org",
                "origin_server_ts": 1,
                "membership": "join",
                "redacts": "$x",
                "replaces_state": "$y",
                "age": 5,
                "custom": True,
            }
            kept = {name: whole[name] for name in names}
            kept["content"] = _kept(steps, int(versions[0]))
            cases.append({"name": kind, "versions": versions, "event": whole, "redacted": kept})
    return {"format": "redaction", "cases": cases}


# ---------------------------------------------------------------- identifiers

X255 = "x" * 255

IDENTIFIERS: dict[str, dict[str, list[str]]] = {
    "server_name": {
        "valid": [
            "matrix.org",
            "matrix.org:8888",
            "1.2.3.4",
            "1.2.3.4:1234",
            "[1234:5678::abcd]",
            "[1234:5678::abcd]:5678",
            "localhost",
            "UPPER.example",
            "xn--bcher-kva.example",
            "[::1]",
            "[::ffff:1.2.3.4]",
            "255.255.255.255",
            "a",
            "example.org:0",
            "example.org:65535",
            "1.2.3.example",
        ],
        "invalid": [
            "",
            ":8448",
            "example.org:",
            "example.org:123456",
            "example.org:12a",
            "example.org:-1",
            "exam ple.org",
            "example.org/",
            "ex_ample.org",
            "example..:",
            "[1234:5678::abcd",
            "1234:5678::abcd]",
            "[]",
            "[zz::1]",
            "[1.2.3.4]",
            "256.1.1.1",
            "1.2.3.4.:x",
            "ex@mple.org",
            "bücher.example",
            "a\x00b",
            "example.org\n",
            "[::1]x",
            "[::1]:",
            "a" * 256,
        ],
    },
    "user_id": {
        "valid": [
            "@alice:example.org",
            "@a.b_c=d-e/f+g:example.org",
            "@0:1.2.3.4",
            "@alice:example.org:8448",
            "@alice:[::1]:80",
            "@" + "x" * (255 - 13) + ":example.org",
        ],
        "historical": [
            "@Alice:example.org",
            "@al ice:example.org",
            "@:example.org",
            "@älice:example.org",
            "@a\nb:example.org",
            "@a*b:example.org",
            "@a@b:example.org",
            "@a!b:example.org",
            "@日本:example.org",
        ],
        "invalid": [
            "",
            "@",
            "alice:example.org",
            "@alice",
            "@alice:",
            "#alice:example.org",
            "@al\x00ice:example.org",
            "@alice:exa mple.org",
            "@a:b:c",
            "@" + "x" * (255 - 12) + ":example.org",
            "@\ud800:example.org",
            "@" + "ä" * 125 + ":example.org",
        ],
    },
    "room_alias": {
        "valid": [
            "#room:example.org",
            "#Room Name:example.org",
            "#日本:example.org",
            "##:example.org",
            "#" + "x" * (255 - 13) + ":example.org",
        ],
        "invalid": [
            "",
            "#",
            "room:example.org",
            "#room",
            "#room:",
            "!room:example.org",
            "#ro\x00om:example.org",
            "#room:exa mple.org",
            "#" + X255 + ":example.org",
        ],
    },
    "room_id": {
        "valid": [
            "!room:example.org",
            "!a-b_c:example.org",
            "!ro om:example.org",
            "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
            "!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ",
        ],
        "invalid": [
            "",
            "!",
            "room:example.org",
            "#room:example.org",
            "!ro\x00om:example.org",
            "!room:exa mple.org",
            "!" + X255 + ":example.org",
            "!room:",
        ],
    },
    "event_id": {
        "valid": [
            "$event:example.org",
            "$a4ecee13e2accdadf56c1025:example.com",
            "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk",
            "$CD66HAED5npg6074c6pDtLKalHjVfYb2q4Q3LZgrW6o",
            "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg",
        ],
        "invalid": [
            "",
            "$",
            "event:example.org",
            "!event:example.org",
            "$" + X255,
            "$event:exa mple.org",
        ],
    },
    "mxc": {
        "valid": [
            "mxc://example.org/abcDEF123",
            "mxc://example.org:8448/a-b_c",
            "mxc://[::1]:80/x",
        ],
        "invalid": [
            "",
            "mxc://",
            "mxc://example.org",
            "mxc://example.org/",
            "http://example.org/a",
            "mxc:/example.org/a",
            "mxc://exa mple.org/a",
            "mxc://example.org/a/b",
            "mxc://example.org/../a",
            "mxc:///a",
            "mxc://example.org/a b",
        ],
    },
}


def identifiers() -> Json:
    """Identifiers that the grammar accepts and refuses, by kind."""
    return {"format": "identifiers", "kinds": IDENTIFIERS}
