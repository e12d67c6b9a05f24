"""Files of media: written whole or not at all, found by media ID.

<root>/local_content/<2>/<2>/<rest of the media ID>
<root>/local_thumbnails/<2>/<2>/<rest>/<width>x<height>-<method>.<format>
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from gevent.threadpool import ThreadPool

CHUNK_BYTES = 64 * 1024


class MediaStore:
    """The folder that holds media. Syncing to disk happens in threads of its own."""

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
        """Write a file that appears whole, on disk, or not at all; returns its size in bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                size = sum(file.write(chunk) for chunk in chunks)
                file.flush()
                self._disk.apply(os.fsync, (file.fileno(),))
            Path(temporary).replace(path)
            self._disk.apply(_sync_folder, (path.parent,))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return size

    def read(self, path: Path) -> Iterator[bytes]:
        """The bytes of a file in pieces. Raises FileNotFoundError before the first."""
        return _pieces(path.open("rb"))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
