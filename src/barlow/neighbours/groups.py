"""Which images are grouped, and which of a group is kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.neighbours.exact import Neighbours, at_least, nearest
from barlow.neighbours.whole import SecondLook
from barlow.progress import Track, silent
from barlow.vectors.table import as_text

_LOSSLESS = ("BMP", "DIB", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF")
_FOREVER = np.iinfo("int64").max
_LOOKED = 4  # neighbours of an image in another collection

Groups = list[tuple[int, NDArray[np.intp]]]
"""Keepers, each with its copies."""


def within(
    embeddings: Embeddings,
    near: Neighbours | None,
    threshold: float | None,
    order: NDArray[np.intp],
    look: SecondLook | None,
    track: Track = silent,
) -> Groups:
    """Keepers and their copies within one collection, the largest groups first.

    Args:
        embeddings: The collection.
        near: Its graph, or ``None`` if only exact copies count.
        threshold: Similarity of copies, or ``None`` as well.
        order: Rows, those that are rather kept first.
        look: What near copies must pass, too, or ``None``.
        track: Shows the progress; see :data:`barlow.progress.Track`.
    """
    same = _Contents(embeddings)
    limit = np.inf if threshold is None else threshold
    none = np.empty((len(embeddings), 0))
    near = near or Neighbours(none.astype(np.intp), none)
    is_near = (near.similarities[:, :1] >= limit).any(axis=1)
    if look is not None:
        look.read(np.flatnonzero(is_near), track)
    is_free = np.ones(len(embeddings), bool)
    groups: Groups = []
    for keeper in order[(same.is_shared | is_near)[order]]:
        if not is_free[keeper]:
            continue
        alike = near.similarities[keeper] >= limit
        rows = near.rows[keeper, alike]
        if len(alike) and alike.all():  # there may be more
            rows = at_least(embeddings.vectors, embeddings.vectors[keeper], limit)
        if look is not None:
            rows = rows[look.passes(np.full(len(rows), keeper), rows)]
        copies = np.union1d(same.rows_of(keeper), rows).astype(np.intp)
        copies = copies[is_free[copies] & (copies != keeper)]
        if len(copies):
            is_free[[keeper, *copies]] = False
            groups.append((int(keeper), copies))
    return sorted(groups, key=lambda group: -len(group[1]))


def between(
    first: Embeddings,
    second: Embeddings,
    threshold: float | None,
    look: SecondLook | None,
    track: Track = silent,
) -> Groups:
    """Images of the first collection and their copies in the second; else as :func:`within`."""
    by_content = {each: row for row, each in reversed([*enumerate(first.facts["content"])])}
    origin = np.array([by_content.get(each, -1) for each in second.facts["content"]], np.intp)
    rest = np.flatnonzero(origin < 0)
    if threshold is not None and len(first) and len(rest):
        near = nearest(first.vectors, second.vectors[rest], _LOOKED, track=track)
        for rank in reversed(range(near.rows.shape[1])):  # the most similar one at last
            alike = near.similarities[:, rank] >= threshold
            ones, others = near.rows[alike, rank], rest[alike]
            passed = np.ones(len(ones), bool) if look is None else look.passes(ones, others)
            origin[others[passed]] = ones[passed]
    keepers = np.unique(origin[origin >= 0])
    groups: Groups = [(int(keeper), np.flatnonzero(origin == keeper)) for keeper in keepers]
    return sorted(groups, key=lambda group: -len(group[1]))


class Preference:
    """Which images are rather kept."""

    def __init__(self, embeddings: Embeddings, keep_in: Sequence[str]):
        facts, names = embeddings.facts, embeddings.names.astype(str)
        folders = [as_text(folder).rstrip("/") + "/" for folder in keep_in]
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
        self._rank = np.argsort(self.order)

    def reason(self, keeper: int, copies: NDArray[np.intp]) -> str:
        """Why an image is preferred to the best of its copies."""
        next_best = copies[np.argmin(self._rank[copies])]
        for name, values in self._criteria.items():
            if values[keeper] != values[next_best]:
                return f"kept: {name}"
        return "kept: the first"


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
