"""Pixels that are read when they are indexed, and images that cannot be read."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.text import printable

MAX_PIXELS = 2**30 // 12
"""Default limit of the pixels of one image, about 89 million: Pillow's own."""

MEMORY = 2 * 2**30
"""Default limit of the bytes of pixels that are read into memory."""


class BadImage(InvalidInput):
    """An image that cannot be read.

    Args:
        source: Where it is: a path, or a path in an archive.
        reason: Why it cannot be read.

    Example:
        >>> str(barlow.data.BadImage("cat.png", "it is empty"))
        'Cannot read the image cat.png: it is empty.'
    """

    def __init__(self, source: object, reason: str):
        self.source = printable(source)
        self.reason = reason
        super().__init__(self.source, reason)  # the arguments that unpickling passes

    def __str__(self) -> str:
        return f"Cannot read the image {self.source}: {self.reason}."


class LazyPixels:
    """Pixels of images, each read when it is indexed; the index works as on an array.

    Nothing is cached, so many threads and processes can read at once.

    Args:
        files: One entry per image: what ``read`` takes.
        image_shape: ``(height, width, channels)`` of every image.
        read: Function from an entry to the pixels of the image, shape ``image_shape``, values
            0 .. 255, uint8; raises :class:`BadImage` if it cannot read them. To be sent to
            other processes it must be picklable.

    Example:
        >>> def checkers(size):
        ...     return np.tile(np.uint8([[0, 255], [255, 0]]), (4, 4))[..., None] // size
        >>> pixels = barlow.data.LazyPixels([1, 2, 3], (8, 8, 1), checkers)
        >>> pixels.shape, pixels[0].shape, pixels[[2, 0]].shape
        ((3, 8, 8, 1), (8, 8, 1), (2, 8, 8, 1))
    """

    dtype = np.dtype("uint8")
    ndim = 4

    def __init__(
        self,
        files: Sequence[Any],
        image_shape: tuple[int, int, int],
        read: Callable[[Any], NDArray[Any]],
    ):
        self.files, self.read = files, read
        self.shape = (len(files), *image_shape)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels in memory."""
        return int(np.prod(self.shape, dtype="int64"))

    def take(self, rows: slice | Sequence[int] | NDArray[Any]) -> "LazyPixels":
        """Some of the images, without reading them.

        Args:
            rows: A slice, or the row numbers, ``>= 0``.

        Returns:
            Lazy pixels, shape ``[rows, height, width, channels]``.
        """
        files = self.files[rows] if isinstance(rows, slice) else [self.files[row] for row in rows]
        return LazyPixels(files, self.shape[1:], self.read)

    @overload
    def __getitem__(self, index: int | np.integer) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> NDArray[Any]: ...
    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read one image, ``[height, width, channels]``, or several, ``[images, ...]``.

        Raises:
            BadImage: If one of them cannot be read.
            IndexError: If there is no such image.
        """
        if isinstance(index, int | np.integer):
            return self.read(self.files[int(index)])
        rows: Any = np.arange(len(self))[index]
        pixels = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for place, row in enumerate(rows):
            pixels[place] = self.read(self.files[row])
        return pixels
