"""Images for a command, and what is said of them."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import data
from barlow.cli import show

_SHOWN = 5  # images that could not be read
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
    if images.skipped:
        show.say(f"{len(images.skipped)} more could not be read and are left out:")
        for skipped, reason in images.skipped[:_SHOWN]:
            show.say(f"  {skipped}: {reason}")
        if len(images.skipped) > _SHOWN:
            show.say(f"  and {len(images.skipped) - _SHOWN} more")


def _classes(labels: NDArray[Any]) -> str:
    """The classes with their numbers of images, the largest first."""
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = [f"{names[place]} {counts[place]}" for place in order[:_CLASSES]]
    rest = f", and {len(names) - _CLASSES} more" if len(names) > _CLASSES else ""
    single = f"; {np.sum(counts == 1)} of them with a single image" if 1 in counts else ""
    return f"{len(names)} classes: {', '.join(shown)}{rest}{single}."
