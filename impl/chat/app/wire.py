"""HTTP/1.1 on a connection: gunicorn's parser and response, with our limits and without what we
do not need of them on every request.
"""

import socket
import sys
import time
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from chat.config.model import Listener

REQUEST_LINE_BYTES = 65536
TCP_CLOSED_BY_PEER = frozenset({7, 8, 9})  # CLOSE, CLOSE_WAIT, LAST_ACK of linux/tcp_states.h
STEP_BYTES = 256 * 1024  # of an answer, each with a write's time limit of its own

_CGI_NAMES = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}


class PlainSettings:
    """gunicorn's settings as plain attributes: it reads about twenty of them per request."""

    def __init__(self, cfg: Any) -> None:
        for name in cfg.settings:
            setattr(self, name, getattr(cfg, name))
        self.is_ssl = False
        self.forwarded_allow_networks = cfg.forwarded_allow_networks


class LongLineRequest(Request):  # type: ignore[misc]  # gunicorn has no types
    """A request whose line may have 64 KiB: clients put whole filters into the query."""

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits for a go-ahead before it sends the body."""
        return bool(self._expected_100_continue)

    def parse(self, unreader: Any) -> Any:
        """Parse the head, with our own cap in place of gunicorn's 8 KiB."""
        self.limit_request_line = self._fast_limit_request_line = REQUEST_LINE_BYTES
        return super().parse(unreader)

    def _peer_is_trusted_proxy(self) -> bool:
        """No: whether a proxy is believed depends on the listener, which is not known here."""
        return False


class LongLineParser(RequestParser):  # type: ignore[misc]
    """Reads one request after another from a connection."""

    mesg_class = LongLineRequest

    def finish_body(self, *limits: Any) -> bool:
        """Skip what nobody has read of the last request's body: mostly nothing."""
        if self.mesg is None or not unread_bytes(self.mesg):
            return True
        return bool(super().finish_body(*limits))


class OneWriteResponse(wsgi.Response):  # type: ignore[misc]
    """Sends the head together with a body that comes in one part: one packet, one call."""

    headers_sent: bool

    def write(self, part: bytes) -> None:
        """Send a part of the body, and the head before the first one."""
        if self.headers_sent or self._omits_body or self.response_length != len(part):
            super().write(part)
            return
        head = self.default_headers() + [f"{name}: {value}\r\n" for name, value in self.headers]
        self.headers_sent = True
        self.sent = len(part)
        send_all(self.sock, "".join([*head, "\r\n"]).encode("latin-1") + part)

    def default_headers(self) -> list[str]:
        """The status line, and the headers that every answer has."""
        connection = "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        return [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {connection}\r\n",
            "Transfer-Encoding: chunked\r\n" if self.chunked else "",
        ]


def send_all(client: Any, data: bytes) -> None:
    """Send `data`, mostly by one system call: `sendall` needs two, and gives all of `data`
    together the time of one write.
    """
    view = memoryview(data)
    for start in range(0, len(data), STEP_BYTES):
        step = view[start : start + STEP_BYTES]
        sent = client.send(step)
        if sent < len(step):
            client.sendall(step[sent:])


@lru_cache(maxsize=1)
def _date(timestamp_s: int) -> str:
    return str(util.http_date(timestamp_s))


def environ_of(
    request: Any, listener: Listener, address: Any, *, multiprocess: bool
) -> dict[str, Any]:
    """What WSGI calls the environment of a request, and the listener that it came in by.

    `address` is the connection's, as `accept` gives it. PEP 3333.
    """
    major, minor = request.version
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": util.unquote_to_wsgi_str(request.path),
        "QUERY_STRING": request.query,
        "RAW_URI": request.uri,
        "REMOTE_ADDR": address[0] if isinstance(address, tuple) else "",
        "SERVER_NAME": "",
        "SERVER_PORT": str(listener.port or ""),
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "chat.listener": listener,
        "wsgi.version": (1, 0),
        "wsgi.input": request.body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = _CGI_NAMES.get(name) or "HTTP_" + name.replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["REMOTE_ADDR"] = client_address(listener, environ)
    environ["wsgi.url_scheme"] = scheme(listener, environ)
    return environ


def client_address(listener: Listener, environ: dict[str, Any]) -> str:
    """The client's IP address: of the connection, or as the proxy behind it says.

    The last X-Forwarded-For entry counts: what stands before it is the client's own claim.
    """
    address = str(environ["REMOTE_ADDR"])
    if listener.x_forwarded:
        address = environ.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
    return address.removeprefix("::ffff:")  # IPv4 on a socket for both


def scheme(listener: Listener, environ: dict[str, Any]) -> str:
    """How the client speaks to us, or to the proxy in front: http or https."""
    if listener.x_forwarded and environ.get("HTTP_X_FORWARDED_PROTO") in ("http", "https"):
        return str(environ["HTTP_X_FORWARDED_PROTO"])
    return "https" if listener.tls else "http"


def is_closed_by_peer(client: Any) -> bool:
    """Whether the other side has ended the connection, without reading from it.

    So it works whatever was sent before, and under TLS too. Not noticed on sockets other than TCP,
    nor where the system does not tell.
    """
    if client.family not in (socket.AF_INET, socket.AF_INET6) or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        told: bytes = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return True
    return told[0] in TCP_CLOSED_BY_PEER


def unread_bytes(request: Any) -> int:
    """How much of the body is still to come; a chunked body may be endless."""
    reader = request.body.reader
    if hasattr(reader, "length"):
        return int(reader.length)
    return sys.maxsize if getattr(reader, "parser", None) else 0
