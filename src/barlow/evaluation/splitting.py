"""Labelled images in two sets: to train probes on, and to test them."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.data import Images
from barlow.errors import InvalidInput
from barlow.evaluation import thumbnails
from barlow.evaluation.labels import check_labels, class_numbers, names

with errors.extra("cli", "Evaluation"):
    from sklearn.model_selection import StratifiedGroupKFold, train_test_split


def split(
    images: Images,
    test_fraction: float = 0.25,
    seed: int = 0,
    groups: NDArray[np.integer] | None = None,
) -> tuple[Images, Images]:
    """Two disjoint sets of images, with all classes in the same proportion.

    Both sets have at least one image of every class; so the second is larger than asked for if
    there are many classes of few images. Classes with a single image are in neither set. Lazy
    pixels are not read.

    Args:
        images: Labelled images.
        test_fraction: Fraction of the images in the second set, between 0 and 1. Defaults to
            0.25.
        seed: Seed of the split. Defaults to 0.
        groups: Number of a group for every image, ``[images]``, such as copies
            (:func:`barlow.neighbours.linked`); no group is in both sets. Then the fraction is 1/2
            at most and about what was asked for, and classes that lie in too few groups are in
            neither set. Defaults to ``None``: each image for itself.

    Returns:
        ``(train, test)``. The ``notes`` of both say which classes are set aside, and how many
        test images have a near-copy among the training images (not of lazy pixels:
        :func:`barlow.evaluation.evaluate` finds those). Both are warnings, too.

    Raises:
        ValueError: If the images have no labels, if no class has two images, or if
            ``test_fraction`` is not between 0 and 1.

    Example:
        >>> from barlow import evaluation
        >>> train, test = evaluation.split(barlow.data.digits())
        >>> len(train), len(test)
        (1347, 450)
    """
    train, test, notes = split_rows(check_labels(images.labels), test_fraction, seed, groups)
    if (
        isinstance(images.pixels, np.ndarray) and images.pixels.ndim == 4
    ):  # no lazy ones, no signals
        pixels = thumbnails.of(images.pixels)
        notes.append(thumbnails.note_of_copies(pixels[train], pixels[test]))
    notes = [note for note in notes if note]
    for note in notes:
        warnings.warn(note, stacklevel=2)
    images = dataclasses.replace(images, notes=(*images.notes, *notes))
    return images[train], images[test]


def split_rows(
    labels: NDArray[Any], test_fraction: float, seed: int, groups: NDArray[np.integer] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[str]]:
    """Rows of both sets, and sentences on the classes that are in neither."""
    if not 0 < test_fraction < 1:
        raise InvalidInput(f"`test_fraction` must be between 0 and 1. Received: {test_fraction}.")
    numbers, classes = class_numbers(labels)
    counts = np.bincount(numbers, minlength=len(classes))
    rows = np.flatnonzero(counts[numbers] > 1)
    if not len(rows):
        raise InvalidInput(
            "The images cannot be split into training and test: no class has two images. "
            f"Received: {len(labels)} images of {len(classes)} classes."
        )
    notes = [_note_of_rare([classes[number] for number in np.flatnonzero(counts == 1)])]
    if groups is None:
        train, test = (rows[part] for part in _stratified(numbers[rows], test_fraction, seed))
    else:
        groups = np.asarray(groups)[rows]
        train, test, lost = _grouped(numbers[rows], groups, test_fraction, seed)
        train, test = rows[train], rows[test]
        notes.append(_note_of_grouped([classes[number] for number in lost]))
    return train, test, [note for note in notes if note]


def _note_of_rare(classes: Sequence[object]) -> str:
    """A sentence on the classes that have one image; empty if there are none."""
    if not classes:
        return ""
    kinds = (
        "One class with a single image is"
        if len(classes) == 1
        else (f"{len(classes)} classes with a single image are")
    )
    return f"{kinds} set aside, since a probe needs one to learn and one to test: {names(classes)}."


def _note_of_grouped(classes: Sequence[object]) -> str:
    """A sentence on the classes whose images are all in one set; empty if there are none."""
    if not classes:
        return ""
    return (
        "Classes whose images lie in too few groups are set aside, since a probe needs some to "
        f"learn and others to test: {names(classes)}."
    )


def _grouped(
    numbers: NDArray[np.intp], groups: NDArray[np.integer], test_fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both sets, no group in both; and the classes that are not in both."""
    folds = max(2, round(1 / test_fraction))
    if len(np.unique(groups)) < folds:
        raise InvalidInput(
            f"The images cannot be split: they are only {len(np.unique(groups))} groups of copies. "
            f"A test fraction of {test_fraction} needs {folds}."
        )
    folding = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that a class has fewer images than there are folds
        warnings.simplefilter("ignore", UserWarning)
        train, test = next(folding.split(groups, numbers, groups))
    both = np.intersect1d(numbers[train], numbers[test])
    if not len(both):
        raise InvalidInput(
            "The images cannot be split into training and test: no class lies in two groups of "
            "copies."
        )
    lost = np.setdiff1d(numbers, both)
    return train[np.isin(numbers[train], both)], test[np.isin(numbers[test], both)], lost


def _stratified(
    numbers: NDArray[np.intp], test_fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of both sets, for classes of at least two images."""
    rows, classes = np.arange(len(numbers)), len(np.unique(numbers))
    try:
        train, test = train_test_split(
            rows, test_size=test_fraction, stratify=numbers, random_state=seed
        )
        if all(len(np.unique(numbers[part])) == classes for part in (train, test)):
            return train, test
    except ValueError:  # fewer images in a set than classes
        pass
    random = np.random.default_rng(seed)
    is_test = np.zeros(len(numbers), bool)
    for number in np.unique(numbers):
        members = np.flatnonzero(numbers == number)
        count = min(max(1, round(test_fraction * len(members))), len(members) - 1)
        is_test[random.choice(members, count, replace=False)] = True
    return random.permutation(rows[~is_test]), random.permutation(rows[is_test])
