"""An index finds nearly all neighbours, and is that of the vectors at hand whatever was kept."""

import numpy as np
import pytest

from barlow import neighbours
from barlow.neighbours import index, kept

pytest.importorskip("faiss")
pytestmark = pytest.mark.once


def clustered(seed, rows, features=32, clusters=40):
    centres = np.random.default_rng(99).normal(size=(clusters, features))
    random = np.random.default_rng(seed)
    noise = random.normal(size=(rows, features))
    return (centres[random.integers(0, clusters, rows)] + 0.3 * noise).astype("float32")


def recall(found, vectors, queries, own=None):
    exact = neighbours.nearest(vectors, queries, found.rows.shape[1], own=own)
    return np.mean(found.similarities >= exact.similarities[:, -1:] - 1e-12)


def test_nearly_all_neighbours_are_found_and_their_similarities_are_exact():
    vectors, queries = clustered(0, 5000), clustered(1, 200)
    made = neighbours.Index(vectors)
    found = made.nearest(queries, 10)
    assert made.recall >= 0.99
    assert recall(found, vectors, queries) > 0.97
    exact = neighbours.nearest(vectors, queries, 10)
    for place in range(200):
        alike = dict(zip(exact.rows[place], exact.similarities[place], strict=True))
        for row, similarity in zip(found.rows[place], found.similarities[place], strict=True):
            assert row not in alike or alike[row] == similarity
    assert (np.diff(found.similarities, axis=1) <= 0).all()


def test_a_row_is_not_its_own_neighbour_but_its_copies_are():
    vectors = np.concatenate([clustered(0, 2000), clustered(0, 2000)])
    rows = np.arange(4000)
    found = neighbours.Index(vectors).nearest(vectors, 5, own=rows)
    assert (found.rows != rows[:, None]).all()
    np.testing.assert_array_equal(found.rows[:, 0], (rows + 2000) % 4000)


def test_an_index_that_is_kept_is_updated_and_not_built_anew(tmp_path, monkeypatch):
    vectors = clustered(0, 4000)
    first = neighbours.Index(vectors, tmp_path)
    assert (first.added, first.removed) == (4000, 0)
    monkeypatch.setattr(index, "_trained", None)  # nothing is built anew
    again = neighbours.Index(vectors, tmp_path)
    assert (again.added, again.removed) == (0, 0)
    changed = np.concatenate([vectors[100:2000], clustered(5, 300), vectors[2000:], vectors[:5]])
    updated = neighbours.Index(changed, tmp_path)
    assert (updated.added, updated.removed) == (300, 95)
    queries = clustered(1, 100)
    found = updated.nearest(queries, 10)
    assert recall(found, changed, queries) > 0.97
    reopened = neighbours.Index(changed, tmp_path)
    assert (reopened.added, reopened.removed) == (0, 0)
    np.testing.assert_array_equal(reopened.nearest(queries, 10).rows, found.rows)


def test_an_index_that_is_damaged_or_of_other_vectors_is_built_anew(tmp_path):
    vectors = clustered(0, 3000)
    neighbours.Index(vectors, tmp_path)
    whole = (tmp_path / "index.faiss").read_bytes()
    (tmp_path / "index.faiss").write_bytes(whole[: len(whole) // 2])
    for each in (vectors, clustered(7, 3000), clustered(8, 3000, features=16)):
        made = neighbours.Index(each, tmp_path)
        assert made.added == 3000
        queries = clustered(1, 50, features=each.shape[1])
        assert recall(made.nearest(queries, 5), each, queries) > 0.95


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_few_vectors_have_all_neighbours(rows):
    vectors = clustered(0, rows)
    found = neighbours.Index(vectors).nearest(vectors, 40, own=np.arange(rows))
    expected = neighbours.nearest(vectors, vectors, 40, own=np.arange(rows))
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_a_large_graph_and_many_queries_are_those_of_an_index(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "EXACT", 1e6)
    vectors = clustered(0, 3000)
    found = kept.near(tmp_path / "x.parquet", vectors, vectors, 5, own=np.arange(3000))
    assert found.recall >= 0.99
    assert (tmp_path / ".x.parquet.kept" / "index.faiss").exists()
    few = kept.near(tmp_path / "x.parquet", vectors, vectors[:3], 5)
    assert few.recall is None
