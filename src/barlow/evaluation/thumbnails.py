"""Images on fewer pixels: small enough to classify, and to find copies of one picture.

An image that was saved again as JPEG, or resized, has nearly the same thumbnail in grey: 8 x 8
means differ by about one grey level. (Its colours differ more: JPEG has fewer pixels of them.)
Images that are merely alike differ by more. In the digits of scikit-learn the two most alike
differ by 0.15 of what two images of the set usually differ by; copies are what is below 0.07.
"""

import numpy as np
from numpy.typing import NDArray

_SIDE = 8  # pixels
_NEAR = 0.07  # of the usual difference
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601, as in JPEG
_EQUAL = 1e-10  # of the contrast: rounding
_CONTRAST = 1.0  # grey levels: black images and others without a picture are no copies
_TESTED = 5000  # test images, at most
_TRAINED = 500  # training images at a time
_PAIRS = 2000  # to find the usual difference
_BLOCK = 32  # images at a time


def shrink(pixels: NDArray[np.generic], side: int) -> NDArray[np.float32]:
    """Images on at most ``side`` x ``side`` pixels, each the mean of the area that it covers.

    Args:
        pixels: Shape ``[images, height, width, channels]``.
        side: Largest height and width, >= 1.

    Returns:
        Shape ``[images, min(height, side), min(width, side), channels]``, float32.

    Example:
        >>> from barlow.evaluation import thumbnails
        >>> pixels = np.arange(16).reshape(1, 4, 4, 1)
        >>> thumbnails.shrink(pixels, 2)[0, ..., 0].tolist()
        [[2.5, 4.5], [10.5, 12.5]]
    """
    _, height, width, channels = pixels.shape
    blocks = []  # since floats take four times the memory of the pixels
    for i in range(0, len(pixels), _BLOCK):
        block = pixels[i : i + _BLOCK].astype("float32")
        if height > side:
            lines = _areas(height, side).T @ block.reshape(len(block), height, -1)
            block = lines.reshape(len(block), side, width, channels)
        blocks.append(_areas(width, side).T @ block if width > side else block)
    return np.concatenate(blocks)


def of(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    """Grey thumbnails of images without their mean brightness, shape ``[images, values]``.

    Args:
        pixels: Shape ``[images, height, width, channels]``, values 0 .. 255.
    """
    thumbnails = _grey(shrink(pixels, _SIDE))
    return thumbnails - thumbnails.mean(axis=1, keepdims=True)


def note_of_copies(train: NDArray[np.float32], test: NDArray[np.float32]) -> str:
    """A sentence on the test images that are near-copies of training images; empty if none are.

    Args:
        train: Thumbnails of the training images, see :func:`of`.
        test: Thumbnails of the test images. Of more than 5,000, so many are drawn at random.

    Example:
        >>> from barlow.evaluation import thumbnails
        >>> noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1))
        >>> thumbnails.note_of_copies(thumbnails.of(noise[:15]), thumbnails.of(noise[15:]))
        ''
        >>> thumbnails.note_of_copies(thumbnails.of(noise[:15]), thumbnails.of(noise[10:]))
        '5 of 10 test images have a near-copy among the training images: accuracies are too high.'
    """
    if len(test) > _TESTED:
        test = test[np.random.default_rng(0).permutation(len(test))[:_TESTED]]
    copies = int(_have_copies(train, test).sum())
    if not copies:
        return ""
    return (
        f"{copies:,} of {len(test):,} test images have a near-copy among the training images: "
        "accuracies are too high."
    )


def usual(train: NDArray[np.floating], test: NDArray[np.floating]) -> float:
    """What an image of the one set and one of the other differ by, the median of squares."""
    random = np.random.default_rng(0)
    one, other = (
        thumbnails[random.integers(0, len(thumbnails), _PAIRS)] for thumbnails in (train, test)
    )
    return float(np.median(np.square(one - other).mean(axis=1)))


def are_copies(
    one: NDArray[np.float32], other: NDArray[np.float32], usual: float
) -> NDArray[np.bool_]:
    """Whether each image is a near-copy of that of the same number, shape ``[images]``.

    Args:
        one: Thumbnails, see :func:`of`.
        other: Thumbnails of as many images.
        usual: What two images of the set usually differ by, see :func:`usual`.

    Example:
        >>> from barlow.evaluation import thumbnails
        >>> noise = thumbnails.of(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)))
        >>> thumbnails.are_copies(noise, noise[[0, 2, 1]], thumbnails.usual(noise, noise))
        array([ True, False, False])
    """
    one, other = one.astype("float64"), other.astype("float64")
    contrast = np.square(other).mean(axis=1)
    near = np.square(one - other).mean(axis=1) < _limits(contrast, usual)
    return (contrast >= _CONTRAST**2) & near


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shape ``[images, height * width]``."""
    channels = pixels.shape[-1]
    grey = pixels @ _GREY if channels == len(_GREY) else pixels.mean(axis=-1)
    return grey.reshape(len(pixels), -1)


def _areas(size: int, side: int) -> NDArray[np.float32]:
    """Weights ``[size, side]`` of the pixels of a line in each of its ``side`` parts."""
    edges = np.linspace(0, size, side + 1)
    pixels = np.arange(size)[:, None]
    covered = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    return (np.clip(covered, 0, None) * side / size).astype("float32")


def _have_copies(train: NDArray[np.float32], test: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of the test images have a near-copy, shape ``[test images]``."""
    train, test = train.astype("float64"), test.astype("float64")  # differences of large numbers
    contrast = np.square(test).mean(axis=1)
    limits = _limits(contrast, usual(train, test))
    nearest = np.full(len(test), np.inf)
    for block in np.array_split(train, range(_TRAINED, len(train), _TRAINED)):
        squares = np.square(block).mean(axis=1) + contrast[:, None]
        differences = squares - 2 * (test @ block.T) / test.shape[1]
        nearest = np.minimum(nearest, differences.min(axis=1))
    return (contrast >= _CONTRAST**2) & (nearest < limits)


def _limits(contrast: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """The squared difference below which images of these squared contrasts are copies."""
    limits = _NEAR**2 * np.minimum(usual, 2 * contrast)  # two images of this contrast differ so
    return np.maximum(limits, _EQUAL * contrast)  # also where most images are one picture
