"""Sync, receipts, typing and read markers as clients call them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from chat.app.handlers import register_all
from chat.http.auth import Authenticators
from chat.http.dispatch import Dispatcher
from chat.http.pipeline import Application
from chat.services.server import Server
from chat_testing.people import Person, a_person

V3 = "/_matrix/client/v3"

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def alice(server: Server) -> Person:
    """Creates rooms."""
    return a_person(server, "alice")


@pytest.fixture
def bob(server: Server) -> Person:
    """Comes to rooms."""
    return a_person(server, "bob")


@pytest.fixture
def call(server: Server, alice: Person, bob: Person) -> Call:
    """(person, method, path, body, query parameters) → (status, JSON)."""
    people = {"alice": alice.caller, "bob": bob.caller}
    dispatcher = Dispatcher()
    register_all(dispatcher)
    authenticators = Authenticators(user=lambda token: people[token])
    client = Client(Application(Flask("test"), server, dispatcher, authenticators))

    def send(
        who: str, method: str, path: str, body: Any = None, **query: str
    ) -> tuple[int, dict[str, Any]]:
        response = client.open(
            V3 + path,
            method=method,
            query_string=query,
            headers={"Authorization": f"Bearer {who}"},
            data=None if body is None else json.dumps(body),
        )
        return response.status_code, json.loads(response.get_data())

    return send


def test_a_sync_tells_a_room_and_then_nothing(call: Call, alice: Person) -> None:
    room = alice.creates(name="Garden")
    status, first = call("alice", "GET", "/sync")
    assert status == 200
    assert first["rooms"]["join"][room]["timeline"]["events"][0]["type"] == "m.room.create"
    assert "device_lists" not in first
    status, second = call("alice", "GET", "/sync", since=first["next_batch"])
    assert status == 200
    assert second == {
        "next_batch": first["next_batch"],
        "device_one_time_keys_count": {},
        "device_unused_fallback_key_types": [],
    }


def test_the_state_after_the_timeline_is_told_where_it_is_asked_for(
    call: Call, alice: Person
) -> None:
    room = alice.creates(name="Garden")
    _, answer = call("alice", "GET", "/sync", use_state_after="true")
    assert set(answer["rooms"]["join"][room]) == {
        "timeline",
        "state_after",
        "summary",
        "unread_notifications",
    }


def test_filters_are_taken_by_id_and_inline(call: Call, alice: Person) -> None:
    room, other = alice.creates(), alice.creates()
    wanted = {"room": {"not_rooms": [other]}}
    _, stored = call("alice", "POST", f"/user/{alice.id}/filter", wanted)
    for text in (stored["filter_id"], json.dumps(wanted)):
        _, answer = call("alice", "GET", "/sync", filter=text)
        assert list(answer["rooms"]["join"]) == [room]


@pytest.mark.parametrize(
    ("query", "status", "errcode"),
    [
        ({"since": "yesterday"}, 400, "M_INVALID_PARAM"),
        ({"timeout": "-1"}, 400, "M_INVALID_PARAM"),
        ({"set_presence": "sleeping"}, 400, "M_INVALID_PARAM"),
        ({"filter": "{"}, 400, "M_INVALID_PARAM"),
        ({"filter": "[]"}, 404, "M_NOT_FOUND"),
        ({"filter": "7"}, 404, "M_NOT_FOUND"),
    ],
)
def test_bad_requests_are_refused(
    call: Call, query: dict[str, str], status: int, errcode: str
) -> None:
    got, body = call("alice", "GET", "/sync", **query)
    assert (got, body["errcode"]) == (status, errcode)


def test_receipts_typing_and_markers_reach_others(call: Call, alice: Person, bob: Person) -> None:
    room = alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    since = call("alice", "GET", "/sync")[1]["next_batch"]
    requests = [
        ("POST", f"/rooms/{room}/receipt/m.read/{said}", {"thread_id": "main"}),
        ("PUT", f"/rooms/{room}/typing/{bob.id}", {"typing": True, "timeout": 1000}),
        ("POST", f"/rooms/{room}/read_markers", {"m.fully_read": said, "m.read": said}),
    ]
    for method, path, body in requests:
        assert call("bob", method, path, body) == (200, {})
    joined = call("alice", "GET", "/sync", since=since)[1]["rooms"]["join"][room]
    told = [event["type"] for event in joined["ephemeral"]["events"]]
    assert told == ["m.typing", "m.receipt", "m.receipt"]
    assert call("bob", "PUT", f"/rooms/{room}/typing/{bob.id}", {"typing": False})[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        ("/rooms/{room}/receipt/m.seen/{said}", {}, 400, "M_INVALID_PARAM"),
        ("/rooms/{room}/receipt/m.read/{said}", {"thread_id": ""}, 400, "M_INVALID_PARAM"),
        ("/rooms/{room}/receipt/m.read/$none", {}, 404, "M_NOT_FOUND"),
        ("/rooms/!none:a.example/receipt/m.read/{said}", {}, 404, "M_NOT_FOUND"),
        ("/rooms/{other}/receipt/m.read/{said}", {}, 403, "M_FORBIDDEN"),
        ("/rooms/{room}/read_markers", {"m.read": "$none"}, 404, "M_NOT_FOUND"),
        ("/rooms/{other}/read_markers", {"m.read": "{said}"}, 403, "M_FORBIDDEN"),
        ("/rooms/{room}/typing/@alice:a.example", {"typing": True}, 403, "M_FORBIDDEN"),
        ("/rooms/{other}/typing/@bob:a.example", {"typing": True}, 403, "M_FORBIDDEN"),
        ("/rooms/!none:a.example/typing/@bob:a.example", {"typing": True}, 404, "M_NOT_FOUND"),
        ("/rooms/{room}/typing/@bob:a.example", {}, 400, "M_MISSING_PARAM"),
    ],
)
def test_refusals_of_receipts_and_typing(
    call: Call, alice: Person, bob: Person, path: str, body: Any, status: int, errcode: str
) -> None:
    room, other = alice.creates(), alice.creates()
    bob.joins(room)
    said = alice.says(room, "hi")
    method = "PUT" if "/typing/" in path else "POST"
    got, answer = call("bob", method, path.format(room=room, other=other, said=said), body)
    assert (got, answer["errcode"]) == (status, errcode)
