"""Labels of any type, and what a probe needs of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow.errors import InvalidInput


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
