"""Fields that are already encoded are joined, not encoded again."""

import msgspec
from msgspec import Raw


def test_output(case):
    assert case.output("client_server/demo.py") == case.expected


def test_bytes_pass_as_they_are(case):
    answer = case.module.SyncResponse(
        rooms=Raw(b'{ "a": 1 }'), events=[Raw(b"{}"), Raw(b"1")], by_room={"!r": [Raw(b"[ ]")]}
    )
    wanted = b'{"rooms":{ "a": 1 },"events":[{},1],"by_room":{"!r":[[ ]]}}'
    assert msgspec.json.encode(answer) == wanted
