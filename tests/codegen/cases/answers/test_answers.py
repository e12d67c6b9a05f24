"""Answers and bodies that are not JSON."""

import io

import msgspec


def test_output(case):
    assert case.output("media/demo.py") == case.expected


def test_a_binary_body_is_whatever_can_be_read(case):
    stream = io.BytesIO(b"x")
    record = msgspec.convert({"body": stream}, case.module.UploadRequest)
    assert record.body is stream
