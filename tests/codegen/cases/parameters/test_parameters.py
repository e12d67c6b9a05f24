"""Parameters become the fields of the request record."""

import msgspec
import pytest


def test_output(case):
    assert case.output("client_server/demo.py") == case.expected


def test_text_becomes_the_type_of_the_parameter(case):
    fields = {"room_id": "!r", "from_": "t", "limit": "5", "full": "true", "ts": "1", "via": ["a"]}
    record = msgspec.convert(fields, case.module.ListThingsRequest, strict=False)
    assert (record.limit, record.full, record.ts, record.via, record.dir) == (
        5,
        True,
        1,
        ["a"],
        "b",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "1001"},
        {"ts": "9007199254740992"},
        {"dir": "x"},
        {"via": ["a"] * 4},
        {"room_id": "r" * 256},
        {"full": "2"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_bounds_are_kept(case, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"room_id": "!r", "from_": "t"} | wrong, case.module.ListThingsRequest, strict=False
        )
