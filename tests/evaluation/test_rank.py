import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barlow.evaluation import alpha_req, rank_me


def orthonormal(rows, columns, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(rows, columns)))[0]


def features_with(values, seed=0, rows=200):
    """Centred features of given singular values."""
    left = np.random.default_rng(seed).normal(size=(rows, len(values)))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    return left * values @ orthonormal(len(values), len(values), seed + 1).T


@given(count=st.integers(1, 20), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_the_rank_of_equal_directions_is_their_number_whatever_their_scale(count, scale, seed):
    values = np.zeros(20)
    values[:count] = scale
    assert rank_me(features_with(values, seed)) == pytest.approx(count, rel=1e-6)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=20))
def test_the_rank_is_the_exponential_of_the_entropy(values):
    parts = np.array(values) / sum(values)
    expected = np.exp(-np.sum(parts * np.log(parts)))
    assert rank_me(features_with(np.array(values))) == pytest.approx(expected, rel=1e-6)


def test_features_that_are_one_feature_have_rank_one_and_none_rank_zero():
    one = np.random.default_rng(0).normal(size=(50, 1))
    assert rank_me(one * np.arange(1, 9)) == pytest.approx(1)
    assert rank_me(np.zeros((50, 8))) == 0


@given(alpha=st.floats(0.1, 3), offset=st.floats(-10, 10))
def test_the_exponent_of_a_power_law_is_found_whatever_the_mean(alpha, offset):
    values = np.arange(1, 21) ** (-alpha / 2)  # eigenvalues are squares of singular values
    assert alpha_req(features_with(values) + offset) == pytest.approx(alpha, rel=1e-4)


def test_where_nothing_varies_there_is_no_exponent():
    assert np.isnan(alpha_req(np.ones((50, 8))))
    assert np.isnan(alpha_req(np.random.default_rng(0).normal(size=(50, 1)) * np.ones(8)))


@pytest.mark.parametrize("features", [np.zeros(5), np.zeros((0, 3)), np.array([[1.0, np.nan]])])
@pytest.mark.parametrize("measure", [rank_me, alpha_req])
def test_what_is_no_matrix_of_finite_numbers_is_refused(measure, features):
    with pytest.raises(ValueError, match="finite numbers of shape"):
        measure(features)
