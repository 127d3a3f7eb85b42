"""Images of one size with their labels and names, in memory or on disk."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import pixels, resizing
from barlow.data.lazy import LazyPixels
from barlow.errors import InvalidInput

Pixels = NDArray[Any] | LazyPixels

_SEEN = 64  # images that are looked at


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one size, each with its name, and with its label if the source has labels.

    ``images[index]`` takes a slice, row numbers or a mask and returns :class:`Images`: pixels,
    labels and names are indexed together, lazy pixels are not read. A single number is refused:
    ``images[[3]]`` is one image.

    Args:
        pixels: Shape ``[images, height, width, channels]``, values 0 .. 255, uint8 or float32:
            an array, or :class:`LazyPixels` if they do not fit in memory.
        labels: One label per image, shape ``[images]``, or ``None``.
        notes: What was done to the images on the way, one sentence each.
        skipped: Images of the source that cannot be read: where each is, and why.
        names: One text per image, shape ``[images]``, kept as an array of ``str`` objects.
            Defaults to ``None``: the row numbers ``"0"``, ``"1"``, ... :func:`barlow.data.load`
            says how it names images.
        resize: How image files were brought to their size; ``""`` for images of other sources.
        files: What every image was read from, shape ``[images]``: a path, or another object that
            opens as one. Defaults to ``None`` for images of other sources.
        read: Function from one of ``files`` to its pixels, also of images in memory; ``None`` for
            images of other sources.
        size_is_open: Whether their size was recommended, and not given: it may be another.
        passed_over: Number of files of the source that are not images, by kind: what looks like
            images but is not read, ``"hidden files"``, ``"written by barlow"``, ``"other files"``.

    Raises:
        InvalidInput: If there is not one label, one name and one file per image.

    Example:
        >>> pixels = np.zeros((3, 8, 8, 1), "uint8")
        >>> images = barlow.data.Images(pixels, labels=[7, 8, 9], names=["a", "b", "c"])
        >>> chosen = images[[2, 0]]
        >>> chosen.pixels.shape, chosen.labels.tolist(), chosen.names.tolist()
        ((2, 8, 8, 1), [9, 7], ['c', 'a'])
    """

    pixels: Pixels
    labels: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    names: NDArray[np.object_] = None  # pyright: ignore[reportAssignmentType] - row numbers instead
    resize: str = ""
    files: NDArray[np.object_] | None = None
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)
    read: Callable[[Any], NDArray[Any]] | None = None
    size_is_open: bool = False

    def __post_init__(self) -> None:
        count = len(self.pixels)
        names: Any = map(str, range(count)) if self.names is None else self.names
        # Objects, because fixed-width strings would all be as long as the longest path.
        names = np.asarray(names if isinstance(names, np.ndarray) else list(names), dtype=object)
        if names.shape != (count,) or not all(isinstance(name, str) for name in names):
            raise InvalidInput(
                f"There must be one text per image as its name, shape ({count},). "
                f"Received: names of shape {names.shape}. To choose images, index them as one "
                "object: images[rows]."
            )
        object.__setattr__(self, "names", names)
        if self.files is not None and len(self.files) != count:
            raise InvalidInput(
                f"There must be one file per image. Received: {len(self.files)} files of {count} "
                "images."
            )
        if self.labels is None:
            return
        labels = np.asarray(self.labels)
        if labels.shape != (count,):
            raise InvalidInput(
                f"There must be one label per image, shape ({count},). "
                f"Received: labels of shape {labels.shape}."
            )
        object.__setattr__(self, "labels", labels)

    @property
    def background(self) -> str:
        """Colour behind transparent images, and beside those that are padded."""
        return getattr(self.read, "keywords", {}).get("background", resizing.BACKGROUND)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> "Images":
        """Some of the images, in the order of the index.

        Args:
            index: A slice, row numbers or a mask, as for a NumPy array.

        Returns:
            The images. A slice of an array is a view of it, as in NumPy.

        Raises:
            IndexError: If there is no such image.
            TypeError: If the index is a single number, or not one-dimensional.
        """
        rows: Any = index
        if not isinstance(index, slice):
            rows = np.arange(len(self))[index]
            if rows.ndim != 1:
                raise TypeError(
                    "Images are indexed by a slice, row numbers or a mask, such as images[[3]]. "
                    f"Received: {index!r}."
                )
        lazy = isinstance(self.pixels, LazyPixels)
        return dataclasses.replace(
            self,
            pixels=self.pixels.take(rows) if lazy else self.pixels[rows],
            labels=None if self.labels is None else self.labels[rows],
            names=self.names[rows],
            files=None if self.files is None else self.files[rows],
        )


def sample(images: Images, number: int, seed: int = 0) -> Images:
    """Images drawn at random, without replacement.

    Args:
        images: Images to draw from.
        number: Images to draw, >= 0; all of them, shuffled, if there are no more.
        seed: Seed of the draw, an integer, >= 0. Defaults to 0.

    Example:
        >>> len(barlow.data.sample(barlow.data.digits(), 10))
        10
    """
    return images[np.random.default_rng((seed, 0)).permutation(len(images))[:number]]


def from_array(array: Any, labels: Any = None) -> Images:
    """Images from an array, checked. Their names are the row numbers.

    Args:
        array: Shape ``[images, height, width]`` or ``[images, height, width, channels]`` with 1
            or 3 channels. Values 0 .. 255. Other values that are known are brought to that, by
            one factor for all images, and ``notes`` says so: booleans, integers 0 and 1, integers
            of 10 to 16 bits, fractions from 0 to 1. The array is not modified; it is not copied
            either if it is uint8, or float32 within 0 .. 255, and a memory map stays one.
        labels: One label per image, shape ``[images]`` or ``[images, 1]``, or ``None``.

    Returns:
        The images: integers as uint8, floats as float32.

    Raises:
        InvalidInput: If the shape or the number of labels is not valid, or it cannot be known
            what the values are.

    Example:
        >>> barlow.data.from_array(np.zeros((10, 8, 8))).pixels.shape
        (10, 8, 8, 1)
    """
    array = np.asarray(array)
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    pixels.check_order(array.shape)
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise InvalidInput(
            "Images must be an array of shape [images, height, width] or [images, height, "
            f"width, channels] with 1 or 3 channels. Received: shape {shape}."
        )
    scale = pixels.scale_for(pixels.range_of(array))
    array = scale(array)
    notes = [scale.note] if scale.changes else []
    some = array[:: max(1, len(array) // _SEEN)][:_SEEN]
    if labels is not None:
        labels = np.asarray(labels)
        if labels.shape == (len(array), 1):  # as in keras.datasets.cifar10
            labels = labels[:, 0]
    return Images(array, labels, (*notes, *pixels.doubts(some)))
