"""Media: stored whole or not at all, served as stored, scaled down when asked for."""

import io
import os
import stat
from pathlib import Path

import pytest
from PIL import Image

from chat.protocol.errors import InvalidParam, NotFound, TooLarge, Unknown
from chat.services.media import content, thumbnails
from chat.services.media.files import READ_BYTES, WRITE_BYTES
from chat_testing.servers import NAME, a_server

ALICE = "@alice:a.example"


def uploaded(server, body=b"hello", content_type="text/plain", name="hello.txt"):
    uri = content.upload(server, ALICE, content_type, name, [body])
    return uri.removeprefix(f"mxc://{NAME}/")


def picture(width, height, kind="PNG", mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, (width, height), "red").save(out, kind)
    return out.getvalue()


def size_of(found):
    return Image.open(io.BytesIO(b"".join(found.chunks))).size


def files_in(server):
    return [path for path in server.media.root.rglob("*") if path.is_file()]


def test_what_was_uploaded_is_served_with_its_type_and_name(server):
    found = content.download(server, NAME, uploaded(server))
    assert (found.content_type, found.name, found.size_bytes) == ("text/plain", "hello.txt", 5)
    assert b"".join(found.chunks) == b"hello"


def test_without_a_type_it_is_a_stream_of_bytes(server):
    found = content.download(server, NAME, uploaded(server, content_type=None, name=None))
    assert (found.content_type, found.name) == ("application/octet-stream", None)


def test_an_upload_that_grows_too_large_leaves_nothing(store, clock, tmp_path):
    small = a_server(store, clock, tmp_path, max_upload_size="1K")
    with pytest.raises(TooLarge):
        content.upload(small, ALICE, None, None, [b"x" * 1000, b"x" * 25])
    assert files_in(small) == []
    small.notifier.close()


def test_an_upload_that_breaks_off_leaves_nothing(server):
    begun = []

    def broken():
        yield b"one"
        yield b"two"
        begun.extend(files_in(server))
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        content.upload(server, ALICE, None, None, broken())
    assert len(begun) == 1
    assert files_in(server) == []


@pytest.mark.parametrize("sizes", [[], [0], [5], [WRITE_BYTES, 7], [3, WRITE_BYTES, READ_BYTES]])
def test_what_comes_in_pieces_is_served_whole(server, sizes):
    chunks = [bytes([number]) * size for number, size in enumerate(sizes, start=1)]
    uri = content.upload(server, ALICE, None, None, chunks)
    found = content.download(server, NAME, uri.rpartition("/")[2])
    pieces = list(found.chunks)
    assert b"".join(pieces) == b"".join(chunks)
    assert found.size_bytes == sum(sizes)
    assert len(pieces) == -(-sum(sizes) // READ_BYTES)


def test_an_upload_is_on_disk_under_its_name_before_the_answer(server, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor):
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(self, target):
        steps.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    uploaded(server)
    assert steps == ["file", "name", "folder"]


def test_unknown_media_are_not_found(server):
    with pytest.raises(NotFound):
        content.download(server, NAME, "unknown")


@pytest.mark.parametrize("media_id", ["", "../../etc/passwd", "a\0b", "ä", "a/b"])
def test_media_ids_outside_the_grammar_are_refused(server, media_id):
    with pytest.raises(InvalidParam):
        content.download(server, NAME, media_id)


def test_media_of_other_servers_are_not_found(server):
    with pytest.raises(NotFound):
        content.download(server, "elsewhere", uploaded(server))


@pytest.mark.parametrize(
    ("wanted", "method", "seen"),
    [
        ((30, 30), "crop", (32, 32)),
        ((90, 96), "crop", (96, 96)),
        ((300, 200), "scale", (320, 160)),
        ((5000, 5000), "scale", (800, 400)),
    ],
)
def test_thumbnails_have_the_next_configured_size(server, wanted, method, seen):
    media_id = uploaded(server, picture(1600, 800), "image/png")
    found = thumbnails.thumbnail(server, NAME, media_id, *wanted, method)
    assert found.content_type == "image/png"
    assert size_of(found) == seen


def test_thumbnails_never_enlarge(server):
    media_id = uploaded(server, picture(20, 10), "image/png")
    assert size_of(thumbnails.thumbnail(server, NAME, media_id, 96, 96, "crop")) == (20, 10)


def test_a_jpeg_stays_one(server):
    media_id = uploaded(server, picture(400, 400, "JPEG"), "image/jpeg")
    found = thumbnails.thumbnail(server, NAME, media_id, 32, 32, "crop")
    assert found.content_type == "image/jpeg"
    assert found.size_bytes == len(b"".join(found.chunks))


def test_a_thumbnail_is_made_once(server):
    media_id = uploaded(server, picture(400, 400), "image/png")
    thumbnails.thumbnail(server, NAME, media_id, 32, 32, "crop")
    made = files_in(server)
    thumbnails.thumbnail(server, NAME, media_id, 31, 31, "crop")
    assert files_in(server) == made


@pytest.mark.parametrize(
    "body", [b"no image", picture(50, 50)[:60], b"GIF89a", b"%PDF-1.4", b"<svg></svg>"]
)
def test_what_is_no_readable_image_has_no_thumbnail(server, body):
    media_id = uploaded(server, body, "image/png")
    with pytest.raises(Unknown):
        thumbnails.thumbnail(server, NAME, media_id, 32, 32, "crop")


def test_images_with_too_many_pixels_are_not_decoded(store, clock, tmp_path):
    careful = a_server(store, clock, tmp_path, max_image_pixels="1K")
    media_id = uploaded(careful, picture(33, 32), "image/png")
    with pytest.raises(TooLarge):
        thumbnails.thumbnail(careful, NAME, media_id, 32, 32, "crop")
    careful.notifier.close()


@pytest.mark.parametrize("size", [(0, 32), (32, -1)])
def test_sizes_below_one_are_refused(server, size):
    media_id = uploaded(server, picture(50, 50), "image/png")
    with pytest.raises(InvalidParam):
        thumbnails.thumbnail(server, NAME, media_id, *size, "crop")
