"""A client of HTTP/1.1 that costs less than the server it measures.

Requests are prepared bytes, answers are parsed no further than their length, and one thread waits
for all connections. Sockets block on writing only: what is read is known to be there.
"""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

READ_BYTES = 1 << 20
HEAD_END = b"\r\n\r\n"
BODILESS = (204, 304)

Address = tuple[str, int]


class Answer(NamedTuple):
    """An HTTP answer; status 0 stands for a connection that broke off."""

    status: int
    body: bytes


BROKEN = Answer(0, b"")


def address_of(url: str) -> Address:
    """Host and port of a plain `http://` URL. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"not a http:// URL: {url}")
    return parts.hostname, parts.port or 80


def request(
    method: str, target: str, token: str = "", body: bytes = b"", kind: str = "application/json"
) -> bytes:
    """A whole request as bytes; a GET has no body."""
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    if method == "GET":
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class AnswerParser:
    """Cuts a stream of bytes into answers; one request is under way at a time."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._needed_bytes = 0  # no answer can be complete before

    def feed(self, data: bytes) -> Answer | None:
        """The answer, when `data` completes it. Raises ValueError for what is not HTTP/1.1."""
        self._data += data
        if len(self._data) < self._needed_bytes:
            return None
        end = self._data.find(HEAD_END)
        if end < 0:
            return None
        answer = self._body(bytes(self._data[: end + 2]).lower(), end + len(HEAD_END))
        if answer is not None:
            self._data.clear()
            self._needed_bytes = 0
        return answer

    def _body(self, head: bytes, start: int) -> Answer | None:
        if not head.startswith(b"http/1.1 "):
            raise ValueError(f"not an answer of HTTP/1.1: {head[:40]!r}")
        status = int(head[9:12])
        if status in BODILESS:
            return Answer(status, b"")
        length = _header(head, b"content-length")
        if length is None:
            return self._chunked(status, start)
        self._needed_bytes = start + int(length)
        if len(self._data) < self._needed_bytes:
            return None
        return Answer(status, bytes(self._data[start : self._needed_bytes]))

    def _chunked(self, status: int, start: int) -> Answer | None:
        body = bytearray()
        while True:
            line_end = self._data.find(b"\r\n", start)
            if line_end < 0:
                return None
            size = int(self._data[start:line_end].split(b";")[0], 16)
            start = line_end + 2
            if len(self._data) < start + size + 2:
                return None
            if size == 0:
                return Answer(status, bytes(body))
            body += self._data[start : start + size]
            start += size + 2


def _header(head: bytes, name: bytes) -> bytes | None:
    """The value of a header in a head in lower case that ends with CRLF."""
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    start = at + len(name) + 3
    return head[start : head.index(b"\r\n", start)].strip()


class Connection:
    """A kept-alive connection with at most one request under way."""

    def __init__(self, address: Address) -> None:
        self._parser = AnswerParser()
        self.sent_at_s = 0.0
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send a request; a broken connection shows when the answer is read."""
        self.sent_at_s = time.perf_counter()
        with suppress(OSError):
            self.socket.sendall(data)

    def receive(self) -> Answer | None:
        """Read what has arrived: the answer, None when more is to come, or `BROKEN`."""
        try:
            data = self.socket.recv(READ_BYTES)
        except OSError:
            return BROKEN
        return self._parser.feed(data) if data else BROKEN

    def exchange(self, data: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self.send(data)
        while (answer := self.receive()) is None:
            pass
        return answer

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close()


class Poller:
    """Waits for the answers of many connections at once."""

    def __init__(self, address: Address, count: int) -> None:
        self._by_descriptor: dict[int, Connection] = {}
        self._epoll = select.epoll()
        for _ in range(count):
            self.add(Connection(address))

    @property
    def connections(self) -> list[Connection]:
        """All of them, in the order in which they were made."""
        return list(self._by_descriptor.values())

    def add(self, connection: Connection) -> Connection:
        """Wait for this one too."""
        self._by_descriptor[connection.socket.fileno()] = connection
        self._epoll.register(connection.socket, select.EPOLLIN)
        return connection

    def answers(self, timeout_s: float) -> Iterator[tuple[Connection, Answer]]:
        """The answers that are complete after at most `timeout_s` of waiting for the first bytes.

        A connection that broke answers `BROKEN` once, and is not listened to any more.
        """
        for descriptor, _ in self._epoll.poll(timeout_s):
            connection = self._by_descriptor[descriptor]
            answer = connection.receive()
            if answer is BROKEN:
                self._epoll.unregister(descriptor)
            if answer is not None:
                yield connection, answer

    def close(self) -> None:
        """Close all connections."""
        self._epoll.close()
        for connection in self.connections:
            connection.close()

    def __enter__(self) -> "Poller":
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
