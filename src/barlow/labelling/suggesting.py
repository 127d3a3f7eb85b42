"""Which images to label next.

Images are clustered, with as many clusters as there will be labels; of each cluster without a
label, the largest first, the image nearest to its centre is taken (after TypiClust, Hacohen et al.,
2022, "Active learning on a budget", which takes the one with the closest neighbours instead).
Clusters without a label are where classes are that nobody has named yet.

From two labels per class on (or 20, before any class is known) only four in ten are typical. Three
are what the classifier is least sure of: the smallest margin between its first and its second
class, of different clusters. Three are drawn at random: without these, labels would lie where all
is easy, and the accuracy that they tell would be too high.
"""

import os
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from barlow import errors, spreadsheets, vectors
from barlow.data.manifest import columns_of
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.labelling import given as reading
from barlow.labelling.fitting import ENOUGH, learned, some_of
from barlow.labelling.naming import Names
from barlow.paths import replacing
from barlow.progress import Track, silent

with errors.extra("cli", "Labelling"):
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

COLUMNS = ("path", "label")
"""Columns of a list to fill in."""

TYPICAL, UNCERTAIN, RANDOM = "typical", "uncertain", "random"

_ENOUGH = 2  # labels per class, from which on not all are typical
_FIRST = 20  # typical ones while no class is known
_PARTS = {UNCERTAIN: 0.3, RANDOM: 0.3}  # of the others; typical ones are the rest
_MANY = 50  # clusters, from which on batches are enough
_CLUSTERS = 2000  # for images that are listed already: more would cost more than they tell
_CHOICE = 20  # uncertain images for each that is taken


class Suggestion(NamedTuple):
    """An image to label."""

    row: int
    path: str
    reason: str
    """``"typical"``, ``"uncertain"`` or ``"random"``."""


