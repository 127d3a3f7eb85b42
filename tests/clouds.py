"""Collections of vectors without images: clouds of points, whose classes are known."""

import numpy as np

import barlow


def collection(values, names=None, facts=None):
    """A collection of vectors."""
    names = [f"{row}.png" for row in range(len(values))] if names is None else names
    values = np.asarray(values, "float32")
    return barlow.Embeddings(
        values, np.array(names, object), None, "e", (8, 8, 1), "", facts=facts or {}
    )


def clouds(sizes, features=8, apart=10.0, seed=0):
    """Points of normal clouds of a standard deviation of 1, and the cloud of each.

    The middles are orthogonal, at the distance ``apart`` from zero.
    """
    random = np.random.default_rng(seed)
    middles = np.linalg.qr(random.normal(size=(features, features)))[0][: len(sizes)]
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    values = apart * middles[numbers] + random.normal(size=(len(numbers), features))
    return values.astype("float32"), numbers


def some_labels(numbers, per_class, seed=0):
    """Labels as texts: of each class so many, of images drawn at random; else none."""
    random = np.random.default_rng(seed)
    labels = np.full(len(numbers), "", object)
    for number in np.unique(numbers):
        rows = random.permutation(np.flatnonzero(numbers == number))[:per_class]
        labels[rows] = f"class {number}"
    return labels
