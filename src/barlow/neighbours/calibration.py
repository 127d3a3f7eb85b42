"""From which similarity on two images are copies, measured on the images at hand.

Copies of some images are made and embedded: their similarities with the original show what a copy
looks like to this encoder. The similarity of an image with the nearest *other* image shows what is
not one. The cut between both makes the fewest mistakes if one image in ten has a copy. It is chosen
on one half of the images; its misses and false alarms are counted on the other half.
"""

from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import data, embedding
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, extra
from barlow.evaluation import thumbnails
from barlow.neighbours.copies import KINDS, copies_of
from barlow.neighbours.exact import nearest, similarities
from barlow.progress import Track, silent

with extra("cli", "Calibrating"):
    from scipy.stats import binomtest

_COPIED = 300  # images
_COMPARED = 1000  # images with their nearest others
_NEAREST = 4  # others that are looked at, since a copy among them is none
_WITHOUT_A_COPY = 10  # images for one that has a copy
_FEWEST = 4  # images that were copied
_BLOCK = 64  # images to copy at a time
_BLANK = 1.0  # levels of contrast: below, any two images are alike
_SUSPICIOUS = 0.05  # quantile of the similarity of copies


class Rate(NamedTuple):
    """A fraction that was counted, and its 95 % interval (Wilson)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, fraction: float, images: int) -> "Rate":
        """The rate of a fraction counted on so many images."""
        counted = binomtest(round(fraction * images), images).proportion_ci(method="wilson")
        return cls(fraction, min(counted.low, fraction), max(counted.high, fraction))

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} - {self.high:.1%})"


class Calibration(NamedTuple):
    """A cut between copies and other images."""

    threshold: float
    """Cosine similarity from which on images are copies."""
    misses: Rate
    """Expected fraction of copies that are less similar."""
    false_alarms: Rate
    """Expected fraction of images without a copy that are so similar to another one."""
    missed_by_kind: dict[str, float]
    images: int
    """Images that were copied."""


def calibrate(
    embeddings: Embeddings,
    encoder: keras.Model,
    images: data.Images,
    *,
    seed: int = 0,
    track: Track = silent,
) -> Calibration:
    """The similarity from which on two images of a collection are copies.

    Args:
        embeddings: Vectors of the collection; at least four images with some contrast.
        encoder: The encoder that made them.
        images: The images of the rows, in their order; pixels as the encoder saw them, better not
            in memory. At most 300 are copied and 1,000 compared.
        seed: Seed of the choice of images and of the copies. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        The cut, and the mistakes to be expected.

    Raises:
        InvalidInput: If there are too few images.

    Example:
        >>> encoder, digits = barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits()[:200]
        >>> embeddings = barlow.embed(encoder, digits)
        >>> 0 < barlow.neighbours.calibrate(embeddings, encoder, digits).threshold < 1
        True
    """
    random = np.random.default_rng((seed, 1))
    rows = random.permutation(len(embeddings))[:_COMPARED]
    copied = _of_copies(embeddings, encoder, images, rows[:_COPIED], random, track)
    others = np.empty(0)
    if len(copied):
        others = _of_others(embeddings, images, rows, float(np.quantile(copied, _SUSPICIOUS)))
    if len(copied) < _FEWEST or len(others) < _FEWEST:
        raise InvalidInput(
            f"A threshold is measured on at least {_FEWEST} images that are neither blank nor "
            f"copies of others. Received: {min(len(copied), len(others))}. Give a threshold "
            "(--threshold, `threshold`)."
        )
    threshold = _cut(copied[::2].ravel(), others[::2])
    missed, alarms = copied[1::2] < threshold, others[1::2] >= threshold
    return Calibration(
        threshold,
        Rate.of(float(missed.mean()), len(missed)),
        Rate.of(float(alarms.mean()), len(alarms)),
        dict(zip(KINDS, missed.mean(axis=0).tolist(), strict=True)),
        len(copied),
    )


def _of_copies(
    embeddings: Embeddings,
    encoder: keras.Model,
    images: data.Images,
    rows: NDArray[np.intp],
    random: np.random.Generator,
    track: Track,
) -> NDArray[np.float64]:
    """Similarity of copies with their originals, ``[images, kinds]``, without blank images."""
    found = [np.empty((0, len(KINDS)))]
    for start in track(range(0, len(rows), _BLOCK), "Making copies"):
        chosen = rows[start : start + _BLOCK]
        made = [
            (chosen[number], copies)
            for number, own, copies in copies_of(images[chosen], random)
            if own.std() >= _BLANK
        ]
        if not made:
            continue
        own, copies = zip(*made, strict=True)
        pixels = data.Images(np.concatenate(copies))
        vectors = embedding.vectors(encoder, pixels, _BLOCK * len(KINDS))
        originals = embeddings.vectors[np.repeat(own, len(KINDS))]
        found.append(similarities(vectors, originals).reshape(-1, len(KINDS)))
    return np.concatenate(found)


def _of_others(
    embeddings: Embeddings, images: data.Images, rows: NDArray[np.intp], suspicious: float
) -> NDArray[np.float64]:
    """Similarity of images with the nearest other that is no copy of it, ``[images]``.

    A collection has copies already. Those that are as similar as a copy are looked at: whether
    their pixels are those of a copy does not depend on the encoder.
    """
    vectors = embeddings.vectors
    near = nearest(vectors, vectors[rows], _NEAREST, own=rows)
    places, ranks = np.nonzero(near.similarities >= suspicious)
    pairs = np.stack([rows[places], near.rows[places, ranks]], axis=1)
    copies = np.zeros(near.rows.shape, bool)
    copies[places, ranks] = _look_alike(images, pairs, rows[:_BLOCK])
    found = np.where(copies, -1.0, near.similarities).max(axis=1)
    return found[~copies.all(axis=1)]


def _look_alike(
    images: data.Images, pairs: NDArray[np.intp], some: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether the images of every pair of rows are copies by their pixels, or blank.

    Args:
        images: The images of all rows.
        pairs: Shape ``[pairs, 2]``.
        some: Rows that show what images usually differ by.
    """
    if not len(pairs):
        return np.empty(0, bool)
    looked = np.unique(np.concatenate([pairs.ravel(), some]))
    lazy = data.Images(images[looked].pixels)  # named by their numbers
    small = {}
    for chunk, _ in data.read_in_order(lazy, _BLOCK):
        small |= zip(chunk.names.astype(int), thumbnails.of(chunk.pixels[:]), strict=True)
    size = len(next(iter(small.values()), ()))
    every = np.stack([small.get(number, np.zeros(size)) for number in range(len(looked))])
    one, other = (every[np.searchsorted(looked, pairs[:, side])] for side in (0, 1))
    usual = thumbnails.usual(*2 * [every[np.searchsorted(looked, some)]])
    return thumbnails.are_copies(one, other, usual) | (other.std(axis=1) < _BLANK)


def _cut(copies: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The similarity with the fewest mistakes, between two that were seen."""
    seen = np.unique(np.concatenate([copies, others]))
    cuts = (seen[1:] + seen[:-1]) / 2 if len(seen) > 1 else seen
    missed = np.searchsorted(np.sort(copies), cuts) / len(copies)
    alarms = 1 - np.searchsorted(np.sort(others), cuts) / max(1, len(others))
    mistakes = missed + _WITHOUT_A_COPY * alarms
    return float(cuts[np.argmin(mistakes)])
