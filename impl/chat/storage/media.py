"""The index of stored media; the bytes lie in files."""

from dataclasses import dataclass

from chat.storage.engine import Transaction


@dataclass(frozen=True, slots=True)
class Media:
    """One stored file. `name` is the uploader's file name, None where none was given."""

    media_id: str
    uploader: str
    content_type: str
    name: str | None
    size_bytes: int
    created_ts: int


def insert(tx: Transaction, media: Media) -> None:
    """Enter an uploaded file."""
    tx.insert(
        "media",
        ("media_id", "uploader", "content_type", "name", "size_bytes", "created_ts"),
        [
            (
                media.media_id,
                media.uploader,
                media.content_type,
                media.name,
                media.size_bytes,
                media.created_ts,
            )
        ],
    )


def find(tx: Transaction, media_id: str) -> Media | None:
    """A file of this server, or None."""
    row = tx.row(
        "SELECT media_id, uploader, content_type, name, size_bytes, created_ts FROM media"
        " WHERE media_id = :media_id",
        media_id=media_id,
    )
    return Media(*row) if row else None
