"""Labels that may be wrong: all that were planted, and no others."""

import numpy as np
import pytest
from clouds import clouds, collection

from barlow import labelling
from barlow.labelling.given import Given
from barlow.labelling.mistakes import doubts

pytestmark = pytest.mark.once


def planted(seed, count):
    """Vectors, labels of half of them, and the wrong ones among these."""
    values, numbers = clouds([40, 40, 40], apart=8.0, seed=seed)
    labelled = np.random.default_rng(seed).permutation(120)[:60]
    labels = np.full(120, "", object)
    labels[labelled] = [f"class {number}" for number in numbers[labelled]]
    wrong = {int(row): f"class {(numbers[row] + 1) % 3}" for row in labelled[:count]}
    for row, label in wrong.items():
        labels[row] = label
    return values, numbers, labels, {f"{row}.png": label for row, label in wrong.items()}


@pytest.mark.parametrize("method", ["auto", "graph", "linear", "both"])
@pytest.mark.parametrize("seed", range(4))
def test_wrong_labels_on_separate_clusters_are_found_all_and_only_they(method, seed):
    values, numbers, labels, wrong = planted(seed, 5)
    found = labelling.fit(collection(values), labels, method=method).doubts()
    assert {each.path: each.label for each in found} == wrong
    assert all(each.other == f"class {numbers[int(each.path[:-4])]}" for each in found)
    assert all(each.probability > each.own for each in found)
    gaps = [each.probability - each.own for each in found]
    assert gaps == sorted(gaps, reverse=True)


def test_right_labels_are_not_doubted():
    values, numbers = clouds([40, 40, 40], apart=8.0)
    labels = [f"class {number}" if row % 2 else "" for row, number in enumerate(numbers)]
    assert labelling.fit(collection(values), labels).doubts() == []


def test_a_class_of_a_single_label_is_never_doubted():
    values, numbers = clouds([30, 30], apart=8.0)
    labels = np.array([f"class {number}" for number in numbers], object)
    labels[5] = "rare"  # in the middle of another class
    labels[6] = "class 1"
    found = labelling.fit(collection(values), labels).doubts()
    assert [each.path for each in found] == ["6.png"]


def confident_learning(probabilities, numbers):
    """Northcutt et al. (2021), as its definition reads, one label at a time."""
    classes = range(probabilities.shape[1])
    usual = [probabilities[numbers == number, number].mean() for number in classes]
    found = {}
    for row, (own, number) in enumerate(zip(probabilities, numbers, strict=True)):
        able = [other for other in classes if own[other] >= usual[other] and other != number]
        best = max(able, key=lambda other: own[other], default=number)
        if own[best] > own[number]:
            found[row] = best
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_doubts_are_those_of_confident_learning(seed):
    random = np.random.default_rng(seed)
    numbers = np.concatenate([np.arange(4), random.integers(0, 4, 96)])
    true = np.where(random.random(100) < 0.3, random.integers(0, 4, 100), numbers)
    probabilities = random.dirichlet(np.full(4, 0.7), 100) + 0.8 * np.eye(4)[true]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = np.array([str(row) for row in range(100)])
    classes = ("a", "b", "c", "d")
    given = Given(np.array(classes, object)[numbers], np.ones(100, bool))
    found = doubts(names, classes, given, probabilities)
    expected = confident_learning(probabilities, numbers)
    assert 3 < len(expected) < 50
    assert {int(each.path): classes.index(each.other) for each in found} == expected


def test_what_cannot_be_held_out_takes_no_part():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.7, 0.3]])
    names, classes = np.array([*"vwxyz"]), ("a", "b")
    given = Given(np.array([*"aabba"], object), np.ones(5, bool))
    assert doubts(names, classes, given, probabilities) == []
    given = Given(np.array([*"aabbb"], object), np.ones(5, bool))
    assert [each.path for each in doubts(names, classes, given, probabilities)] == []
    given = Given(np.array([*"aabab"], object), np.ones(5, bool))
    unknown = np.where(np.arange(5)[:, None] == 4, np.nan, probabilities)
    assert doubts(names, classes, given, np.full((5, 2), np.nan)) == []
    assert "z" not in [each.path for each in doubts(names, classes, given, unknown)]
