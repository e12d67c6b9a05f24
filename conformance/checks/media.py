"""The content repository."""

import struct
import zlib

from conformance.client import Client, User, World
from conformance.runner.exchange import Request

DOWNLOAD = "/_matrix/client/v1/media/download/{}/{}"
THUMBNAIL = "/_matrix/client/v1/media/thumbnail/{}/{}"
UPLOAD = "/_matrix/media/v3/upload"


def parts(uri: str) -> tuple[str, str]:
    """Server name and media ID of an mxc URI."""
    server, _, media_id = uri.removeprefix("mxc://").partition("/")
    return server, media_id


def png(width: int, height: int) -> bytes:
    """A picture in one color."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\x20\x80\xc0" * width) * height
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height of a PNG."""
    assert content.startswith(b"\x89PNG"), content[:20]
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def upload_limit(user: User) -> int:
    """The largest upload in bytes."""
    limit: int = user.get("/_matrix/client/v1/media/config").ok()["m.upload.size"]
    return limit


def check_what_goes_up_comes_down(world: World) -> None:
    """A file is downloaded by another user as it was uploaded, with its media type."""
    content = bytes(range(256)) * 40
    uri = world.user().upload(content, "application/x-menu")
    assert parts(uri)[0] == world.server_name
    answer = world.user().get(DOWNLOAD, *parts(uri))
    assert (answer.status, answer.content) == (200, content)
    assert answer.media_type == "application/x-menu"


def check_file_name(world: World) -> None:
    """A download is named as the upload was, or as the path asks."""
    user = world.user()
    uri = user.upload(b"soup", "text/plain", filename="menu.txt")
    answer = user.get(DOWNLOAD, *parts(uri))
    assert "menu.txt" in answer.headers["content-disposition"]
    answer = user.get(DOWNLOAD + "/{}", *parts(uri), "dinner.txt")
    assert answer.content == b"soup"
    assert "dinner.txt" in answer.headers["content-disposition"]


def check_download_cannot_run(world: World) -> None:
    """A download that a browser could run is offered as an attachment in a sandbox."""
    user = world.user()
    uri = user.upload(b"<script>alert(1)</script>", "text/html")
    headers = user.get(DOWNLOAD, *parts(uri)).headers
    assert headers["content-disposition"].startswith("attachment")
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "cross-origin"


def check_pictures_are_shown_inline(world: World) -> None:
    """A picture may be shown in place."""
    user = world.user()
    headers = user.get(DOWNLOAD, *parts(user.upload(png(4, 4), "image/png"))).headers
    assert headers["content-disposition"].startswith("inline")


def check_download_needs_a_token(world: World) -> None:
    """A download needs a token."""
    uri = world.user().upload(b"soup", "text/plain")
    world.stranger.get(DOWNLOAD, *parts(uri)).refused(401, "M_MISSING_TOKEN")
    path = "/_matrix/client/v1/media/thumbnail/{}/{}"
    world.stranger.get(path, *parts(uri), width=8, height=8).refused(401, "M_MISSING_TOKEN")


def check_upload_needs_a_token(world: World) -> None:
    """An upload needs a token."""
    world.stranger.request("POST", UPLOAD, body=b"soup").refused(401, "M_MISSING_TOKEN")


def check_unknown_content(world: World) -> None:
    """Content that does not exist is not found."""
    user = world.user()
    user.get(DOWNLOAD, world.server_name, "nosuchmedia").refused(404, "M_NOT_FOUND")
    answer = user.get(THUMBNAIL, world.server_name, "nosuchmedia", width=8, height=8)
    answer.refused(404, "M_NOT_FOUND")


def check_media_id_is_no_path(world: World) -> None:
    """A media ID that looks like a path leads nowhere."""
    user = world.user()
    for media_id in ("..", "../../homeserver.yaml", "a/b", "nul\0"):
        answer = user.get(DOWNLOAD, world.server_name, media_id)
        assert answer.status in (400, 404), answer.status


