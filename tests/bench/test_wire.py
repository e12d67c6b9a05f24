"""The HTTP client of the benchmark."""

import socket
import threading

import pytest
from bench.wire import BROKEN, Answer, AnswerParser, Connection, Poller, address_of, request

PLAIN = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (PLAIN, Answer(200, b"hello")),
        (PLAIN.replace(b"Content-Length", b"content-LENGTH"), Answer(200, b"hello")),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Answer(404, b"")),
        (CHUNKED, Answer(200, b"hello")),
        (EMPTY, Answer(204, b"")),
    ],
)
def test_answers_are_read_however_the_bytes_arrive(data, answer):
    for cut in range(1, len(data)):
        parser = AnswerParser()
        assert parser.feed(data[:cut]) is None
        assert parser.feed(data[cut:]) == answer


def test_one_parser_reads_one_answer_after_another():
    parser = AnswerParser()
    assert [parser.feed(PLAIN) for _ in range(3)] == [Answer(200, b"hello")] * 3


def test_what_is_not_http_is_refused():
    with pytest.raises(ValueError, match="not an answer"):
        AnswerParser().feed(b"SSH-2.0-x\r\n\r\n")


def test_a_get_has_no_body_and_others_say_their_length():
    assert request("GET", "/a", "t", b"{}").endswith(b"Authorization: Bearer t\r\n\r\n")
    assert request("PUT", "/a", body=b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


def test_only_plain_http_is_spoken():
    assert address_of("http://127.0.0.1:8008/") == ("127.0.0.1", 8008)
    with pytest.raises(ValueError, match="https"):
        address_of("https://localhost")


@pytest.fixture
def echo():
    """A server that answers each connection's first read, and closes after the second."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            peer.recv(1000)
            peer.sendall(PLAIN)
            peer.recv(1000)
            peer.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()
    listener.close()


def test_a_broken_connection_is_an_answer_of_its_own(echo):
    connection = Connection(echo)
    assert connection.exchange(request("GET", "/")) == Answer(200, b"hello")
    assert connection.exchange(request("GET", "/")) is BROKEN
    assert connection.exchange(request("GET", "/")) is BROKEN
    connection.close()


def test_the_poller_gives_answers_with_their_connection(echo):
    with Poller(echo, 1) as poller:
        connection = poller.connections[0]
        connection.send(request("GET", "/"))
        assert list(poller.answers(5)) == [(connection, Answer(200, b"hello"))]
        connection.send(request("GET", "/"))
        assert list(poller.answers(5)) == [(connection, BROKEN)]
        assert list(poller.answers(0)) == []
