"""Images for a command, and what is said of them."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from barlow import data, resizing, runs
from barlow.cli import show
from barlow.errors import InvalidInput

if TYPE_CHECKING:
    import keras

_CLASSES = 12  # that are shown


def read(
    sources: Sequence[pathlib.Path], image_size: int | tuple[int, int] | None = None, **options: Any
) -> data.Images:
    """Images of one source or of several files; says what they are and what was left out.

    Args:
        sources: As given on the command line.
        image_size: Height and width, or both at once.
        **options: As for :func:`barlow.data.load`, ``None`` for its default.
    """
    source, named = sources, f"{len(sources)} files"
    if len(sources) == 1:
        source = named = sources[0]
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    given = {name: value for name, value in options.items() if value is not None}
    images = data.load(source, size, **given, track=show.track)
    _describe(images, str(named))
    return images


def read_for(
    run: pathlib.Path,
    sources: Sequence[pathlib.Path],
    shared: dict[Any, data.Images] | None = None,
    **options: Any,
) -> "tuple[keras.Model, data.Images]":
    """The encoder of a run, and images of the size and the channels that it takes.

    Args:
        run: Folder of a run, or a ``.keras`` file.
        sources: As given on the command line.
        shared: Images that were read for other encoders, by their size and channels, and to keep
            these in. Defaults to ``None``.
        **options: As for :func:`read`.
    """
    if not sources:
        raise InvalidInput("There is nothing to read. Give the images after the encoder.")
    encoder = runs.load_encoder(run)
    shape = runs.image_shape(run) or tuple(encoder.input_shape[1:])
    if len(shape) != 3:
        raise InvalidInput(f"The encoder {run} takes inputs of shape {shape}, which are no images.")
    height, width, channels = shape
    size = None if height is None or width is None else (height, width)  # else the images' own
    given = {name: value for name, value in options.items() if value is not None}
    options = {**resizing.of(run), **given}
    taken = (size, channels, options["resize"], options["background"])
    shared = {} if shared is None else shared
    if taken not in shared:
        shared[taken] = read(sources, size, channels=channels, **options)
    return encoder, shared[taken]


def _describe(images: data.Images, source: str) -> None:
    height, width, channels = images.pixels.shape[1:]
    show.say(
        f"{len(images)} {'grey' if channels == 1 else 'colour'} images of {height} x {width} "
        f"pixels, {'without' if images.labels is None else 'with'} labels, from {source}."
    )
    if images.labels is not None:
        show.say(_classes(images.labels))
    for note in images.notes:
        show.say(note)
    show.skipped(images.skipped)


def _classes(labels: NDArray[Any]) -> str:
    """The classes with their numbers of images, the largest first."""
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = [f"{names[place]} {counts[place]}" for place in order[:_CLASSES]]
    rest = f", and {len(names) - _CLASSES} more" if len(names) > _CLASSES else ""
    single = f"; {np.sum(counts == 1)} of them with a single image" if 1 in counts else ""
    return f"{len(names)} classes: {', '.join(shown)}{rest}{single}."
