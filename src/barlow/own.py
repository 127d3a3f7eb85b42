"""What barlow itself writes, and how it is recognised: it is never taken for data.

Pictures carry a mark, wherever they lie and whatever they are called. In the folder of a run, and
in one of TensorBoard's, the names are known, too: earlier versions left no mark.
"""

import json
import pathlib
from typing import Any

CONFIG = "config.json"
CLASSIFIER, EXPORT = "labelling.json", "export.json"
"""What is written beside a classifier, and beside an encoder that was exported."""
PICTURE = "training.png"
TENSORBOARD = "tensorboard"
CHECKPOINTS = "checkpoints"
CORRELATION = "correlation.npz"
IMAGES = "images.npz"
SPRITE, VECTORS = "sprite.png", "tensors.tsv"
"""Thumbnails of TensorBoard's projector, and the file that lies beside them."""

_PICTURES = ("AVIF", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # that Matplotlib writes with Pillow
MARK = "Written by barlow"
"""In every picture, whatever its format."""
_SOFTWARE = 0x0131  # the tag of EXIF and TIFF


def options(path: pathlib.Path) -> dict[str, Any]:
    """Options of ``PIL.Image.Image.save`` that mark a picture; empty for other formats."""
    from PIL import Image  # noqa: PLC0415 - optional

    if Image.registered_extensions().get(path.suffix.lower()) not in _PICTURES:
        return {}
    exif = Image.Exif()
    exif[_SOFTWARE] = MARK
    return {"exif": exif.tobytes(), "comment": MARK}


def mark(path: pathlib.Path) -> None:
    """Mark a picture that another library has written."""
    from PIL import Image  # noqa: PLC0415 - optional

    with Image.open(path) as image:
        image.load()
        image.save(path, **options(path))


def is_marked(image: Any) -> bool:
    """Whether barlow has written the picture.

    Args:
        image: Opened by Pillow; nothing more of it is read.
    """
    found: list[Any] = [image.info.get(name, b"") for name in ("exif", "comment")]
    found.append(getattr(image, "tag_v2", {}).get(_SOFTWARE, ""))
    texts = [each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in found]
    return any(MARK in text for text in texts)


def is_named(path: Any) -> bool:
    """Whether a file is a picture of a run or a sprite of TensorBoard, by its place.

    Args:
        path: Path; anything else is not.
    """
    if not isinstance(path, pathlib.Path):
        return False
    sprite = path.name == SPRITE and (path.parent / VECTORS).exists()
    return sprite or (path.name == PICTURE and is_run(path.parent))


def is_run(folder: pathlib.Path) -> bool:
    """Whether a folder is a run: its configuration is one that barlow has written."""
    try:
        return "barlow" in json.loads((folder / CONFIG).read_text("utf-8"))["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
