"""Duplicates: groups of copies, and which image of each to keep.

A group is a keeper and images that are all copies of it: no chains. Keepers are taken in the order
of preference: from a folder that the user prefers, then most pixels, a lossless format, EXIF, the
oldest file, the first row.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from barlow import spreadsheets, vectors
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.neighbours.calibration import Calibration, calibrate
from barlow.neighbours.exact import similarities
from barlow.neighbours.groups import Groups, Preference, between, within
from barlow.neighbours.kept import graph
from barlow.neighbours.whole import SecondLook
from barlow.paths import replacing
from barlow.progress import Track, silent

COLUMNS = ("group", "path", "keep", "similarity", "reason")
"""Columns of a plan."""

EXACT, NEAR = "exact copy", "near copy"
OF_FIRST = "kept: of the first file"
"""Reasons of a plan."""


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
    recall: float | None = None
    """Fraction of the neighbours that an index finds; ``None``: all were compared."""

    def write(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write a plan: CSV with the columns of ``COLUMNS``. Nothing else is touched.

        Raises:
            FileExistsError: If what is there is no plan, or one that keeps other images.
            InvalidInput: If it is not called ``*.csv``.
            OSError: If it cannot be written.
        """
        path = check_plan(path)
        rows = [
            (
                each.group,
                each.path,
                "yes" if each.keep else "no",
                f"{each.similarity:.6f}",
                each.reason,
            )
            for each in self.members
        ]
        if path.exists() and _decisions(path) != [row[1:3] for row in rows]:
            raise FileExistsError(
                f"The plan at {path} keeps other images than this one: it may have been edited. "
                "Choose another name, or delete it."
            )
        with replacing(path) as temporary:
            spreadsheets.write(temporary, COLUMNS, rows)
        return path


def check_plan(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path, if a plan can have it; to be asked before computing.

    Raises:
        FileExistsError: If what is there is no plan.
        FileNotFoundError: If its folder is not there.
        InvalidInput: If it is not called ``*.csv``.
    """
    path = spreadsheets.check_place(path, "A plan")
    if path.exists():
        _decisions(path)
    return path


def _decisions(path: pathlib.Path) -> list[tuple[str, str]]:
    """Paths of a plan that is there, and whether they are kept."""
    try:
        columns, rows, _ = spreadsheets.read(path)
        places = [columns.index(name) for name in COLUMNS[1:3]]
    except ValueError as error:  # no table, or another one
        raise FileExistsError(f"{path} is there, and is no plan. Choose another name.") from error
    return [(row[places[0]], row[places[1]]) for row in rows]


def duplicates(
    collection: Embeddings | str | os.PathLike[str],
    other: Embeddings | str | os.PathLike[str] | None = None,
    *,
    threshold: float | Calibration | None = None,
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
        threshold: Cosine similarity from which on images are copies, -1 to 1; or what was measured
            on another collection of the same encoder. Defaults to ``None``: measured on the images,
            see :func:`barlow.neighbours.calibrate`. Where it was measured, copies must also be
            alike as a whole, see :mod:`barlow.neighbours.whole`.
        exact: Whether only files of the same content are copies. Defaults to ``False``.
        keep_in: Folders, as in the names of the images, whose images are kept; within one
            collection alone. Defaults to none.
        encoder: The encoder that made the vectors, or where it is. Needed to measure a threshold.
            Defaults to ``None``: where it was.
        images: Where the images of ``collection`` are now. Needed to measure a threshold. Defaults
            to ``None``: where they were.
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
    calibration = threshold if isinstance(threshold, Calibration) else None
    given: Any = calibration.threshold if calibration else threshold
    _check(first, second, given)
    if second is not None and keep_in:
        raise InvalidInput(
            "`keep_in` (--keep-in) chooses within one collection. Of two, the images of the first "
            "are kept: leave it out, or give them in the other order."
        )
    look, recall = None, None
    if not exact and len(first) and (given is None or calibration):
        model: Any = None if calibration else vectors.encoder_of(first, encoder)
        pictures = vectors.images_of(first, np.arange(len(first)), images)
        if calibration is None:
            calibration = calibrate(first, model, pictures, seed=seed, track=track)
            given = calibration.threshold
        look = SecondLook(calibration.whole, pictures, first.facts)
        if second is not None:
            others = vectors.images_of(second, np.arange(len(second)))
            look = SecondLook(calibration.whole, pictures, first.facts, others, second.facts)
    limit = None if exact else given
    if second is None:
        near = None if limit is None else graph(collection, track=track)
        recall = None if near is None else near.recall
        preferred = Preference(first, keep_in)
        groups = within(first, near, limit, preferred.order, look, track)
        reasons = [preferred.reason(keeper, copies) for keeper, copies in groups]
    else:
        groups = between(first, second, limit, look, track)
        reasons = [OF_FIRST] * len(groups)
    members = _members(first, first if second is None else second, groups, reasons)
    return Duplicates(members, limit, calibration, recall)


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


def _members(
    first: Embeddings, second: Embeddings, groups: Groups, reasons: Sequence[str]
) -> list[Member]:
    members = []
    for number, ((keeper, copies), reason) in enumerate(zip(groups, reasons, strict=True), 1):
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
