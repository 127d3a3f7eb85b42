"""Recall@k and mean average precision, against brute force and scikit-learn."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from barlow.errors import InvalidInput
from barlow.evaluation import retrieval

pytestmark = pytest.mark.once


def brute_force(gallery, labels, query, label):
    """Ranks of the images of the query's class, from 1, by exact cosines and then by row."""
    lengths = np.linalg.norm(gallery, axis=1) * np.linalg.norm(query)
    cosines = [
        round(a @ query / b, 12) if b else 0.0 for a, b in zip(gallery, lengths, strict=True)
    ]
    order = sorted(range(len(gallery)), key=lambda row: (-cosines[row], row))
    return [rank for rank, row in enumerate(order, start=1) if labels[row] == label]


@settings(deadline=None, max_examples=60)
@given(
    images=st.integers(1, 40), queries=st.integers(1, 12), classes=st.integers(1, 6),
    seed=st.integers(0, 999), levels=st.sampled_from([2, 3, 50]),
)  # fmt: skip
def test_both_measures_are_those_of_brute_force_with_ties_and_zeros_too(
    images, queries, classes, seed, levels
):
    random = np.random.default_rng(seed)
    gallery = random.integers(-levels, levels + 1, (images, 3)).astype("float32")
    asked = random.integers(-levels, levels + 1, (queries, 3)).astype("float32")
    labels, query_labels = random.integers(0, classes, images), random.integers(0, classes, queries)
    found = retrieval(gallery, labels, asked, query_labels, ranks=(1, 3))
    ranks = [
        brute_force(gallery.astype(float), labels, query.astype(float), label)
        for query, label in zip(asked, query_labels, strict=True)
        if label in labels
    ]
    assert (found.queries, found.left_out) == (len(ranks), queries - len(ranks))
    if not ranks:
        assert np.isnan([found.mean_average_precision, found.recall[1]]).all()
        return
    precisions = [np.mean([i / rank for i, rank in enumerate(own, start=1)]) for own in ranks]
    assert found.mean_average_precision == pytest.approx(np.mean(precisions), rel=1e-12)
    for k in (1, 3):
        assert found.recall[k] == pytest.approx(np.mean([own[0] <= k for own in ranks]), rel=1e-12)


def test_the_mean_average_precision_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    labels, query_labels = random.integers(0, 4, 3000), random.integers(0, 4, 50)
    gallery, queries = random.normal(size=(3000, 8)), random.normal(size=(50, 8))
    cosines = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
        gallery / np.linalg.norm(gallery, axis=1)[:, None]
    ).T
    expected = [
        average_precision_score(labels == label, own)
        for label, own in zip(query_labels, cosines, strict=True)
    ]
    found = retrieval(gallery, labels, queries, query_labels)
    assert found.mean_average_precision == pytest.approx(np.mean(expected), rel=1e-12)


def test_queries_of_classes_that_the_gallery_does_not_have_are_left_out_and_counted():
    gallery, labels = np.eye(3), np.array(["ant", "bee", "cat"])
    found = retrieval(gallery, labels, np.eye(3), np.array(["ant", "bee", "eel"]))
    assert found == ({1: 1.0, 5: 1.0, 10: 1.0}, 1.0, 2, 1)


def test_memory_does_not_grow_with_the_number_of_queries():
    random, peaks = np.random.default_rng(0), []
    gallery, labels = random.normal(size=(4000, 4)), np.arange(4000) % 2
    for queries in (2000, 8000):
        tracemalloc.start()
        retrieval(gallery, labels, gallery[np.arange(queries) % 4000], np.arange(queries) % 2)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("gallery", "queries", "ranks"),
    [
        (np.ones((3, 2)), np.ones((1, 3)), (1,)),
        (np.ones((2, 2)), np.ones((1, 2)), (1,)),
        (np.full((3, 2), np.nan), np.ones((1, 2)), (1,)),
        (np.ones((3, 2)), np.ones((1, 2)), (0, 1)),
        (np.ones((3, 2)), np.ones((1, 2)), ()),
    ],
)
def test_what_cannot_be_ranked_is_refused(gallery, queries, ranks):
    with pytest.raises(InvalidInput, match="Received: "):
        retrieval(gallery, [0, 1, 1], queries, [0], ranks=ranks)
