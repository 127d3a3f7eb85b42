"""Images, in memory or on disk, in the one format that everything after them expects."""

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from barlow.data.lazy import BadImage, LazyPixels
from barlow.errors import InvalidInput
from barlow.progress import Track, silent

Pixels = np.ndarray | LazyPixels


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one size, and their labels if the source has any.

    Args:
        pixels: Shape ``[images, height, width, channels]``, values 0 .. 255, uint8 or float32:
            an array, or :class:`LazyPixels` where they are too many for the memory.
        labels: One label per image, shape ``[images]``, or ``None``.
        notes: What was done to the images on the way, one sentence each.
        skipped: Images of the source that could not be read: where each is, and why not.
    """

    pixels: Pixels
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)


def from_array(array: Any, labels: Any = None) -> Images:
    """Images from an array, checked.

    Args:
        array: Shape ``[images, height, width]`` or ``[images, height, width, channels]`` with 1
            or 3 channels. Values 0 .. 255; a float array within 0 .. 1 is recognised.
        labels: One label per image, shape ``[images]`` or ``[images, 1]``, or ``None``.

    Returns:
        The images: integers as uint8, floats as float32.

    Raises:
        ValueError: If the shape, the values or the number of labels do not fit.

    Example:
        >>> barlow.data.from_array(np.zeros((10, 8, 8))).pixels.shape
        (10, 8, 8, 1)
    """
    array, notes = np.asarray(array), []
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise InvalidInput(
            "Images must be an array of shape [images, height, width] or [images, height, "
            f"width, channels] with 1 or 3 channels. Received: shape {shape}."
        )
    if array.dtype.kind not in "uif":
        raise InvalidInput(f"Pixels must be numbers. Received: dtype {array.dtype}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # also where either is not a number
        raise InvalidInput(
            f"Pixels must lie between 0 and 255. Received: values from {low} to {high}; "
            "rescale them."
        )
    if array.dtype.kind == "f":
        array = array.astype("float32")
        if 0 < high <= 1:
            array *= 255
            notes.append("Values lie between 0 and 1: they were multiplied by 255.")
    else:
        array = array.astype("uint8")
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape == (len(array), 1):  # as in keras.datasets.cifar10
            labels = labels[:, 0]
        if labels.shape != (len(array),):
            raise InvalidInput(
                f"There must be one label per image, shape ({len(array)},). "
                f"Received: labels of shape {labels.shape}."
            )
    return Images(array, labels, tuple(notes))


def in_memory(images: Images, track: Track = silent) -> Images:
    """The images with their pixels in memory; read in parallel, and what is bad left out.

    Args:
        images: Images, of which the pixels may be lazy.
        track: Shows the progress of reading; see :data:`barlow.progress.Track`.

    Returns:
        Images of which ``pixels`` is an array; those that cannot be read are in ``skipped``.

    Raises:
        ValueError: If none can be read.

    Example:
        >>> images = barlow.data.digits()
        >>> barlow.data.in_memory(images) is images  # they are there already
        True
    """
    lazy = images.pixels
    if not isinstance(lazy, LazyPixels):
        return images
    pixels, kept, skipped = np.empty(lazy.shape, lazy.dtype), [], list(images.skipped)
    for i, found in enumerate(read_all(lazy.read, lazy.files, track, "Reading images")):
        if isinstance(found, BadImage):
            skipped.append((found.source, found.reason))
        else:
            pixels[len(kept)] = found
            kept.append(i)
    check_any(len(kept), skipped)
    labels = None if images.labels is None else images.labels[kept]
    return dataclasses.replace(
        images, pixels=pixels[: len(kept)], labels=labels, skipped=tuple(skipped)
    )


def read_all(read: Any, files: Sequence[Any], track: Track, description: str) -> Any:
    """What ``read`` makes of every file, in their order, or the :class:`BadImage` it raises."""

    def read_or_bad(file: Any) -> Any:
        try:
            return read(file)
        except BadImage as bad:
            return bad

    # Threads, because Pillow decodes without holding Python's lock.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _, found in zip(track(files, description), pool.map(read_or_bad, files), strict=True):
            yield found


def check_any(good: int, skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse a source in which there is nothing but bad images.

    Raises:
        ValueError: If none is good.
    """
    if not good:
        raise InvalidInput(
            f"None of the {len(skipped)} images can be read. The first: "
            f"{skipped[0][0]}: {skipped[0][1]}."
        )
