"""Files of media: written whole or not at all, found by media ID.

<root>/local_content/<2>/<2>/<rest of the media ID>
<root>/local_thumbnails/<2>/<2>/<rest>/<width>x<height>-<method>.<format>
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from gevent.threadpool import ThreadPool

WRITE_BYTES = 1024 * 1024  # what is best handed to `MediaStore.write` at once
READ_BYTES = 256 * 1024  # how much of a file waits in memory for its client

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class MediaStore:
    """The folder that holds media. Writing happens in threads of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._disk = ThreadPool(2)

    def content_path(self, media_id: str) -> Path:
        """Where the bytes of an upload lie."""
        return self.root / "local_content" / media_id[:2] / media_id[2:4] / media_id[4:]

    def thumbnail_path(self, media_id: str, name: str) -> Path:
        """Where a thumbnail of an upload lies, or will."""
        folder = self.root / "local_thumbnails" / media_id[:2] / media_id[2:4] / media_id[4:]
        return folder / name

    def write(self, path: Path, chunks: Iterable[bytes]) -> int:
        """Write a file that appears whole, on disk, or not at all; returns its size in bytes.

        A thread is called once per chunk: what comes in one chunk costs one call.
        """
        part, held, size = _PartFile(path), b"", 0
        try:
            for chunk in chunks:
                if held:
                    self._disk.apply(part.write, (held,))
                held, size = chunk, size + len(chunk)
            self._disk.apply(part.finish, (held,))
        except BaseException:
            part.discard()
            raise
        return size

    def read(self, path: Path) -> Iterator[bytes]:
        """The bytes of a file in pieces. Raises FileNotFoundError before the first."""
        return _pieces(path.open("rb", buffering=0))


class _PartFile:
    """A file under another name until it is whole and on disk. `write` and `finish` block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".part-{secrets.token_hex(8)}")
        self._file: BinaryIO | None = None

    def write(self, chunk: bytes) -> None:
        """Add to the file; the first time, make it."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(self._part, NEW, mode=0o600), "wb")
        self._file.write(chunk)

    def finish(self, last: bytes) -> None:
        """Add the last bytes and give the file its name; returns when both are on disk."""
        self.write(last)
        assert self._file is not None
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        self._part.replace(self._path)
        _sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._part.unlink(missing_ok=True)
            self._file.close()


def _pieces(file: RawIOBase) -> Iterator[bytes]:
    with file:
        while piece := file.read(READ_BYTES):
            yield piece


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
