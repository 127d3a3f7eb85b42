"""The same images in several sets: in the sizes of several encoders, or as vectors in a file."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.data import Images
from barlow.embedding import Embeddings
from barlow.errors import InvalidInput
from barlow.evaluation.labels import check_labels
from barlow.evaluation.splitting import split_rows
from barlow.text import printable


def split_alike(
    sets: Sequence[Images | Embeddings],
    test_fraction: float = 0.25,
    seed: int = 0,
    groups: NDArray[np.integer] | None = None,
) -> list[tuple[Any, Any]]:
    """The same images on the same side of several sets, such as one for every encoder.

    Images are told by their names. Those that a set does not have are left out of all, and a
    warning says how many. The labels are those of the first set.

    Args:
        sets: Images in the sizes that encoders take, or vectors of them; the first with labels.
        test_fraction: As for :func:`split`. Defaults to 0.25.
        seed: As for :func:`split`. Defaults to 0.
        groups: As for :func:`split`, of the images of the first set. Defaults to ``None``.

    Returns:
        ``(train, test)`` of every set, in their order; all with the images in the same order. What
        is one object in ``sets`` is one in the result.

    Raises:
        InvalidInput: As for :func:`split`; or if two sets have different images and a name is not
            the only one of its kind, or other labels for an image; or if no image is in all sets.

    Example:
        >>> from barlow import evaluation
        >>> digits = barlow.data.digits()[:400]
        >>> vectors = barlow.embed(barlow.models.encoder("conv", (8, 8, 1)), digits)
        >>> (train, test), (train_vectors, test_vectors) = evaluation.split_alike([digits, vectors])
        >>> bool((test.names == test_vectors.names).all())
        True
    """
    places = _places(sets)
    labels = check_labels(sets[0].labels)[places[0]]
    for each, rows in zip(sets, places, strict=True):
        _check_same_labels(labels, each, rows)
    if groups is not None:
        groups = np.asarray(groups)[places[0]]
    train, test, notes = split_rows(labels, test_fraction, seed, groups)
    lost = max(map(len, sets)) - len(labels)
    notes.append(f"{lost} images are not in all sets and are left out." if lost else "")
    for note in filter(None, notes):
        warnings.warn(note, stacklevel=2)
    made: dict[int, tuple[Any, Any]] = {}
    for each, rows in zip(sets, places, strict=True):
        if id(each) not in made:
            one, other = (
                dataclasses.replace(each[rows[part]], labels=labels[part]) for part in (train, test)
            )
            made[id(each)] = one, other
    return [made[id(each)] for each in sets]


def _places(sets: Sequence[Images | Embeddings]) -> list[NDArray[np.intp]]:
    """The rows of each set that all have, in the order of the first."""
    named = [[as_utf8(name) for name in each.names] for each in sets]
    if all(names == named[0] for names in named):
        return [np.arange(len(names)) for names in named]
    by_name = [{name: row for row, name in enumerate(names)} for names in named]
    for own, rows in zip(named, by_name, strict=True):
        if len(rows) < len(own):
            twice = next(name for row, name in enumerate(own) if rows[name] != row)
            raise InvalidInput(
                "Sets of different images can be compared only if every image has a name of its "
                f"own. Received several of the name {printable(twice)}."
            )
    common = [name for name in named[0] if all(name in rows for rows in by_name)]
    if not common:
        first = [printable(names[0]) if names else "none" for names in named]
        raise InvalidInput(
            "No image is in all of the sets. Their names must be the same: paths from the same "
            f"folder on. The first of each: {', '.join(first)}."
        )
    return [np.array([rows[name] for name in common], np.intp) for rows in by_name]


def as_utf8(text: Any) -> str:
    """As a file of vectors has it: a name, or a label, may have bytes that are no UTF-8."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _check_same_labels(
    labels: NDArray[Any], other: Images | Embeddings, rows: NDArray[np.intp]
) -> None:
    """Refuse labels that are others; as text, as which a file has what are no numbers."""
    if other.labels is None:
        return
    for label, found, row in zip(labels, other.labels[rows], rows, strict=True):
        if as_utf8(label) != as_utf8(found):
            raise InvalidInput(
                f"The image {printable(other.names[row])} has the label {printable(label)} in one "
                f"set and {printable(found)} in another one."
            )
