"""Training images as the settings want them, or as the run has them that is resumed."""

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from barlow import data, models, resizing, runs
from barlow.data.fingerprint import Fingerprint, differences
from barlow.errors import InvalidInput
from barlow.paths import as_path
from barlow.recommendation import Recommendation
from barlow.settings import Settings


def check_settings(
    settings: Settings,
    from_run: str | os.PathLike[str] | None,
    replaced: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse settings of a training that contradict each other; to be asked before reading.

    Args:
        settings: How to train.
        from_run: The run whose weights it starts from, or ``None``.
        replaced: Folder of a run that it overwrites. Defaults to ``None``.

    Raises:
        InvalidInput: If they do, or if the training would overwrite what it starts from.
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
    given = [settings.weights, settings.encoder, from_run]  # some are no paths, but names
    starts = [as_path(each).resolve() for each in given if each is not None]
    places = [start.parent for start in starts if start.name in (runs.ENCODER, runs.MODEL)]
    places += [] if from_run is None else [as_path(from_run).resolve()]
    if replaced is not None and as_path(replaced).resolve() in places:
        raise InvalidInput(
            f"The training starts from weights in {replaced} and would overwrite them: what ends "
            "it early would leave neither. Choose another folder."
        )


def reopened(settings: Settings) -> Settings:
    """Settings of a training; of a recommendation, what it only foresaw is open again.

    That is how files are resized, which arrays are not, and with ``minutes`` the number of epochs.
    """
    if not isinstance(settings, Recommendation):
        return settings
    foreseen: dict[str, Any] = {"resize": "auto"}
    if settings.minutes is not None:
        foreseen |= {"epochs": None, "warmup_epochs": None}
    is_open = {name: settings.reasons.get(name) != "given" for name in foreseen}
    return dataclasses.replace(
        settings, **{name: value for name, value in foreseen.items() if is_open[name]}
    )


def reading(
    settings: Settings,
    run: pathlib.Path | None = None,
    from_run: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Options of :func:`barlow.data.load` for the images of a training.

    Args:
        settings: How to train.
        run: A run that is resumed: what it has is not open. Defaults to ``None``.
        from_run: A run whose weights it starts from: its images have as many channels. So have
            those of a ``.keras`` file of weights, or of an encoder. Defaults to ``None``.
    """
    size = settings.image_size
    options: dict[str, Any] = {"image_size": None if size is None else (size, size)}
    options |= resizing.RECOMMENDED if run is None else resizing.of(run)
    shape = shape_of_start(settings, from_run) if run is None else runs.image_shape(run)
    options["channels"] = shape[2] if shape[2] in (1, 3) else None  # as files can have
    if run is not None and size is None:
        options["image_size"] = shape[:2]
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
            images, which the weights may fit alone. So it does with a ``.keras`` file of weights,
            or of an encoder.

    Raises:
        InvalidInput: If they are there already and were resized in another way; or if they are no
            image files, and the settings say how these are resized.
    """
    options = reading(settings, run, from_run)
    found = data.as_images(images, **options)
    wanted = resizing.RESIZES[options["resize"]]
    given = settings.resize != "auto" or run is not None
    if settings.resize != "auto" and not found.resize:
        raise InvalidInput(
            "`resize` says how image files come to their size, and these images are not of files. "
            f"Received: resize={settings.resize!r}. Leave it out."
        )
    if given and found.resize not in ("", wanted):
        raise InvalidInput(
            f"The images were read by {found.resize}, and the training wants them by {wanted}. "
            f"Read them so: barlow.data.load(..., resize={options['resize']!r})."
        )
    image_size = options["image_size"]
    if image_size is None and found.size_is_open:
        height, width, _ = shape_of_start(settings, from_run)
        image_size = None if height is None or width is None else (height, width)
    return _at_size(found, image_size) if found.size_is_open and image_size else found


def shape_of_start(
    settings: Settings, from_run: str | os.PathLike[str] | None = None
) -> tuple[int | None, ...]:
    """``(height, width, channels)`` that the weights to start from take; ``None`` what is open."""
    file = os.fspath(from_run or settings.weights or settings.encoder)
    shape: tuple[int | None, ...] = () if from_run is None else runs.image_shape(from_run)
    if not shape and file.endswith(".keras"):
        shape = models.image_shape_of(file)
    return shape if len(shape) == 3 else (None, None, None)


def probe_images(probe: Any, images: data.Images) -> data.Images:
    """Labelled images, read as the training images were.

    Raises:
        InvalidInput: If they are there already and were resized in another way, or have another
            shape.
    """
    height, width, channels = images.pixels.shape[1:]
    options = _way(images)
    found = data.as_images(probe, (height, width), channels, **options)
    if images.resize and found.resize and _way(found) != options:
        raise InvalidInput(
            f"The images of the probe were read with {_way(found)}, those of the training with "
            f"{options}. Read them alike: barlow.data.load(..., **{options})."
        )
    found = found if found.read is None else _at_size(found, (height, width))
    if found.pixels.shape[1:] != images.pixels.shape[1:]:
        raise InvalidInput(
            f"The images of the probe have the shape {found.pixels.shape[1:]}, those of the "
            f"training {images.pixels.shape[1:]} (height, width, channels). Give the probe as "
            "files, which are read at any size, or in this shape."
        )
    return found


def with_probe(images: data.Images, probe: Any) -> tuple[data.Images, data.Images]:
    """Training images whose size is open only if labelled images follow it, and these."""
    probe = probe_images(probe, images)
    is_open = images.size_is_open and probe.read is not None
    return dataclasses.replace(images, size_is_open=is_open), probe


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
