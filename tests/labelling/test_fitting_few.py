"""`fit`: what is said of every image, and that no label speaks for itself."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from clouds import clouds, collection, some_labels

from barlow import labelling, neighbours
from barlow.errors import InvalidInput
from barlow.labelling import fitting, learning, space
from barlow.labelling.heads import METHODS
from barlow.progress import silent

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def fixed_regularisation(monkeypatch):
    """With more candidates it is chosen by all labels."""
    monkeypatch.setattr(learning, "GRID", (1.0,))


@pytest.fixture(scope="module")
def points():
    return clouds([60, 50, 40], apart=2.0)


def task_of(values, rows, numbers):
    fitted = space.fit(values)
    units = fitted(values)
    near = neighbours.nearest(units, units, 10, own=np.arange(len(units))).rows
    return learning.Task(values, fitted, units, near, rows, numbers, ("a", "b", "c"))


@pytest.mark.parametrize("place", [0, 7, 29])
def test_what_the_others_say_of_an_image_does_not_depend_on_its_label(place, points):
    values, numbers = points
    rows = np.arange(0, 150, 5)
    known = numbers[rows]
    changed = known.copy()
    changed[place] = (changed[place] + 1) % 3
    one, other = (
        learning.learn(task_of(values, rows, each))[1].logits for each in (known, changed)
    )
    for method in METHODS:
        np.testing.assert_allclose(one[method][place], other[method][place], rtol=1e-5)
        assert np.abs(one[method] - other[method]).max() > 0.01  # of other images it does


def test_what_is_said_of_a_fold_does_not_depend_on_its_labels(points):
    values, numbers = points
    rows = np.arange(0, 150, 2)
    folds = np.arange(len(rows)) % 5
    known = numbers[rows]
    changed = np.where(folds == 2, (known + 1) % 3, known)
    found = []
    for each in (known, changed):
        task = task_of(values, rows, each)
        x = (values[rows] - values.mean(axis=0)) / values.std(axis=0)
        graph = learning._Graph(task, folds)
        found.append(learning._held_out(task, graph, x, 1.0, silent).logits)
    one, other = found
    for method in METHODS:
        same, differs = (one[method][part] - other[method][part] for part in
                         (folds == 2, folds != 2))  # fmt: skip
        np.testing.assert_allclose(same, 0, atol=1e-4)
        assert np.abs(differs).max() > 0.1


def test_memory_does_not_grow_with_the_labels_of_a_fold():
    values, numbers = clouds([2500, 2500], features=2, apart=2.0)
    task = task_of(values, np.arange(5000), numbers)
    peaks = []
    for count in (10, 2):  # folds
        graph = learning._Graph(task, np.arange(5000) % count)
        tracemalloc.start()
        learning._held_out(task, graph, values, 1.0, silent)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(("labels", "folds"), [(50, 50), (51, 10), (2000, 10), (2001, 5)])
def test_few_labels_are_held_out_one_by_one_and_many_in_parts(labels, folds):
    numbers = np.arange(labels) % 3
    found = learning._folds(numbers, 0)
    sizes = np.bincount(found)
    assert len(sizes) == folds
    assert sizes.max() - sizes.min() <= 3  # each class is spread evenly
    rare = learning._folds(np.arange(60), 0)  # every class has one label
    assert np.bincount(rare).tolist() == [6] * 10


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_images_does_not_matter(method, points):
    values, numbers = points
    labels = some_labels(numbers, 8)
    order = np.random.default_rng(5).permutation(len(values))
    one = labelling.fit(collection(values), labels, method=method)
    names = [f"{row}.png" for row in order]
    other = labelling.fit(collection(values[order], names), labels[order], method=method)
    np.testing.assert_allclose(other.probabilities, one.probabilities[order], atol=1e-4)
    np.testing.assert_allclose(other.choice.temperature, one.choice.temperature, rtol=1e-3)
    back = np.argsort(order[other.given.rows])
    np.testing.assert_allclose(other.held_out[back], one.held_out, atol=1e-4)
    assert [each.path for each in other.doubts()] == [each.path for each in one.doubts()]
    assert {each.path: each.label for each in other.predictions()} == {
        each.path: each.label for each in one.predictions()
    }


def test_the_same_seed_gives_the_same(points):
    labels = some_labels(points[1], 25)
    one, same = (labelling.fit(collection(points[0]), labels, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.probabilities, same.probabilities)
    assert one.scores.accuracy == same.scores.accuracy


def test_predictions_are_of_the_images_without_labels_the_most_doubtful_first(points):
    values, numbers = points
    labels = some_labels(numbers, 6)
    fitted = labelling.fit(collection(values), labels)
    found = fitted.predictions()
    assert {each.path for each in found} == {f"{row}.png" for row in np.flatnonzero(labels == "")}
    margins = [each.margin for each in found]
    assert margins == sorted(margins)
    for each in found:
        row = fitted.probabilities[int(each.path.removesuffix(".png"))]
        first, second = np.argsort(-row)[:2]
        assert (each.label, each.second) == (fitted.classes[first], fitted.classes[second])
        assert (each.probability, each.margin) == (row[first], row[first] - row[second])


def test_the_classes_add_up(points):
    values, numbers = points
    labels = some_labels(numbers, 6)
    labels[np.flatnonzero(labels == "")[0]] = "rare"
    fitted = labelling.fit(collection(values), labels)
    found = {each.name: each for each in fitted.by_class()}
    assert fitted.classes == ("class 0", "class 1", "class 2", "rare")
    assert [each.labels for each in found.values()] == [6, 6, 6, 1]
    assert sum(each.predicted for each in found.values()) == np.sum(labels == "")
    assert [each.held_out for each in found.values()] == [6, 6, 6, 0]
    assert sum(each.right for each in found.values()) / 18 == fitted.scores.accuracy
    assert np.isnan(fitted.held_out).all(axis=1).tolist() == [
        labels[row] == "rare" for row in fitted.given.rows
    ]
    np.testing.assert_allclose(fitted.probabilities.sum(axis=1), 1)
    assert fitted.numbers.tolist() == [
        fitted.classes.index(labels[row]) for row in fitted.given.rows
    ]


def test_with_a_label_of_each_class_there_are_no_figures(points):
    fitted = labelling.fit(collection(points[0]), some_labels(points[1], 1))
    assert fitted.scores is None
    assert fitted.choice.method == "graph"
    assert "only 0 labels are of classes with at least two" in fitted.choice.why
    assert fitted.doubts() == []
    assert all(each.held_out == each.right == 0 for each in fitted.by_class())


def test_one_label_of_each_of_many_classes_is_no_regression(points):
    """As scikit-learn would warn."""
    labels = [f"class {row}" for row in range(30)] + [""] * 120
    fitted = labelling.fit(collection(points[0]), labels)
    assert len(fitted.classes) == 30


def test_all_images_may_have_labels(points):
    fitted = labelling.fit(collection(points[0][:40]), [str(row % 2) for row in range(40)])
    assert fitted.predictions() == []
    tiny = labelling.fit(collection(points[0][:2]), ["a", "b"])
    assert tiny.probabilities.argmax(axis=1).tolist() == [0, 1]


def test_vectors_that_are_all_the_same_tell_nothing():
    labels = ["a"] * 6 + ["b"] * 6 + [""] * 8
    fitted = labelling.fit(collection(np.ones((20, 4))), labels, method="graph")
    np.testing.assert_allclose(fitted.probabilities, 0.5, atol=0.01)


@pytest.mark.parametrize("labels", [["a"] * 3 + [""] * 147, [""] * 150, None])
def test_one_class_is_none(labels, points):
    with pytest.raises(InvalidInput, match="labels of at least two classes"):
        labelling.fit(collection(points[0]), labels)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_vector_that_is_no_number_is_named_drawn_or_not(bad, points, monkeypatch):
    monkeypatch.setattr(fitting.some_of, "__defaults__", (30,))
    labels = some_labels(points[1], 10)
    for row in np.flatnonzero(labels == "")[::10]:
        values = points[0].copy()
        values[row, 3] = bad
        said = f"1 of 150 vectors hold NaN or Inf, such as that of {row}.png. Leave"
        with pytest.raises(InvalidInput, match=said):
            labelling.fit(collection(values), labels)
        with pytest.raises(InvalidInput, match=said):
            labelling.suggest(collection(values), 3)


def test_an_unknown_method_is_refused(points):
    with pytest.raises(InvalidInput, match=r"auto, graph, linear, both.*Did you mean 'linear'"):
        labelling.fit(collection(points[0]), None, method="linaer")


def test_of_a_large_collection_a_sample_and_all_labels_learn(points, monkeypatch):
    values, numbers = points
    labels = some_labels(numbers, 10)
    monkeypatch.setattr(fitting.some_of, "__defaults__", (30,))
    some = fitting.some_of(collection(values), np.array([3, 149]), 0)
    assert {3, 149} <= {*some.rows}
    assert 30 <= len(some.rows) <= 32
    assert (np.diff(some.rows) > 0).all()
    fitted = labelling.fit(collection(values), labels)
    assert fitted.probabilities.shape == (150, 3)
    every = np.array([each.path for each in fitted.predictions()])
    assert len(every) == 120
    free = labels == ""
    assert np.mean(fitted.probabilities[free].argmax(axis=1) == numbers[free]) > 0.7


def test_labels_of_the_collection_are_taken(points):
    values, numbers = points
    own = dataclasses.replace(collection(values), labels=numbers)
    fitted = labelling.fit(own)
    assert fitted.classes == ("0", "1", "2")
    assert len(fitted.given.rows) == 150


def test_the_labels_of_a_small_class_lie_in_different_folds():
    numbers = np.random.default_rng(1).permutation(np.repeat(np.arange(100), 2))
    folds = learning._folds(numbers, 0)
    assert len(set(zip(folds.tolist(), numbers.tolist(), strict=True))) == 200
    assert np.bincount(folds).tolist() == [20] * 10
