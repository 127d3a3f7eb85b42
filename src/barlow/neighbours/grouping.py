"""Duplicates: groups of copies, and which image of each to keep.

A group is a keeper and images that are all copies of it: no chains. Keepers are taken in the order
of preference: from a folder that the user prefers, then most pixels, a lossless format, EXIF, the
oldest file, the first row.
"""

import csv
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import runs, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.neighbours.calibration import Calibration, calibrate
from barlow.neighbours.exact import Neighbours, at_least, nearest, similarities
from barlow.neighbours.kept import graph
from barlow.paths import as_path
from barlow.progress import Track, silent

COLUMNS = ("group", "path", "keep", "similarity", "reason")
"""Columns of a plan."""

EXACT, NEAR = "exact copy", "near copy"

_LOSSLESS = ("BMP", "DIB", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF")
_FOREVER = np.iinfo("int64").max


class Member(NamedTuple):
    """An image of a group."""

    group: int
    """Number of the group, from 1 on."""
    path: str
    keep: bool
    similarity: float
    """Cosine similarity with the keeper; 1 for the keeper itself."""
    reason: str
    """Why it is kept, or what it is: ``"exact copy"`` or ``"near copy"``."""


class Duplicates(NamedTuple):
    """Groups of copies."""

    members: list[Member]
    """Group by group, the keeper first."""
    threshold: float | None
    """Cosine similarity from which on images are copies; ``None`` if only exact ones are."""
    calibration: Calibration | None
    """How the threshold was measured, unless it was given."""

    def write(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a plan: CSV with the columns of ``COLUMNS``. Nothing else is touched.

        Raises:
            OSError: If it cannot be written.
        """
        path = as_path(path)
        with runs.replacing(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for each in self.members:
                keep = "yes" if each.keep else "no"
                writer.writerow(
                    [each.group, each.path, keep, f"{each.similarity:.6f}", each.reason]
                )
        return path


def duplicates(
    collection: Embeddings | str | os.PathLike[str],
    other: Embeddings | str | os.PathLike[str] | None = None,
    *,
    threshold: float | None = None,
    exact: bool = False,
    keep_in: Sequence[str] = (),
    encoder: keras.Model | str | os.PathLike[str] | None = None,
    images: Any = None,
    seed: int = 0,
    track: Track = silent,
) -> Duplicates:
    """Groups of copies in a collection; or the images of another one that are in it.

    Args:
        collection: File of vectors, or vectors with all facts.
        other: Another one. Then each group is an image of ``collection``, which is kept, and its
            copies in ``other``. Defaults to ``None``: copies within ``collection``.
        threshold: Cosine similarity from which on images are copies, -1 to 1. Defaults to
            ``None``: measured on the images, see :func:`barlow.neighbours.calibrate`.
        exact: Whether only files of the same content are copies. Defaults to ``False``.
        keep_in: Folders, as in the names of the images, whose images are kept. Defaults to none.
        encoder: The encoder that made the vectors, or where it is. Needed to measure a threshold.
            Defaults to ``None``: where it was.
        images: Where the images are now. Needed to measure a threshold. Defaults to ``None``: where
            they were.
        seed: Seed of what is drawn to measure the threshold. Defaults to 0.
        track: Shows the progress; see :data:`barlow.progress.Track`.

    Returns:
        The groups, the largest first.

    Raises:
        FileNotFoundError: If a file, the encoder or images are not there.
        InvalidInput: If the vectors are not of one encoder, or an argument is not valid.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> twice = barlow.data.Images(barlow.data.digits().pixels[[0, 1, 2, 0]])
        >>> written = barlow.vectors.write(encoder, twice, folder / "x.parquet")
        >>> found = barlow.duplicates(folder / "x.parquet", exact=True)
        >>> [(each.path, each.keep, each.reason) for each in found.members]
        [('0', True, 'kept: the first'), ('3', False, 'exact copy')]
    """
    first = vectors.as_embeddings(collection)
    second = None if other is None else vectors.as_embeddings(other)
    _check(first, second, threshold)
    calibration = None
    if threshold is None and not exact and len(first):
        model = vectors.encoder_of(first, encoder)
        pictures = vectors.images_of(first, np.arange(len(first)), images)
        calibration = calibrate(first, model, pictures, seed=seed, track=track)
        threshold = calibration.threshold
    limit = None if exact else threshold
    if second is not None:
        groups = _between(first, second, limit, track)
        members = _members_between(first, second, groups)
    else:
        preferred = _Preference(first, keep_in)
        source = collection if first.vectors.size and limit is not None else first
        groups = _within(first, source, limit, preferred.order, track)
        members = _members(first, groups, preferred)
    return Duplicates(members, limit, calibration)


def _check(first: Embeddings, second: Embeddings | None, threshold: float | None) -> None:
    for each in (first, second):
        if each is not None and "content" not in each.facts:
            raise InvalidInput(
                "Duplicates need what `barlow.vectors.write` (barlow embed) knows of the images. "
                "Received: vectors alone."
            )
    if second is not None and second.encoder != first.encoder:
        raise InvalidInput("The two files are of different encoders. Embed both with the same one.")
    if threshold is not None and not -1 <= threshold <= 1:
        raise InvalidInput(f"A cosine similarity is between -1 and 1. Received: {threshold}.")


class _Preference:
    """Which images are rather kept."""

    def __init__(self, embeddings: Embeddings, keep_in: Sequence[str]):
        facts, names = embeddings.facts, embeddings.names.astype(str)
        folders = [folder.rstrip("/") + "/" for folder in keep_in]
        inside = np.array([any(name.startswith(each) for each in folders) for name in names], bool)
        for folder in folders:
            if not any(name.startswith(folder) for name in names):
                raise InvalidInput(
                    f"No image lies in {folder} (--keep-in, `keep_in`). Give folders as the names "
                    f"of the images begin, such as {str(names[0]) if len(names) else ''!r}."
                )
        changed = facts["modified"].astype("datetime64[us]")
        age = np.where(np.isnat(changed), _FOREVER, changed.astype("int64"))
        pixels = facts["width"].astype("int64") * facts["height"]
        self._criteria = {
            "in a folder to keep": ~inside,
            "most pixels": -pixels,
            "lossless format": ~np.isin(facts["format"].astype(str), _LOSSLESS),
            "has EXIF": ~facts["exif"].astype(bool),
            "the oldest": age,
        }
        self.order = np.lexsort([*self._criteria.values()][::-1])
        """Rows, the preferred ones first; stable."""

    def reason(self, keeper: int, next_best: int) -> str:
        """Why the one is preferred to the other."""
        for name, values in self._criteria.items():
            if values[keeper] != values[next_best]:
                return f"kept: {name}"
        return "kept: the first"


Groups = list[tuple[int, NDArray[np.intp]]]
"""Keepers, each with its copies."""


def _within(
    embeddings: Embeddings,
    source: Embeddings | str | os.PathLike[str],
    threshold: float | None,
    order: NDArray[np.intp],
    track: Track,
) -> Groups:
    """Keepers and their copies within one collection, the largest groups first."""
    same = _Contents(embeddings)
    limit = np.inf if threshold is None else threshold
    none = np.empty((len(embeddings), 0))
    near = (
        Neighbours(none.astype(np.intp), none) if threshold is None else graph(source, track=track)
    )
    touched = same.is_shared | (near.similarities[:, :1] >= limit).any(axis=1)
    is_free = np.ones(len(embeddings), bool)
    groups: Groups = []
    for keeper in order[touched[order]]:
        if not is_free[keeper]:
            continue
        copies = same.rows_of(keeper)
        alike = near.similarities[keeper] >= limit
        rows = near.rows[keeper, alike]
        if len(alike) and alike.all():  # there may be more
            rows = at_least(embeddings.vectors, embeddings.vectors[keeper], limit)
        copies = np.union1d(copies, rows).astype(np.intp)
        copies = copies[is_free[copies] & (copies != keeper)]
        if len(copies):
            is_free[[keeper, *copies]] = False
            groups.append((int(keeper), copies))
    return sorted(groups, key=lambda group: -len(group[1]))


def _between(
    first: Embeddings, second: Embeddings, threshold: float | None, track: Track
) -> Groups:
    """Images of the first collection and their copies in the second."""
    _, contents = np.unique(first.facts["content"].astype(str), return_index=True)
    by_content = {first.facts["content"][row]: int(row) for row in contents}
    origin = np.array([by_content.get(each, -1) for each in second.facts["content"]], np.intp)
    rest = np.flatnonzero(origin < 0)
    if threshold is not None and len(first) and len(rest):
        near = nearest(first.vectors, second.vectors[rest], 1, track=track)
        alike = near.similarities[:, 0] >= threshold
        origin[rest[alike]] = near.rows[alike, 0]
    keepers = np.unique(origin[origin >= 0])
    groups: Groups = [(int(keeper), np.flatnonzero(origin == keeper)) for keeper in keepers]
    return sorted(groups, key=lambda group: -len(group[1]))


class _Contents:
    """Rows by the content of their files."""

    def __init__(self, embeddings: Embeddings):
        _, self._number, counts = np.unique(
            embeddings.facts["content"].astype(str), return_inverse=True, return_counts=True
        )
        self._rows = np.argsort(self._number, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self.is_shared = counts[self._number] > 1 if len(counts) else np.empty(0, bool)
        """Whether another row has the same content, shape ``[rows]``."""

    def rows_of(self, row: int) -> NDArray[np.intp]:
        """All rows of the same content, in their order."""
        number = self._number[row]
        return self._rows[self._starts[number] : self._starts[number + 1]]


def _members(embeddings: Embeddings, groups: Groups, preferred: _Preference) -> list[Member]:
    rank = np.argsort(preferred.order)
    members = []
    for number, (keeper, copies) in enumerate(groups, 1):
        reason = preferred.reason(keeper, copies[np.argmin(rank[copies])])
        members.append(Member(number, str(embeddings.names[keeper]), True, 1.0, reason))
        members += _copies(number, embeddings, keeper, embeddings, copies)
    return members


def _members_between(first: Embeddings, second: Embeddings, groups: Groups) -> list[Member]:
    members = []
    for number, (keeper, copies) in enumerate(groups, 1):
        reason = "kept: of the first file"
        members.append(Member(number, str(first.names[keeper]), True, 1.0, reason))
        members += _copies(number, first, keeper, second, copies)
    return members


def _copies(
    number: int, first: Embeddings, keeper: int, second: Embeddings, rows: NDArray[np.intp]
) -> list[Member]:
    """The copies of a keeper, the most similar first, exact ones before all others."""
    is_exact = second.facts["content"][rows] == first.facts["content"][keeper]
    keepers = np.repeat(first.vectors[[keeper]], len(rows), axis=0)
    alike = np.where(is_exact, 1.0, similarities(second.vectors[rows], keepers))
    order = np.lexsort((rows, -alike, ~is_exact))
    return [
        Member(
            number,
            str(second.names[rows[place]]),
            False,
            float(alike[place]),
            EXACT if is_exact[place] else NEAR,
        )
        for place in order
    ]
