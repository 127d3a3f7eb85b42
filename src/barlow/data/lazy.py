"""Pixels that are read when they are asked for, and images that cannot be read."""

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from barlow.errors import InvalidInput

MAX_PIXELS = 2**30 // 12
"""Pixels of the largest image that is read unasked, about 89 million: Pillow's own limit."""

MEMORY = 2 * 2**30
"""Bytes of pixels up to which images are read into memory, unless another number is asked for."""


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
        # Names of files may hold bytes that are no text, which could not be printed or written.
        self.source = str(source).encode("utf-8", "backslashreplace").decode()
        self.reason = reason
        super().__init__(self.source, reason)  # what a pickle makes it from

    def __str__(self) -> str:
        return f"Cannot read the image {self.source}: {self.reason}."


class LazyPixels:
    """Pixels of images, each read when it is asked for; indexed as the array would be.

    Nothing is kept, so many threads and processes may read at once.

    Args:
        files: One entry per image: what ``read`` takes.
        image_shape: ``(height, width, channels)`` of every image.
        read: Makes the pixels of an image, shape ``image_shape``, values 0 .. 255, uint8, of an
            entry; raises :class:`BadImage` where it cannot. For processes it must be picklable.

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
        read: Callable[[Any], np.ndarray],
    ):
        self.files, self.read = files, read
        self.shape = (len(files), *image_shape)

    def __len__(self) -> int:
        return len(self.files)

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels would take in memory."""
        return int(np.prod(self.shape, dtype="int64"))

    @overload
    def __getitem__(self, index: int | np.integer) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> np.ndarray: ...
    def __getitem__(self, index: Any) -> np.ndarray:
        """Read one image, ``[height, width, channels]``, or several, ``[images, ...]``.

        Raises:
            BadImage: If one of them cannot be read.
            IndexError: If there is no such image.
        """
        if isinstance(index, int | np.integer):
            return self.read(self.files[int(index)])
        chosen: Any = np.arange(len(self))[index]
        pixels = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for place, i in enumerate(chosen):
            pixels[place] = self.read(self.files[i])
        return pixels
