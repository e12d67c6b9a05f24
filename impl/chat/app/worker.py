"""Our gunicorn worker: one process, many listeners, thousands of waiting clients.

What gunicorn's own gevent worker does not do, and this one does:
- TLS and plain listeners side by side; each request knows the listener it came in by
  (`environ["chat.listener"]`).
- SIGTERM, SIGINT and SIGQUIT alike: stop accepting, wake the waiting long polls so that they
  answer now, let everything in progress end, drop idle connections, leave.
- Time limits on handshakes, on request heads and on every read and write.
- Request lines up to 64 KiB, and refusals in Matrix's error form.
- A request that waits for news ends once its client has closed the connection.
- A body that nobody read closes its connection in a way that still lets the answer arrive.
"""

import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Iterable
from functools import partial
from types import FrameType
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util
from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.workers.ggevent import GeventWorker

from chat.app import refusals, serving, wire
from chat.app.start import StartError
from chat.config.model import Listener
from chat.services import hub
from chat.services.connection import ClientConnection

log = logging.getLogger(__name__)

HANDSHAKE_S = 10  # for a TLS handshake
SILENCE_S = 60  # for one read of a body, or one write of an answer
DRAIN_S = 2  # for the rest of a refused body, so that the refusal is not lost
STOP_S = 7  # from the signal until what is still in progress is cut off
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SMALL_BODY_BYTES = 65536  # an unread body up to this is skipped; a larger one costs the connection
GARBAGE = 20_000  # objects more than before until the collector looks at them; few make cycles


class ChatWorker(GeventWorker):  # type: ignore[misc]
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.settings = wire.PlainSettings(self.cfg)
        self.requests_in_progress = 0
        self.connections: dict[ClientConnection, Any] = {}  # → its socket

    # --- life ---

    def init_signals(self) -> None:
        """Let every signal that ends a worker end it in the same orderly way."""
        super().init_signals()
        self.stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            gevent.signal_handler(number, self.stop)

    def stop(self) -> None:
        """Ask the main loop to end."""
        self.alive = False
        self.stopping.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take gunicorn's own way of asking for the same."""
        self.stop()

    handle_quit = handle_exit

    def notify(self) -> None:
        """Tell the master that this worker lives; stop when the master does not."""
        self.tmp.notify()
        if self.ppid != os.getppid():
            log.warning("the master process is gone, stopping")
            self.stop()

    def load_wsgi(self) -> None:
        """Build the application in this process, from the configuration that the master read."""
        try:
            self.application = serving.application()
        except StartError as error:
            log.critical("cannot start: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        self.wsgi = self.application.wsgi

    def run(self) -> None:
        """Serve until told to stop."""
        config = serving.loaded().config
        context = serving.tls_context(config)
        listeners = serving.listeners_by_name(config)
        servers = [self._server(sock, listeners, context) for sock in self.sockets]
        for server in servers:
            server.start()
        gc.collect()
        gc.freeze()  # what lives now lives for ever: no need to look at it again
        gc.set_threshold(GARBAGE)
        log.info("serving", extra={"http_parser": serving.http_parser_name(self.cfg)})
        hub.start()
        while self.alive:
            self.notify()
            self.end_abandoned_waits()
            self.stopping.wait(timeout=1)
        self._end(servers)

    def end_abandoned_waits(self) -> None:
        """End the waiting requests whose clients have closed their connections."""
        for connection, client in list(self.connections.items()):
            if connection.end_wait is not None and wire.is_closed_by_peer(client):
                connection.end_wait()

    def _server(
        self, sock: Any, listeners: dict[Any, Listener], context: ssl.SSLContext | None
    ) -> StreamServer:
        sock.setblocking(1)
        listener = listeners[serving.socket_name(sock.getsockname())]
        handle = partial(self.handle, listener, context if listener.tls else None)
        server = StreamServer(sock, handle=handle, spawn=Pool(self.worker_connections))
        if self.cfg.workers > 1:
            server.max_accept = 1  # leave connections to the other workers
        return server

    def _end(self, servers: list[StreamServer]) -> None:
        for server in servers:
            server.close()
        self.application.stop_waiting()
        with gevent.Timeout(STOP_S, False):
            while self.requests_in_progress:
                self.notify()
                gevent.sleep(0.02)
        if self.requests_in_progress:
            log.warning("requests cut off", extra={"count": self.requests_in_progress})
        for server in servers:
            server.stop(timeout=0)
        self.application.close()
        hub.stop()

    # --- a connection ---

    def handle(
        self, listener: Listener, context: ssl.SSLContext | None, client: Any, address: Any
    ) -> None:
        """Serve one connection until either side ends it."""
        client.settimeout(SILENCE_S)
        connection = ClientConnection()
        self.connections[connection] = client
        try:
            if context is not None:
                with gevent.Timeout(HANDSHAKE_S, TimeoutError()):
                    client = context.wrap_socket(client, server_side=True)
            self._serve(listener, client, address, connection)
        except (NoMoreData, StopIteration, OSError) as error:
            log.debug("connection ended", extra={"address": address, "error": repr(error)})
        except ParseException as error:
            log.info("request refused", extra={"address": address, "error": str(error)})
            self._refuse(client, refusals.of_request(error))
        except Exception:
            log.exception("request failed", extra={"address": address})
            self._refuse(client, refusals.INTERNAL)
        finally:
            del self.connections[connection]
            util.close(client)

    def _serve(
        self, listener: Listener, client: Any, address: Any, connection: ClientConnection
    ) -> None:
        parser = wire.LongLineParser(self.settings, client, address)
        multiprocess = self.cfg.workers > 1
        while self.alive:
            request = _next_request(parser, client)
            if request is None:
                return
            if request.awaits_continue:
                client.sendall(CONTINUE)
            response = wire.OneWriteResponse(request, client, self.settings)
            environ = wire.environ_of(request, listener, address, multiprocess=multiprocess)
            environ["chat.connection"] = connection
            self._answer(response, environ)
            if response.should_close():
                _drain(request, client)
                return

    def _answer(self, response: wire.OneWriteResponse, environ: dict[str, Any]) -> None:
        self.requests_in_progress += 1
        parts: Iterable[bytes] = ()
        try:
            parts = self.wsgi(environ, response.start_response)
            if not self.alive or wire.unread_bytes(response.req) > SMALL_BODY_BYTES:
                response.force_close()
            for part in parts:
                response.write(part)
            response.close()
        except OSError:
            raise
        except Exception:
            if response.headers_sent:  # too late for a refusal: the client sees a broken answer
                log.exception("answer broken off")
                raise StopIteration from None
            raise
        finally:
            self.requests_in_progress -= 1
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def _refuse(self, client: Any, refusal: bytes) -> None:
        try:
            client.sendall(refusal)
            _drain(None, client)
        except OSError as error:
            log.debug("refusal not sent", extra={"error": repr(error)})


def _next_request(parser: wire.LongLineParser, client: Any) -> Any:
    """The next request of a connection; None when the client keeps us waiting for it."""
    client.settimeout(None)  # the time limit on the whole head is enough
    try:
        with gevent.Timeout(serving.IDLE_S, False):
            return next(parser)
    finally:
        client.settimeout(SILENCE_S)
    return None


def _drain(request: Any, client: Any) -> None:
    """Say goodbye, then read on for a while: closing at once would destroy the answer under way."""
    if request is not None and not wire.unread_bytes(request):
        return
    client.shutdown(socket.SHUT_WR)
    with gevent.Timeout(DRAIN_S, False):
        while client.recv(65536):
            pass
