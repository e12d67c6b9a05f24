"""The bytes of a request's body, never more than are allowed."""

from collections.abc import Mapping
from typing import Any

from chat.protocol.errors import TooLarge, Unknown


class Body:
    """A body of at most `cap_bytes`; `read` gives up to `size` bytes, and b"" at the end.

    A declared length is checked at once, before anything is read; a chunked body while it is read.
    Raises TooLarge.
    """

    def __init__(self, environ: Mapping[str, Any], cap_bytes: int) -> None:
        self._input = environ["wsgi.input"]
        declared = environ.get("CONTENT_LENGTH")
        self._is_chunked = not declared and "HTTP_TRANSFER_ENCODING" in environ
        self._left = cap_bytes + 1 if self._is_chunked else int(declared or 0)
        if self._left > cap_bytes and not self._is_chunked:
            raise TooLarge(f"The body is larger than {cap_bytes} bytes")
        self._cap_bytes = cap_bytes

    def read(self, size: int = -1, /) -> bytes:
        """Raises TooLarge, and Unknown when the body is cut off or malformed."""
        if self._left == 0 or size == 0:
            return b""
        part = self._take(self._left if size < 0 else min(size, self._left))
        self._left -= len(part)
        if self._is_chunked:
            return self._chunk(part)
        if not part:
            raise Unknown("The body is shorter than declared")
        return part

    def _take(self, size: int) -> bytes:
        try:
            part: bytes = self._input.read(size)
        except Exception as error:  # whatever the server raises: the client is gone, or sends junk
            raise Unknown("The body cannot be read") from error
        return part

    def _chunk(self, part: bytes) -> bytes:
        if not part:
            self._left = 0
        elif self._left == 0:
            raise TooLarge(f"The body is larger than {self._cap_bytes} bytes")
        return part

    def read_all(self) -> bytes:
        """The whole body. Raises as `read`."""
        return b"".join(iter(self.read, b""))
