"""Neighbours are those of scikit-learn's brute force in float64, ties by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from barlow.neighbours import exact, nearest

pytestmark = pytest.mark.once


def oracle(vectors, queries, k, own=None):
    """Rows of a full sort of all similarities in float64, ties by row."""
    one, other = (
        each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-300)
        for each in (queries.astype("float64"), vectors.astype("float64"))
    )
    found = np.einsum("qd,nd->qn", one, other)
    if own is not None:
        found[np.arange(len(queries)), own] = -np.inf
    rows = np.argsort(-found, axis=1, kind="stable")[:, : min(k, len(vectors) - (own is not None))]
    return rows, np.take_along_axis(found, rows, axis=1)


def of_seed(seed, rows, features):
    return np.random.default_rng(seed).normal(size=(rows, features)).astype("float32")


@pytest.mark.parametrize(("rows", "features", "k"), [(2000, 64, 5), (700, 3, 20), (300, 200, 1)])
def test_neighbours_are_those_of_scikit_learn(rows, features, k):
    vectors = of_seed(0, rows, features)
    found = nearest(vectors, vectors, k, own=np.arange(rows))
    brute = NearestNeighbors(n_neighbors=k + 1, metric="cosine", algorithm="brute")
    distances, expected = brute.fit(vectors.astype("float64")).kneighbors()
    np.testing.assert_array_equal(found.rows, expected[:, :k])
    np.testing.assert_allclose(found.similarities, 1 - distances[:, :k], atol=1e-12)


@pytest.mark.parametrize("tile", [7, 64, 10_000])
@pytest.mark.parametrize("block", [1, 50])
def test_blocks_change_nothing(tile, block, monkeypatch):
    monkeypatch.setattr(exact, "_ROWS", tile)
    monkeypatch.setattr(exact, "_QUERIES", block)
    vectors, queries = of_seed(1, 300, 16), of_seed(2, 40, 16)
    found = nearest(vectors, queries, 9)
    rows, similarities = oracle(vectors, queries, 9)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.similarities, similarities, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 60),
    features=st.integers(1, 6),
    k=st.integers(1, 70),
    tile=st.integers(1, 70),
)
def test_of_equal_rows_the_first_ones_are_taken(seed, rows, features, k, tile):
    random = np.random.default_rng(seed)
    distinct = random.integers(-1, 2, (max(1, rows // 4), features)).astype("float32")
    vectors = distinct[random.integers(0, len(distinct), rows)]  # copies, and zeros
    before = exact._ROWS
    exact._ROWS = tile
    try:
        found = nearest(vectors, vectors, k, own=np.arange(rows))
    finally:
        exact._ROWS = before
    _, similarities = oracle(vectors, vectors, k, np.arange(rows))
    # Similarities that are equal in theory may differ by the last bit in the oracle.
    np.testing.assert_allclose(found.similarities, similarities, atol=1e-14)
    for row in range(rows):
        assert row not in found.rows[row]
        pairs = list(zip(-found.similarities[row], found.rows[row], strict=True))
        assert pairs == sorted(pairs)
        left = np.setdiff1d(np.arange(rows), [*found.rows[row], row])
        if len(left):
            same = [r for r in left if (vectors[r] == vectors[found.rows[row, -1]]).all()]
            assert all(r > found.rows[row, -1] for r in same)


def test_what_float32_cannot_tell_apart_is_told_apart():
    """Rows whose similarities differ by less than float32 can hold."""
    query = np.float32([[1, 0, 0]])
    angles = 1e-5 * np.arange(1, 200)  # cosines from 1 - 5e-11 to 1 - 2e-6
    order = np.random.default_rng(0).permutation(len(angles))
    vectors = np.stack([np.ones(199), angles[order], np.zeros(199)], axis=1).astype("float32")
    found = nearest(vectors, query, 199)
    np.testing.assert_array_equal(found.rows[0], np.argsort(order))


def test_adding_rows_changes_no_similarity():
    vectors, queries = of_seed(3, 500, 32), of_seed(4, 20, 32)
    before = nearest(vectors[:400], queries, 10)
    after = nearest(vectors, queries, 500)
    for place in range(len(queries)):
        is_old = after.rows[place] < 400
        np.testing.assert_array_equal(after.rows[place][is_old][:10], before.rows[place])
        np.testing.assert_array_equal(
            after.similarities[place][is_old][:10], before.similarities[place]
        )


def test_the_length_of_vectors_does_not_count():
    vectors = of_seed(5, 200, 8)
    scaled = vectors * np.random.default_rng(0).uniform(1e-3, 1e3, (200, 1)).astype("float32")
    for one, other in ((vectors, scaled), (scaled, vectors)):
        np.testing.assert_array_equal(
            nearest(one, other, 5).rows, nearest(vectors, vectors, 5).rows
        )


def test_at_least_is_all_rows_from_a_similarity_on():
    vectors = of_seed(6, 1000, 4)
    _, similarities = oracle(vectors, vectors[:1], 1000)
    rows, _ = oracle(vectors, vectors[:1], 1000)
    expected = np.sort(rows[0][similarities[0] >= 0.8])
    np.testing.assert_array_equal(exact.at_least(vectors, vectors[0], 0.8), expected)


def test_no_rows_and_no_queries_give_none():
    vectors = of_seed(7, 5, 3)
    assert nearest(vectors[:0], vectors, 3).rows.shape == (5, 0)
    assert nearest(vectors, vectors[:0], 3).rows.shape == (0, 3)
    assert nearest(vectors[:1], vectors[:1], 3, own=np.array([0])).rows.shape == (1, 0)


@pytest.mark.parametrize(
    ("vectors", "queries", "k", "said"),
    [
        (of_seed(0, 5, 3), of_seed(0, 5, 4), 1, "Received: .5, 3. and .5, 4."),
        (of_seed(0, 5, 3), of_seed(0, 5, 3), 0, "at least 1. Received: 0"),
        (of_seed(0, 5, 3) * np.float32(np.nan), of_seed(0, 5, 3), 1, "NaN or Inf"),
    ],
)
def test_what_cannot_be_compared_is_refused(vectors, queries, k, said):
    with pytest.raises(ValueError, match=said):
        nearest(vectors, queries, k)


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", "float64"])
def test_vectors_of_other_kinds_have_their_exact_neighbours(dtype):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3000, 64))
    vectors = (vectors * 20).clip(-127, 127) if np.dtype(dtype).kind == "i" else vectors
    vectors = np.abs(vectors * 20) if dtype == "uint8" else vectors
    vectors = vectors.astype(dtype)
    found = nearest(vectors, vectors[:50], 9)
    rows, similarities = oracle(vectors, vectors[:50], 9)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.similarities, similarities, atol=1e-12)
