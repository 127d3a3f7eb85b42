"""How an image comes to a size with another ratio of width to height."""

import json
import operator
import os
from typing import Any, NamedTuple

from barlow import own
from barlow.errors import InvalidInput
from barlow.paths import as_path

RESIZES = {
    "crop": "centre crop, bicubic",
    "pad": "padded, bicubic",
    "stretch": "stretched, bicubic",
}
"""Ways to do it, in words: ``"crop"`` cuts the longer side to its middle; ``"pad"`` lays all of the
image in the middle of the background; ``"stretch"`` keeps all of it and not its ratio."""

RESIZE = "stretch"
"""The recommended one; docs/decisions/0015 has what each is worth."""

BACKGROUND = "white"
"""The recommended colour behind transparent images, and beside those that are padded."""

RECOMMENDED = {"resize": RESIZE, "background": BACKGROUND}
"""Both, as options of :func:`barlow.data.load`."""

OTHER_SIZE = "Image files are brought to another size by --image-size, Settings(image_size=...)."
OTHER_CHANNELS = "Image files are read as grey or as colour by barlow.data.load(..., channels=...)."
"""How to mend it, where an encoder does not take images of their shape."""


class Placed(NamedTuple):
    """Which part of an image goes where."""

    box: tuple[float, float, float, float]
    """Of the image: left, top, right, bottom, in pixels."""
    size: tuple[int, int]
    """Width and height that the part gets."""
    corner: tuple[int, int]
    """Left and top of its place in the result."""


def placed(true_size: tuple[float, float], size: tuple[int, int], resize: str = RESIZE) -> Placed:
    """Which part of an image goes where in the result.

    Args:
        true_size: ``(width, height)`` of the image, which may end within a pixel.
        size: ``(width, height)`` of the result.
        resize: A key of ``RESIZES``.

    Example:
        >>> from barlow.resizing import placed
        >>> placed((60, 40), (20, 20), "crop").box
        (10.0, 0.0, 50.0, 40.0)
        >>> placed((60, 40), (20, 20), "pad")
        Placed(box=(0.0, 0.0, 60.0, 40.0), size=(20, 13), corner=(0, 4))
    """
    (width, height), (to_width, to_height) = true_size, size
    ratios = width / to_width, height / to_height
    left = top = 0.0
    if resize == "crop":
        # Rounding may give less than 0, and Pillow refuses a box that leaves the image.
        left = max(0.0, width - min(ratios) * to_width) / 2
        top = max(0.0, height - min(ratios) * to_height) / 2
    elif resize == "pad":  # rounded as Pillow does
        if width / height > to_width / to_height:
            size = to_width, max(1, round(height / width * to_width))
        else:
            size = max(1, round(width / height * to_height)), to_height
    corner = round((to_width - size[0]) / 2), round((to_height - size[1]) / 2)
    return Placed((left, top, width - left, height - top), size, corner)


def of(encoder: str | os.PathLike[str]) -> dict[str, str]:
    """How image files were brought to the size of an encoder, by what was written beside it.

    Args:
        encoder: Folder of a run, of a classifier or of an export, or a file in one of them.

    Returns:
        ``resize`` and ``background``, as options of :func:`barlow.data.load`; the recommended ones
        where nothing says it.

    Example:
        >>> from barlow import resizing
        >>> resizing.of("somewhere/encoder.keras")
        {'resize': 'stretch', 'background': 'white'}
    """
    path = as_path(encoder)
    folder = path.parent if path.is_file() else path
    if own.is_run(folder):
        config = json.loads((folder / own.CONFIG).read_text("utf-8"))
        return _options({"resize": "crop", **config})  # as it was before there was a setting
    for name in (own.CLASSIFIER, own.EXPORT):
        try:
            found = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError):  # not there, or not ours
            continue
        if isinstance(found, dict) and found.get("resize") in [*RESIZES]:
            return _options(found)
    return dict(RECOMMENDED)


def _options(found: dict[str, Any]) -> dict[str, str]:
    return {name: found.get(name, value) for name, value in RECOMMENDED.items()}


def named(words: str) -> str:
    """The key of ``RESIZES`` that has these words; of others, as of arrays, the recommended one.

    Example:
        >>> from barlow import resizing
        >>> resizing.named("padded, bicubic")
        'pad'
    """
    return next((name for name, each in RESIZES.items() if each == words), RESIZE)


def as_size(size: Any, name: str = "image_size") -> tuple[int, int]:
    """``(height, width)`` that a user gives, checked.

    Args:
        size: What is given.
        name: Of the argument, for the message.

    Raises:
        InvalidInput: If it is no pair of whole numbers of at least 1.

    Example:
        >>> from barlow.resizing import as_size
        >>> as_size([480, 640])
        (480, 640)
    """
    try:
        height, width = map(operator.index, size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise InvalidInput(
            f"`{name}` must be (height, width) in pixels, whole numbers of at least 1. "
            f"Received: {size!r}."
        )
    return height, width
