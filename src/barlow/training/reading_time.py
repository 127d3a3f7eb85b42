"""How long reading image files takes: what a short training, which reads few, does not show."""

import time
from typing import NamedTuple

import numpy as np

from barlow import data
from barlow.data.fingerprint import fingerprint, looks

_SOME = 256  # images that are read


class Reading(NamedTuple):
    """What reading takes, in seconds."""

    begin: float
    """To know all images again by their content, before they are trained on."""
    image: float
    """One image that is read when training needs it; 0 of an array, also of one on a disk."""


def measure(images: data.Images, seed: int) -> Reading:
    """What reading takes for files that nothing has read just now: a disk is slower than a cache.

    Args:
        images: Training images.
        seed: Of the draw of images.
    """
    some = data.sample(images, 2 * _SOME, seed)
    known, read = some[: len(some) // 2], some[len(some) // 2 :]
    begin = time.perf_counter()
    fingerprint(known)
    middle = time.perf_counter()
    if not isinstance(images.pixels, np.ndarray):
        for _ in data.read_in_order(read, _SOME):
            pass
    end = time.perf_counter()
    all_of_them = looks(images) / looks(known)
    return Reading((middle - begin) * all_of_them, (end - middle) / len(read))


def at_size(images: data.Images, size: tuple[int, int], seed: int) -> float:
    """Seconds to bring images in memory to another size; about 0 for those that are not.

    Args:
        images: Images of files.
        size: ``(height, width)``.
        seed: Of the draw of images.
    """
    some = data.sample(images, _SOME, seed)
    begin = time.perf_counter()
    data.at_size(some, size)
    return (time.perf_counter() - begin) * len(images) / len(some)