def check_upload_limit(world: World) -> None:
    """An upload beyond the limit is refused before it is read."""
    user = world.user()
    size = upload_limit(user) + 1
    headers = {"Content-Length": str(size), "Content-Type": "text/plain"}
    answer = user.request("POST", UPLOAD, body=b"", headers=headers)
    answer.refused(413, "M_TOO_LARGE")


def check_empty_upload(world: World) -> None:
    """An empty file is a file."""
    user = world.user()
    answer = user.get(DOWNLOAD, *parts(user.upload(b"", "text/plain")))
    assert (answer.status, answer.content) == (200, b"")


def check_scaled_thumbnail(world: World) -> None:
    """A scaled thumbnail keeps the proportions of the picture."""
    user = world.user()
    uri = user.upload(png(400, 200), "image/png")
    answer = user.get(THUMBNAIL, *parts(uri), width=100, height=100, method="scale")
    width, height = png_size(answer.content)
    assert (answer.media_type, width) == ("image/png", 2 * height)
    assert width < 400


def check_cropped_thumbnail(world: World) -> None:
    """A cropped thumbnail has the wanted proportions."""
    user = world.user()
    uri = user.upload(png(400, 200), "image/png")
    answer = user.get(THUMBNAIL, *parts(uri), width=96, height=96, method="crop")
    width, height = png_size(answer.content)
    assert width == height < 200


def check_thumbnail_does_not_grow(world: World) -> None:
    """A thumbnail is not larger than the picture."""
    user = world.user()
    uri = user.upload(png(20, 10), "image/png")
    answer = user.get(THUMBNAIL, *parts(uri), width=800, height=600, method="scale")
    assert png_size(answer.content) == (20, 10)


def check_thumbnail_of_text(world: World) -> None:
    """What is no picture has no thumbnail, whatever it says it is."""
    user = world.user()
    for content, media_type in ((b"soup", "text/plain"), (b"soup", "image/png")):
        uri = user.upload(content, media_type)
        answer = user.get(THUMBNAIL, *parts(uri), width=8, height=8)
        answer.refused(400, "M_UNKNOWN")


def check_size_of_a_thumbnail(world: World) -> None:
    """The size of a thumbnail is needed and is made of positive whole numbers."""
    user = world.user()
    place = parts(user.upload(png(20, 10), "image/png"))
    user.get(THUMBNAIL, *place, width=8).refused(400, "M_MISSING_PARAM")
    for width in ("0", "-5", "wide", "1.5"):
        user.get(THUMBNAIL, *place, width=width, height=8).refused(400, "M_INVALID_PARAM")
    answer = user.get(THUMBNAIL, *place, width=8, height=8, method="stretch")
    answer.refused(400, "M_INVALID_PARAM")


def check_config(world: World) -> None:
    """The upload limit is told on the newer and the older path alike."""
    user = world.user()
    newer = user.get("/_matrix/client/v1/media/config").ok()
    assert newer == user.get("/_matrix/media/v3/config").ok()
    assert newer["m.upload.size"] > 0
    Client(world.wire).get("/_matrix/media/v3/config").refused(401, "M_MISSING_TOKEN")


def check_thumbnail_of_a_giant(world: World) -> None:
    """A picture with more pixels than a server should hold in memory is not scaled."""
    user = world.user()
    giant = png(1, 1).replace(struct.pack(">II", 1, 1), struct.pack(">II", 60_000, 60_000))
    header = giant[12:29]
    giant = giant[:29] + struct.pack(">I", zlib.crc32(header)) + giant[33:]
    uri = user.upload(giant, "image/png")
    answer = user.get(THUMBNAIL, *parts(uri), width=32, height=32, method="scale")
    answer.refused(413, "M_TOO_LARGE")


def check_upload_that_breaks_off(world: World) -> None:
    """An upload that ends before its announced length is refused and not kept."""
    user = world.user()
    headers = {"Content-Type": "text/plain", "Content-Length": "100"}
    sent = headers | {"Authorization": f"Bearer {user.token}"}
    world.wire.send(Request("POST", UPLOAD, sent, b"soup"), cut=True).refused(400, "M_UNKNOWN")