class Suggestions(NamedTuple):
    """Images to label, the most useful first, and the list that they are added to."""

    images: list[Suggestion]
    listed: list[tuple[str, str]]
    """Paths and labels of the images that were given, labelled or not."""

    def write(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a list to fill in: what was given, then the new images with an empty label.

        Raises:
            FileExistsError: If what is there has other columns, more rows or other labels.
            InvalidInput: If it is not called ``*.csv``.
            OSError: If it cannot be written.
        """
        path = check_list(path)
        rows = [*self.listed, *((each.path, reading.NONE) for each in self.images)]
        delimiter = ","
        if path.exists():
            _check_kept(path, rows)
            delimiter = spreadsheets.delimiter_of(path)  # as the spreadsheet of its reader has it
        with replacing(path, alone=False) as temporary:
            spreadsheets.write(temporary, COLUMNS, rows, delimiter)
        return path


def suggest(
    collection: Embeddings | str | os.PathLike[str],
    n: int = 20,
    labels: Any = None,
    *,
    seed: int = 0,
    track: Track = silent,
) -> Suggestions:
    """Which images to label next; none that is labelled or listed already.

    Args:
        collection: File of vectors, or vectors.
        n: Images to suggest, >= 1. Defaults to 20; fewer, if there are not as many.
        labels: What is labelled already, see :func:`barlow.labelling.fit`. Images that are listed
            without a label are not suggested again. Defaults to ``None``: nothing is.
        seed: Seed of clusters and draws. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        The images, one of each kind in turn.

    Raises:
        InvalidInput: If ``n`` is below 1, all images are listed already, two have one name, labels
            are not valid, or a vector holds NaN or Inf.

    Example:
        >>> digits = barlow.embed(barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits())
        >>> found = barlow.labelling.suggest(digits, 5)
        >>> len(found.images), found.images[0].reason
        (5, 'typical')
    """
    if not isinstance(n, int | np.integer) or n < 1:
        raise InvalidInput(
            f"`n`, the number of images, must be a whole one and at least 1. Received: {n!r}."
        )
    errors.check_seed(seed)
    embeddings = vectors.as_embeddings(collection)
    reading.check_names(embeddings)
    given = reading.read(embeddings, [] if labels is None else labels)
    free = int(np.sum(~given.listed))
    if not free:
        raise InvalidInput("All images are labelled or listed already: there is none to suggest.")
    n = min(n, free)
    # Another sample in every round: what is rare is in one of them.
    listed = np.flatnonzero(given.listed)
    round_seed = (seed + len(listed)) % 2**32
    some = some_of(embeddings, listed, round_seed, max(ENOUGH, 2 * (n + len(listed))))
    classes = len(np.unique(given.labels[given.rows]))
    margins = None
    if classes > 1 and len(given.rows) >= _ENOUGH * classes:
        head, _, _ = learned(embeddings, given, some, seed=seed, track=track)
        probabilities = np.sort(head(embeddings.vectors[some.rows]))
        margins = probabilities[:, -1] - probabilities[:, -2]
    picker = _Picker(some.units, given.listed[some.rows], round_seed)
    picked = picker.pick(n, len(given.rows), classes, margins)
    names = embeddings.names
    there = [(str(names[row]), str(given.labels[row])) for row in listed]
    found = [(int(some.rows[place]), why) for place, why in picked]
    return Suggestions([Suggestion(row, str(names[row]), why) for row, why in found], there)


def check_list(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path, if a list to fill in can have it; to be asked before computing.

    Raises:
        FileNotFoundError: If its folder is not there.
        InvalidInput: If it is not called ``*.csv``.
    """
    return spreadsheets.check_place(path, "A list to fill in")


def _check_kept(path: pathlib.Path, rows: Sequence[tuple[str, str]]) -> None:
    """Refuse to replace a list that has more than what is written now.

    Raises:
        FileExistsError: If it has other columns, more rows, or labels that are not written.
    """
    try:
        columns, there, _ = spreadsheets.read(path)
        paths, labels = columns_of(columns)
    except ValueError:
        columns, there, paths, labels = [], [], "", None
    others = [place for place, name in enumerate(columns) if name not in (paths, labels)]
    if labels is None or any(row[place] for row in there for place in others):
        raise FileExistsError(
            f"{path} is there already, and has not only the columns path and label. Choose another "
            "name for the new list (--out)."
        )
    known = [(row[columns.index(paths)], row[columns.index(labels)]) for row in there]
    if len({name for name, _ in known}) > len(rows) or _lost(known, rows):
        raise FileExistsError(
            f"{path} is there already. If it has labels, give it as such (--labels {path.name}), "
            "and new images are added to it; else choose another name for the new list (--out)."
        )


def _lost(known: Sequence[tuple[str, str]], rows: Sequence[tuple[str, str]]) -> bool:
    """Whether some of the labels that are known are not written."""
    names = Names([path for path, _ in rows])
    labels = reading.same(reading.of_array(text for _, text in known))
    for (path, _), label in zip(known, labels, strict=True):
        place = names.find(path)
        if label != reading.NONE and (place is None or rows[place][1] != label):
            return True
    return False


class _Picker:
    """Picks images of a collection, none twice."""

    def __init__(self, units: NDArray[np.float32], taken: NDArray[np.bool_], seed: int):
        self._units, self._seed = units, seed
        self._taken, self._random = taken.copy(), np.random.default_rng(seed)

    def pick(
        self, n: int, labels: int, classes: int, margins: NDArray[Any] | None
    ) -> list[tuple[int, str]]:
        """Rows and why, one of each kind in turn.

        Args:
            n: Images, no more than there are.
            labels: Images that have labels.
            classes: Their classes.
            margins: Of all images; ``None``: not known.
        """
        enough = _ENOUGH * classes if classes > 1 else _FIRST
        rest = n - min(n, max(0, enough - labels))
        uncertain = round(_PARTS[UNCERTAIN] * rest) if margins is not None else 0
        drawn = round(_PARTS[RANDOM] * rest)
        kinds = [
            [(int(row), RANDOM) for row in self._draw(drawn)],
            [(int(row), UNCERTAIN) for row in self._uncertain(uncertain, margins)],
        ]
        typical = [(row, TYPICAL) for row in self._typical(n - drawn - uncertain)]
        missing = n - sum(map(len, kinds)) - len(typical)  # clusters without a free image
        kinds[0] += [(int(row), RANDOM) for row in self._draw(missing)]
        placed = [
            ((place + 0.5) / len(kind), each)
            for kind in (typical, *kinds)
            for place, each in enumerate(kind)
        ]
        return [each for _, each in sorted(placed, key=lambda pair: pair[0])]

    def _draw(self, count: int) -> NDArray[np.intp]:
        rows = self._random.permutation(np.flatnonzero(~self._taken))[:count]
        self._taken[rows] = True
        return rows

    def _uncertain(self, count: int, margins: NDArray[Any] | None) -> list[int]:
        """Of the images of the smallest margins, those in the middle of different clusters."""
        if margins is None or not count:
            return []
        free = np.flatnonzero(~self._taken)
        near = free[np.argsort(margins[free], kind="stable")[: _CHOICE * count]]
        clusters, distances = self._clusters(self._units[near], min(count, len(near)))
        places = (np.flatnonzero(clusters == each) for each in np.unique(clusters))
        return self._take([int(near[own[distances[own].argmin()]]) for own in places])

    def _typical(self, count: int) -> list[int]:
        """The images in the middle of the largest clusters in which nothing is labelled."""
        if not count:
            return []
        most = min(len(self._units), min(int(self._taken.sum()), _CLUSTERS) + count)
        clusters, distances = self._clusters(self._units, most)
        sizes = np.bincount(clusters)
        sizes[np.unique(clusters[self._taken])] = 0
        order = np.argsort(-sizes, kind="stable")[:count]
        places = (np.flatnonzero(clusters == each) for each in order if sizes[each])
        return self._take([int(own[distances[own].argmin()]) for own in places])

    def _take(self, rows: list[int]) -> list[int]:
        self._taken[rows] = True
        return rows

    def _clusters(
        self, units: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Number of the cluster of every row, and the distance to its centre."""
        make = KMeans if count <= _MANY else MiniBatchKMeans
        clusters = make(count, n_init=3, random_state=self._seed)
        with warnings.catch_warnings():  # that there are copies, which are one cluster
            warnings.simplefilter("ignore", ConvergenceWarning)
            numbers = clusters.fit_predict(units)
        apart = units - clusters.cluster_centers_[numbers]
        return numbers, np.linalg.norm(apart, axis=1)
