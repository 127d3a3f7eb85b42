"""Labels spread over a graph: the fixed point in closed form, linear in the labels."""

import numpy as np
import pytest
from clouds import clouds

from barlow import neighbours
from barlow.labelling import learning, space, spreading
from barlow.labelling.heads import FLOOR

pytestmark = pytest.mark.once

STEPS = spreading._STEPS


def graph_of(values, k=5):
    units = space.fit(values)(values)
    return neighbours.nearest(units, units, k, own=np.arange(len(units))).rows


@pytest.fixture(scope="module")
def points():
    return clouds([30, 20, 10], apart=2.0)


def test_the_operator_is_that_of_the_symmetric_graph(points):
    near = graph_of(points[0])
    weights = np.zeros((60, 60))
    for row, others in enumerate(near):
        weights[row, others] = weights[others, row] = 1
    degrees = weights.sum(axis=1)
    expected = weights / np.sqrt(np.outer(degrees, degrees))
    np.testing.assert_allclose(spreading.operator(near).toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5, spreading.ALPHA])
def test_scores_are_the_closed_form_to_alpha_to_the_number_of_steps(alpha, points):
    graph = spreading.operator(graph_of(points[0])).astype("float64")
    labels = np.eye(60)[:, [0, 7, 31, 59]]
    exact = np.linalg.solve(np.eye(60) - alpha * graph.toarray(), (1 - alpha) * labels)
    found = spreading.spread(graph, labels, alpha)
    # F_t - F = (alpha S)^t (Y - F), and no eigenvalue of S is above 1, but for its rounding.
    bound = alpha**STEPS * np.linalg.norm(labels - exact, axis=0) * (1 + 1e-6) ** STEPS
    assert (np.linalg.norm(found - exact, axis=0) <= bound + 1e-15).all()
    rounded = spreading.spread(graph.astype("float32"), labels.astype("float32"), alpha)
    np.testing.assert_allclose(rounded, found, atol=STEPS * np.finfo("float32").eps)


def test_scores_are_linear_in_the_labels(points):
    graph = spreading.operator(graph_of(points[0])).astype("float64")
    one, other = np.random.default_rng(0).normal(size=(2, 60, 3))
    found = spreading.spread(graph, 2 * one - 3 * other)
    expected = 2 * spreading.spread(graph, one) - 3 * spreading.spread(graph, other)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_a_part_of_the_columns_at_a_time_gives_the_same(points, monkeypatch):
    graph = spreading.operator(graph_of(points[0]))
    rows, columns = np.array([3, 40, 55, 9, 11]), np.array([0, 1, 1, 3, 4])
    labels = np.zeros((60, 5), "float32")
    labels[rows, columns] = 1
    expected = spreading.spread(graph, labels)
    anchors = np.array([1, 3, 59])
    for values in (2**26, 120, 1):  # all columns, two, and one
        monkeypatch.setattr(spreading, "_VALUES", values)
        scores, mass = spreading.spread_to(graph, rows, columns, anchors)
        np.testing.assert_array_equal(scores, expected[anchors])
        np.testing.assert_allclose(mass, expected.sum(axis=0), rtol=1e-6)


def task_of(values, numbers, rows, count=3):
    fitted = space.fit(values)
    units = fitted(values)
    near = neighbours.nearest(units, units, 10, own=np.arange(len(units))).rows
    names = tuple(f"class {number}" for number in range(count))
    return learning.Task(values, fitted, units, near, rows, numbers[rows], names)


def test_a_fold_left_out_is_a_spreading_without_its_labels(points):
    values, numbers = points
    rows = np.array([0, 3, 9, 12, 31, 35, 39, 50, 55])
    folds = np.array([0, 1, 2, 0, 1, 2, 0, 1, 1])  # without fold 1 the last class has none
    together = learning._Graph(task_of(values, numbers, rows), folds)
    for fold in range(3):
        task = task_of(values, numbers, rows[folds != fold])
        alone = learning._Graph(task, np.zeros(len(task.rows), int))
        np.testing.assert_array_equal(alone.anchors, together.anchors)
        np.testing.assert_allclose(
            together.probabilities(fold), alone.probabilities(None), rtol=1e-5
        )


def test_the_mass_of_every_class_is_its_share_of_the_labels(points):
    values, numbers = points
    rows = np.array([0, 3, 9, 12, 31, 35, 50])
    task = task_of(values, numbers, rows)
    found = learning._Graph(task, np.arange(7)).probabilities(None)
    graph = spreading.operator(task.neighbours).astype("float64").toarray()
    labels = np.zeros((60, 3))
    labels[rows, task.numbers] = 1
    scores = spreading.spread(graph, labels)
    scores *= np.array([5, 3, 2]) / scores.sum(axis=0)  # of every class one more label
    scores += FLOOR
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
