import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barlow.evaluation import alpha_req, lidar, rank_me

pytestmark = pytest.mark.once


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


def lidar_of_the_paper(features, delta):
    """Step by step as Thilak et al. define it, over images and views."""
    images, views, count = features.shape
    mean = features.mean(axis=(0, 1))
    between, within = np.zeros((count, count)), np.zeros((count, count))
    for image in features:
        of_image = image.mean(axis=0)
        between += np.outer(of_image - mean, of_image - mean) / images
        for view in image:
            within += np.outer(view - of_image, view - of_image) / (images * views)
    within += delta * np.eye(count)
    values, directions = np.linalg.eigh(within)
    root = directions @ np.diag(values**-0.5) @ directions.T
    found = np.linalg.eigvalsh(root @ between @ root)
    parts = found[found > 1e-12 * found.max()] / found.sum()
    return np.exp(-np.sum(parts * np.log(parts)))


@pytest.mark.parametrize(("images", "features"), [(40, 6), (5, 9)])
@pytest.mark.parametrize("delta", [1e-4, 0.5])
def test_lidar_is_the_effective_rank_of_discriminant_analysis(images, features, delta):
    random = np.random.default_rng(0)
    means = random.normal(size=(images, 1, features)) * np.arange(1, features + 1)
    views = means + random.normal(size=(images, 4, features)) @ random.normal(size=2 * (features,))
    assert lidar(views, delta) == pytest.approx(lidar_of_the_paper(views, delta), rel=1e-9)


@given(count=st.integers(1, 8), seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_lidar_counts_the_directions_that_tell_images_apart_alike_whatever_their_scale(
    count, seed, scale
):
    """As many as the images lie in; along the others only views differ, which `rank_me` counts."""
    random = np.random.default_rng(seed)
    means = np.zeros((64, 8))
    centred = random.normal(size=(64, count))
    means[:, :count] = np.linalg.qr(centred - centred.mean(axis=0))[0]
    noise = orthonormal(8, 8, seed + 1)
    views = means[:, None] + 0.01 * np.concatenate([noise, -noise])
    features = scale * views @ orthonormal(8, 8, seed)
    assert lidar(features, 1e-12) == pytest.approx(count, rel=1e-6)
    assert rank_me(features.reshape(-1, 8)) > count or count == 8


def test_lidar_is_zero_where_all_images_are_the_same():
    views = np.random.default_rng(0).integers(0, 9, (1, 4, 3))  # whose mean is exact
    assert lidar(np.repeat(views, 6, axis=0)) == 0


@pytest.mark.parametrize(
    "features",
    [np.zeros((5, 4)), np.zeros((1, 5, 4)), np.zeros((5, 1, 4)), np.full((3, 3, 2), np.inf)],
)
def test_lidar_refuses_what_has_no_views(features):
    with pytest.raises(ValueError, match="at least two images and two views"):
        lidar(features)
