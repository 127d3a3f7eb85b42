"""A second look at images: all of each, very small, and not only the part that the encoder sees.

An encoder may see the middle of an image alone, cropped to a square, or all of it without its
ratio of width to height. Two pictures may be the same there and differ otherwise. So what is taken
for a copy must be like the original as a whole, too: by the correlation of both in grey on 16 x 16
pixels, and by that ratio.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import data
from barlow.data.reading import read_all
from barlow.errors import extra
from barlow.evaluation import thumbnails
from barlow.progress import Track, silent

with extra("cli", "Comparing whole images"):
    from barlow.data.decoding import decode

SIDE = 16  # pixels
_STRETCH = 1.25  # between the ratios of width to height of an image and its copy
_OWN = ("image_size", "channels", "resize")
"""Options of reading that are set here."""

Whole = NDArray[np.uint8]
"""Small images, ``[images, 16, 16]``."""


def whole_of(images: data.Images, track: Track = silent) -> Whole:
    """All of every image in grey on 16 x 16 pixels; black where it cannot be read.

    Args:
        images: Images of files, or of arrays.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        Shape ``[images, 16, 16]``, uint8.
    """
    found = np.zeros((len(images), SIDE, SIDE), "uint8")
    if images.files is None:
        for row in range(len(images)):
            small = thumbnails.shrink(images.pixels[[row]], SIDE).mean(axis=-1)[0]
            found[row, : small.shape[0], : small.shape[1]] = np.rint(small)
        return found
    reading = reading_of(images)

    def read(file: Any) -> Whole:
        return whole_of_file(file, **reading)

    for row, small in enumerate(read_all(read, [*images.files], track, "Comparing whole images")):
        if not isinstance(small, data.BadImage):
            found[row] = small
    return found


def whole_of_file(file: Any, **reading: Any) -> Whole:
    """One image file, ``[16, 16]``, stretched.

    Raises:
        BadImage: If it cannot be read.
    """
    return decode(file, (SIDE, SIDE), 1, resize="stretch", **reading)[..., 0]


def reading_of(images: data.Images) -> dict[str, Any]:
    """How files of these images are decoded, but for size and channels."""
    keywords = getattr(images.read, "keywords", {})
    return {name: each for name, each in keywords.items() if name not in _OWN}


def correlations(one: Whole, other: Whole) -> NDArray[np.float64]:
    """Correlation of every image with that of the same number, -1 to 1; 0 if one is plain.

    Example:
        >>> from barlow.neighbours import whole
        >>> some = np.random.default_rng(0).integers(0, 256, (2, 16, 16)).astype("uint8")
        >>> whole.correlations(some, 255 - some).round(6).tolist()
        [-1.0, -1.0]
    """
    a, b = (_standardized(each) for each in (one, other))
    return np.einsum("nd,nd->n", a, b)


class SecondLook:
    """Whether images that are similar are copies as a whole.

    Args:
        limit: The smallest correlation of copies.
        images: Images of the keepers, by row.
        facts: What is known of them: width and height.
        others: Images of the copies, by row. Defaults to ``None``: those of the keepers.
        other_facts: What is known of these.
    """

    def __init__(
        self,
        limit: float,
        images: data.Images,
        facts: Mapping[str, NDArray[Any]],
        others: data.Images | None = None,
        other_facts: Mapping[str, NDArray[Any]] | None = None,
    ):
        self._limit = limit
        self._images = (images, images if others is None else others)
        self._facts = (facts, other_facts or facts)
        seen: dict[int, Whole] = {}
        self._seen = (seen, seen if others is None else {})

    def read(self, rows: NDArray[np.intp], track: Track = silent, which: int = 0) -> None:
        """Read images that will be looked at, all at once."""
        seen = self._seen[which]
        new = np.array([row for row in np.unique(rows).tolist() if row not in seen], np.intp)
        if len(new):
            small = whole_of(self._images[which][new], track)
            seen.update(zip(new.tolist(), small, strict=True))

    def passes(self, keepers: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each row is a copy of the keeper of the same number, ``[rows]``."""
        if not len(rows):
            return np.empty(0, bool)
        small, ratios = [], []
        for which, each in enumerate((keepers, rows)):
            self.read(each, which=which)
            small.append(np.stack([self._seen[which][row] for row in each.tolist()]))
            facts = self._facts[which]
            ratios.append(facts["width"][each] / facts["height"][each])
        one, other = small
        stretch = np.maximum(ratios[0] / ratios[1], ratios[1] / ratios[0])
        # Plain images have no correlation: the encoder alone decides.
        plain = (one.std(axis=(1, 2)) < 1) & (other.std(axis=(1, 2)) < 1)
        return (stretch <= _STRETCH) & (plain | (correlations(one, other) >= self._limit))


def _standardized(images: Whole) -> NDArray[np.float64]:
    values = images.reshape(-1, SIDE * SIDE).astype("float64")
    values -= values.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(norms < SIDE, np.inf, norms)  # plain: below one level
