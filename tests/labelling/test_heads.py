"""The space of comparison, and heads: in NumPy as in Keras."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from clouds import clouds

from barlow import backend
from barlow.labelling import Head, from_vectors, space
from barlow.labelling.heads import FLOOR, METHODS, SHARPNESS, by_anchors, log_softmax


def gram(values):
    """Inner products in the space of the values: without the signs of components."""
    units = space.fit(values)(values)
    return units @ units.T


@pytest.fixture(scope="module")
def values():
    mixing = np.random.default_rng(1).normal(size=(8, 8))
    return (clouds([40, 30], apart=2.0)[0] @ mixing).astype("float32")


@pytest.mark.once
def test_principal_components_are_half_whitened_and_rows_of_unit_length(values):
    exact = values.astype("float64")
    standard = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    variances, directions = np.linalg.eigh(standard.T @ standard / (len(standard) - 1))
    expected = standard @ directions / variances**0.25
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(gram(values), expected @ expected.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(gram(values)), 1, atol=1e-6)


@pytest.mark.once
def test_the_unit_of_a_feature_and_where_it_is_zero_do_not_matter(values):
    scales = 10.0 ** np.linspace(-2, 2, 8)
    shifts = np.linspace(-10, 10, 8) * values.std(axis=0)
    np.testing.assert_allclose(gram((values + shifts) * scales), gram(values), atol=1e-4)
    np.testing.assert_allclose(gram(-values), gram(values), atol=1e-5)


@pytest.mark.once
def test_features_that_are_constant_or_there_twice_do_not_matter(values):
    constant = np.full((len(values), 3), [0, 7, -1e3], "float32")
    np.testing.assert_allclose(gram(np.hstack([constant, values])), gram(values), atol=1e-5)
    every = space.fit(np.hstack([values, values]))
    assert every.matrix.shape == (16, 8)  # no component of rounding errors


@pytest.mark.once
def test_vectors_that_are_all_the_same_stay_as_they_are():
    same = np.ones((5, 3), "float32")
    np.testing.assert_allclose(space.fit(same)(same), same / np.sqrt(3), rtol=1e-6)
    assert not space.fit(0 * same)(0 * same).any()


@pytest.mark.once
def test_blocks_of_rows_give_the_same(values, monkeypatch):
    fitted = space.fit(values)
    expected = fitted(values)
    monkeypatch.setattr(space, "_BLOCK", 7)
    np.testing.assert_allclose(fitted(values), expected, atol=1e-6)


@pytest.fixture(scope="module")
def head(values):
    random = np.random.default_rng(0)
    fitted = space.fit(values)
    anchors = random.permutation(len(values))[:50]
    return Head(
        ("a", "b", "c"),
        "both",
        fitted,
        fitted(values[anchors]),
        random.dirichlet(np.full(3, 0.1), 50).astype("float32"),
        random.normal(size=(8, 3)),
        random.normal(size=3),
        0.7,
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_model_of_keras_has_the_probabilities_of_the_head(method, head, values):
    head = head.with_choice(method, 0.7)
    images = np.concatenate([values, np.zeros((1, 8), "float32"), 100 * values[:1]])
    found = backend.predict(from_vectors(8, head), images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, head(images), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_made_under_half_precision_computes_in_single(method, head, values):
    head = head.with_choice(method, 0.7)
    with backend.keras_defaults("mixed_bfloat16"):
        model = from_vectors(8, head)
    np.testing.assert_allclose(backend.predict(model, values), head(values), atol=1e-5)


@pytest.mark.once
def test_probabilities_are_those_of_the_formulas(head, values):
    exact = values.astype("float64")
    units = exact @ head.space.matrix + head.space.bias
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    weights = np.exp(SHARPNESS * units @ head.anchors.T)
    graph = weights / weights.sum(axis=1, keepdims=True) @ head.anchor_labels + FLOOR
    linear = np.exp(units @ head.weights + head.bias)
    linear /= linear.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(
        by_anchors(head.space(values), head.anchors, head.anchor_labels), graph, atol=1e-5
    )
    for method, product in (("graph", graph), ("linear", linear), ("both", graph * linear**0.5)):
        for temperature in (0.5, 1, 3):
            expected = product ** (1 / temperature)
            expected /= expected.sum(axis=1, keepdims=True)
            found = head.with_choice(method, temperature)(values)
            np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.once
def test_the_number_of_rows_does_not_matter(head, values, monkeypatch):
    from barlow.labelling import heads

    expected = head(values)
    assert head(values[:0]).shape == (0, 3)
    monkeypatch.setattr(heads, "_BLOCK", 11)
    np.testing.assert_allclose(head(values), expected, atol=1e-6)


@pytest.mark.once
def test_logits_of_any_size_have_logarithms():
    logits = np.array([[1e4, 0, -1e4], [0, 0, 0], [-1e4, -1e4, -1e4]])
    found = log_softmax(logits)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    np.testing.assert_allclose(found[0], [0, -1e4, -2e4])


@pytest.mark.once
def test_a_head_is_not_changed_by_another_choice(head):
    other = head.with_choice("graph", 2.0)
    assert (head.method, head.temperature) == ("both", 0.7)
    assert dataclasses.replace(other, method="both", temperature=0.7).anchors is head.anchors


@pytest.mark.once
def test_many_rows_of_many_classes_take_the_memory_of_their_probabilities(values):
    random, rows, classes = np.random.default_rng(0), 20_000, 200
    fitted = space.fit(values)
    head = Head(
        tuple(map(str, range(classes))),
        "both",
        fitted,
        fitted(values),
        random.dirichlet(np.ones(classes), len(values)).astype("float32"),
        random.normal(size=(fitted(values).shape[1], classes)),
        np.zeros(classes),
    )
    many = np.resize(values, (rows, values.shape[1]))
    tracemalloc.start()
    probabilities = head(many)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert peak < 2.5 * probabilities.nbytes
