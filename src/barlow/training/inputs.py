"""Training images as the settings want them, or as the run has them that is resumed."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from barlow import data, models, resizing, runs
from barlow.data.fingerprint import Fingerprint, differences
from barlow.errors import InvalidInput
from barlow.settings import Settings


def check_settings(settings: Settings, from_run: str | os.PathLike[str] | None) -> None:
    """Refuse settings of a training that contradict each other; to be asked before reading.

    Raises:
        InvalidInput: If they do.
    """
    if from_run is not None and settings.weights is not None:
        raise InvalidInput(
            "A run starts from the weights of another run (--from, from_run=...) or from those of "
            f"`weights`. Received: both, {from_run} and {settings.weights}."
        )
    if settings.minutes is not None and settings.epochs is not None:
        raise InvalidInput(
            "`minutes` plans the epochs, and `epochs` says how many there are: give one of them. "
            f"Received: minutes={settings.minutes:g} and epochs={settings.epochs}."
        )


def reading(settings: Settings, run: pathlib.Path | None = None) -> dict[str, Any]:
    """Options of :func:`barlow.data.load` for the images of a training.

    Args:
        settings: How to train.
        run: A run that is resumed: what it has is not open. Defaults to ``None``.
    """
    size = settings.image_size
    options: dict[str, Any] = {"image_size": None if size is None else (size, size)}
    options |= resizing.RECOMMENDED if run is None else resizing.of(run)
    if run is not None and size is None:
        options["image_size"] = runs.image_shape(run)[:2]
    if settings.resize != "auto":
        options["resize"] = settings.resize
    return options


def training_images(
    images: Any,
    settings: Settings,
    run: pathlib.Path | None,
    from_run: str | os.PathLike[str] | None = None,
) -> data.Images:
    """Training images in any form that :func:`barlow.pretrain` takes.

    Args:
        images: As given.
        settings: How to train.
        run: As for :func:`reading`.
        from_run: A run whose weights it starts from: a size that is open becomes that of its
            images, which the weights may fit alone. So it does with a ``.keras`` file of weights.

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
    image_size = options["image_size"]
    if image_size is None and found.size_is_open:
        image_size = _size_of_start(settings, from_run)
    return _at_size(found, image_size) if found.size_is_open and image_size else found


def _size_of_start(
    settings: Settings, from_run: str | os.PathLike[str] | None
) -> tuple[int, int] | None:
    """Of the images that the weights have seen, where that is known."""
    if from_run is not None and (shape := runs.image_shape(from_run)):
        return shape[0], shape[1]
    return None if settings.weights is None else models.image_size_of_weights(settings.weights)


def probe_images(probe: Any, images: data.Images) -> data.Images:
    """Labelled images, read as the training images were.

    Raises:
        InvalidInput: If they are there already and were resized in another way.
    """
    height, width, channels = images.pixels.shape[1:]
    options = _way(images)
    found = data.as_images(probe, (height, width), channels, **options)
    if images.resize and found.resize and _way(found) != options:
        raise InvalidInput(
            f"The images of the probe were read with {_way(found)}, those of the training with "
            f"{options}. Read them alike: barlow.data.load(..., **{options})."
        )
    return found if found.read is None else _at_size(found, (height, width))


def _way(images: data.Images) -> dict[str, str]:
    return {"resize": resizing.named(images.resize), "background": images.background}


def _at_size(images: data.Images, image_size: tuple[int, int]) -> data.Images:
    """Images of files in a size that is not open; read anew if it is another one."""
    if images.pixels.shape[1:3] == image_size:
        return dataclasses.replace(images, size_is_open=False)
    return data.at_size(images, image_size)


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
