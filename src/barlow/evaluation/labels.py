"""Labels of any type, and what a probe needs of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput
from barlow.text import printable

_SHOWN = 5  # names of classes


def check_labels(labels: NDArray[Any] | None) -> NDArray[Any]:
    """The labels, if there are any.

    Raises:
        InvalidInput: If there are none.
    """
    if labels is None:
        raise InvalidInput(
            "Evaluation needs labels: images in one subfolder per class, a list with labels, an "
            ".npz with an array of labels, or an IDX file of labels beside the images."
        )
    return labels


def check_classes(labels: NDArray[Any] | None) -> NDArray[Any]:
    """The labels, if a probe can learn from them.

    Raises:
        InvalidInput: If there are none, or fewer than two classes.
    """
    labels = check_labels(labels)
    _, classes = class_numbers(labels)
    if len(classes) < 2:
        received = f"all labels are {classes[0]!r}" if classes else "no labels"
        raise InvalidInput(f"A probe needs at least two classes. Received: {received}.")
    return labels


def class_numbers(labels: NDArray[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """A number for every label, and the classes in the order of their numbers.

    Labels may be of any type, mixed too: classes that cannot be ordered are ordered as text.

    Args:
        labels: Shape ``[images]``.

    Example:
        >>> from barlow.evaluation.labels import class_numbers
        >>> numbers, classes = class_numbers(np.array(["dog", 3, "cat", "dog"], object))
        >>> numbers.tolist(), classes
        ([2, 0, 1, 2], [3, 'cat', 'dog'])
    """
    try:
        classes, numbers = np.unique(np.asarray(labels), return_inverse=True)
        return numbers.reshape(-1), list(classes)
    except TypeError:
        texts = [f"{type(label).__name__}:{label}" for label in labels]
        _, first, numbers = np.unique(texts, return_index=True, return_inverse=True)
        return numbers.reshape(-1), [labels[row] for row in first]


def common_numbers(
    labels: NDArray[Any], test_labels: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[Any]]:
    """Numbers of the labels of two sets, the same for both; and the classes in their order."""
    numbers, classes = class_numbers(np.concatenate([labels, test_labels]))
    return numbers[: len(labels)], numbers[len(labels) :], classes


def note_of_unknown(
    numbers: NDArray[np.intp], test_numbers: NDArray[np.intp], classes: Sequence[object]
) -> str:
    """A sentence on the test images of classes that no probe can know; empty if there are none."""
    unknown = ~np.isin(test_numbers, numbers)
    if not unknown.any():
        return ""
    named = names([classes[number] for number in np.unique(test_numbers[unknown])])
    return (
        f"{unknown.sum()} of {len(unknown)} test images count as errors, because their classes "
        f"have no training images: {named}."
    )


def possible(
    counts: Sequence[int], numbers: NDArray[np.intp], classes: Sequence[object]
) -> tuple[list[int], str]:
    """Those of the numbers of labels per class that every class has, and a sentence on the others.

    Args:
        counts: Numbers of labels per class.
        numbers: Number of the class of every training image, ``[images]``.
        classes: The classes, in the order of their numbers; some may have no training image.
    """
    present, sizes = np.unique(numbers, return_counts=True)
    smallest, size = present[sizes.argmin()], sizes.min()
    missing = [count for count in counts if count > size]
    note = ""
    if missing:
        first, last = ", ".join(map(str, missing[:-1])), str(missing[-1])
        note = (
            f"Left out: linear probes on {f'{first} and {last}' if first else last} labels per "
            f"class. The class {printable(classes[smallest])} has {size} training images."
        )
    return [count for count in counts if count not in missing], note


def names(classes: Sequence[object]) -> str:
    """The first classes by name, and how many more there are.

    Example:
        >>> from barlow.evaluation import labels
        >>> labels.names(["ant", "bee", "cat", "dog", "eel", "fox", "gnu"])
        'ant, bee, cat, dog, eel and 2 more'
    """
    more = f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
    return ", ".join(map(printable, classes[:_SHOWN])) + more
