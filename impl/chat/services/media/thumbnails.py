"""Small versions of images, made when first asked for and kept.

Asked-for sizes are rounded up to those of the configuration, so that the number of files per
image is bounded. Spec: client-server-api/#thumbnails
"""

import io
from pathlib import Path

from gevent.threadpool import ThreadPool
from PIL import Image, ImageOps, UnidentifiedImageError

from chat.config.model import ThumbnailSize
from chat.protocol.errors import ChatError, InvalidParam, TooLarge, Unknown
from chat.services.media import content
from chat.services.media.content import Content
from chat.services.server import Server
from chat.storage.media import Media

READABLE = ("PNG", "JPEG", "GIF", "WEBP")
JPEG_QUALITY = 80

# Scaling takes tens of milliseconds and much memory: one image at a time per process.
_pool = ThreadPool(1)


def thumbnail(
    server: Server, server_name: str, media_id: str, width: int, height: int, method: str
) -> Content:
    """A thumbnail at least as large as asked for, as far as the image is.

    Raises NotFound, InvalidParam for sizes below 1, Unknown where the content is no image that
    can be read, TooLarge for more pixels than max_image_pixels.
    """
    if width < 1 or height < 1:
        raise InvalidParam("width and height must be positive")
    entry = content.find(server, server_name, media_id)
    size = _nearest(server.config.thumbnail_sizes, width, height, method)
    kind = "JPEG" if entry.content_type == "image/jpeg" else "PNG"
    name = f"{size.width}x{size.height}-{size.method}.{kind.lower()}"
    path = server.media.thumbnail_path(media_id, name)
    if not path.exists():
        _make(server, entry, size, kind, path)
    chunks = content.open_file(server, path)
    return Content(f"image/{kind.lower()}", name, path.stat().st_size, chunks)


def _nearest(
    sizes: tuple[ThumbnailSize, ...], width: int, height: int, method: str
) -> ThumbnailSize:
    """The smallest configured size of this method that is large enough, or the largest."""
    fitting = sorted(
        (s for s in sizes if s.method == method), key=lambda s: (s.width * s.height, s.width)
    ) or sorted(sizes, key=lambda s: s.width * s.height)
    for size in fitting:
        if size.width >= width and size.height >= height:
            return size
    return fitting[-1]


def _make(server: Server, entry: Media, size: ThumbnailSize, kind: str, path: Path) -> None:
    source = content.media_path(server, entry)
    limit = server.config.max_image_pixels
    image = _pool.apply(_scaled_or_refused, (source, size, kind, limit))
    if isinstance(image, ChatError):
        raise image
    server.media.write(path, [image])


def _scaled_or_refused(
    source: Path, size: ThumbnailSize, kind: str, max_pixels: int
) -> bytes | ChatError:
    """As `_scaled`, with a refusal as the result: a pool logs what is raised as a failure."""
    try:
        return _scaled(source, size, kind, max_pixels)
    except ChatError as refusal:
        return refusal


def _scaled(source: Path, size: ThumbnailSize, kind: str, max_pixels: int) -> bytes:
    """The scaled image in the format `kind`; runs in a thread."""
    try:
        with Image.open(source, formats=READABLE) as image:
            if image.width * image.height > max_pixels:
                raise TooLarge("The image has too many pixels")
            upright = ImageOps.exif_transpose(image)
            transparent = kind == "PNG" and upright.has_transparency_data
            upright = upright.convert("RGBA" if transparent else "RGB")
            frame = (size.width, size.height)
            if size.method == "crop":
                upright = ImageOps.fit(upright, _bounded(frame, upright.size))
            else:
                upright.thumbnail(frame)
            out = io.BytesIO()
            upright.save(out, kind, quality=JPEG_QUALITY)
            return out.getvalue()
    except Image.DecompressionBombError as error:
        raise TooLarge("The image has too many pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Unknown("The content is no image that can be scaled") from error


def _bounded(frame: tuple[int, int], image: tuple[int, int]) -> tuple[int, int]:
    """The frame, no larger than the image: thumbnails never enlarge."""
    return min(frame[0], image[0]), min(frame[1], image[1])
