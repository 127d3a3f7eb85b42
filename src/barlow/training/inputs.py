"""Training images as the settings want them, or as the run has them that is resumed."""

import pathlib
from typing import Any

import numpy as np

from barlow import data, resizing, runs
from barlow.data.fingerprint import Fingerprint, differences
from barlow.errors import InvalidInput
from barlow.settings import Settings


def reading(settings: Settings, run: pathlib.Path | None = None) -> dict[str, Any]:
    """Options of :func:`barlow.data.load` for the images of a training.

    Args:
        settings: How to train.
        run: A run that is resumed: what it has is not open. Defaults to ``None``.
    """
    size, resize = settings.image_size, settings.resize
    image_size = None if size is None else (size, size)
    if run is not None:
        image_size = image_size or runs.image_shape(run)[:2]
    if resize == "auto":
        resize = resizing.RESIZE if run is None else resizing.of(run)
    return {"image_size": image_size, "resize": resize}


def training_images(images: Any, settings: Settings, run: pathlib.Path | None) -> data.Images:
    """Training images in any form that :func:`barlow.pretrain` takes.

    Raises:
        InvalidInput: If they are there already and were resized in another way.
    """
    options = reading(settings, run)
    found = data.as_images(images, **options)
    wanted = resizing.RESIZES[options["resize"]]
    given = settings.resize != "auto" or run is not None
    if given and found.resize not in ("", wanted):
        raise InvalidInput(
            f"The images were read by {found.resize}, and the training wants them by {wanted}. "
            f"Read them so: barlow.data.load(..., resize={options['resize']!r})."
        )
    if run is not None and found.size_is_open:
        height, width, _ = runs.image_shape(run)
        same = (height, width) == found.pixels.shape[1:3]
        return found if same else data.at_size(found, (height, width))
    return found


def probe_images(probe: Any, images: data.Images) -> data.Images:
    """Labelled images, of the size and the channels of the training images."""
    height, width, channels = images.pixels.shape[1:]
    resize = resizing.named(images.resize)
    found = data.as_images(probe, (height, width), channels, resize=resize)
    # They may have been read before the size was planned.
    same = found.read is None or found.pixels.shape[1:3] == (height, width)
    return found if same else data.at_size(found, (height, width))


def check_images(run: pathlib.Path, images: data.Images) -> None:
    """Refuse to resume a run with other images, if there are as many as before."""
    path = run / runs.IMAGES
    if not path.exists():
        return  # a run of version 0.1.0
    with np.load(path, allow_pickle=False) as arrays:
        before = Fingerprint(arrays["names"], arrays["content"])
    if len(before.content) != len(images):
        return  # which is said with all other settings
    if different := differences(images, before):
        raise InvalidInput(
            f"The run at {run} began with other images. Of the {len(images)} now there are "
            f"{different}. Its batches follow the order of the images, so it is resumed with those "
            "it began with. For other images start a new run from its weights (--from, "
            "from_run=...)."
        )
