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

from barlow import data, embedding, resizing
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput, extra
from barlow.evaluation import thumbnails
from barlow.neighbours.copies import KINDS, copies_of, pixels_of
from barlow.neighbours.exact import nearest, similarities
from barlow.neighbours.whole import correlations, whole_of, whole_of_file
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
_UNLIKE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)  # of copies are lost to the second look, at most
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
    """Cosine similarity from which on images are copies,"""
    whole: float
    """if they also correlate so much as a whole; see :mod:`barlow.neighbours.whole`."""
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
    copied, wholes = _of_copies(embeddings, encoder, images, rows[:_COPIED], random, track)
    others = _Others(np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 0), bool))
    if len(copied):
        suspicious = float(np.quantile(copied, _SUSPICIOUS))
        others = _of_others(embeddings, images, rows, suspicious)
    if len(copied) < _FEWEST or len(others.similarities) < _FEWEST:
        raise InvalidInput(
            f"A threshold is measured on at least {_FEWEST} images that are neither blank nor "
            f"copies of others. Received: {min(len(copied), len(others.similarities))}. Give a "
            "threshold (--threshold, `threshold`)."
        )
    threshold, limit = _cuts(copied[::2], wholes[::2], others)
    missed = (copied[1::2] < threshold) | (wholes[1::2] < limit)
    alarms = others.taken(limit)[1::2] >= threshold
    return Calibration(
        threshold,
        limit,
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
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Copies and their originals, ``[images, kinds]``: similarities, and correlations as a whole.

    Blank images are left out.
    """
    height, width, channels = images.pixels.shape[1:]
    found, wholes = [np.empty((0, len(KINDS)))], [np.empty((0, len(KINDS)))]
    for start in track(range(0, len(rows), _BLOCK), "Making copies"):
        chosen = images[rows[start : start + _BLOCK]]
        own_whole = whole_of(chosen)
        made = [
            (number, files)
            for number, files in copies_of(chosen, random)
            if own_whole[number].std() >= _BLANK
        ]
        if not made:
            continue
        numbers = np.repeat([number for number, _ in made], len(KINDS))
        files = [file for _, each in made for file in each]
        how = resizing.named(images.resize)
        pixels = data.Images(pixels_of(files, (height, width), channels, how))
        vectors = embedding.vectors(encoder, pixels, _BLOCK * len(KINDS))
        originals = embeddings.vectors[rows[start + numbers]]
        found.append(similarities(vectors, originals).reshape(-1, len(KINDS)))
        copies = np.stack([whole_of_file(file) for file in files])
        if images.files is None:  # as arrays of that size are compared
            copies = whole_of(pixels)
        wholes.append(correlations(copies, own_whole[numbers]).reshape(-1, len(KINDS)))
    return np.concatenate(found), np.concatenate(wholes)


class _Others(NamedTuple):
    """The nearest other images of some images, ``[images, nearest]``, the most similar first."""

    similarities: NDArray[np.float64]
    correlations: NDArray[np.float64]
    """As a whole; infinite where that was not looked at."""
    are_copies: NDArray[np.bool_]

    def taken(self, limit: float) -> NDArray[np.float64]:
        """Similarity of the most similar other that is alike as a whole but no copy."""
        passed = self.are_copies | (self.correlations < limit)
        found = np.where(passed, -1.0, self.similarities).max(axis=1)
        last = self.similarities[:, -1]  # the next others are at most as similar
        return np.where(passed.all(axis=1), last, found)


def _of_others(
    embeddings: Embeddings, images: data.Images, rows: NDArray[np.intp], suspicious: float
) -> _Others:
    """The nearest others of some rows, but for images that have copies only.

    A collection has copies already. Those that are as similar as a copy are looked at: whether
    their pixels are those of a copy does not depend on the encoder.
    """
    near = nearest(embeddings.vectors, embeddings.vectors[rows], _NEAREST, own=rows)
    places, ranks = np.nonzero(near.similarities >= suspicious)
    ones, others = rows[places], near.rows[places, ranks]
    looked, numbers = np.unique(np.concatenate([ones, others, rows[:_BLOCK]]), return_inverse=True)
    small = whole_of(images[looked])
    thumbs = thumbnails.of(small[..., None])
    one, other, some = np.split(numbers, [len(ones), 2 * len(ones)])
    usual = thumbnails.usual(thumbs[some], thumbs[some])
    plain = small[other].std(axis=(1, 2)) < _BLANK
    alike = np.full(near.rows.shape, np.inf)
    alike[places, ranks] = correlations(small[one], small[other])
    are_copies = np.zeros(near.rows.shape, bool)
    are_copies[places, ranks] = thumbnails.are_copies(thumbs[one], thumbs[other], usual) | plain
    kept = ~are_copies.all(axis=1)
    return _Others(near.similarities[kept], alike[kept], are_copies[kept])


def _cuts(
    copied: NDArray[np.float64], wholes: NDArray[np.float64], others: _Others
) -> tuple[float, float]:
    """The similarity and the correlation as a whole with the fewest mistakes.

    Args:
        copied: Similarities of copies with their originals, ``[images, kinds]``.
        wholes: Their correlations as a whole.
        others: The nearest others; of every second image.
    """
    best = (np.inf, 1.0, 1.0)
    for limit in np.quantile(wholes, _UNLIKE):
        found = others.taken(limit)[::2]
        seen = np.unique(np.concatenate([copied.ravel(), found]))
        cuts = (seen[1:] + seen[:-1]) / 2 if len(seen) > 1 else seen
        passing = np.sort(copied[wholes >= limit])
        missed = 1 - (len(passing) - np.searchsorted(passing, cuts)) / copied.size
        alarms = 1 - np.searchsorted(np.sort(found), cuts) / len(found)
        mistakes = missed + _WITHOUT_A_COPY * alarms
        place = int(np.argmin(mistakes))
        best = min(best, (float(mistakes[place]), float(cuts[place]), float(limit)))
    return best[1:]
