import keras
import numpy as np
import pytest

from barlow.losses import Barlow, cross_correlation, levels, terms


@pytest.fixture
def draw():
    """Batches of embeddings with independent features, standard normal."""
    rng = np.random.default_rng(0)
    return lambda: rng.normal(size=(16, 24)).astype("float32")


def test_the_terms_are_those_of_the_paper_and_add_up_to_the_loss(draw):
    za, zb = draw(), draw()
    a, b = ((z - z.mean(0)) / z.std(0) for z in (za, zb))
    c = a.T @ b / 16
    invariance, redundancy, *_, start, floor = terms(za, zb, lambda_=0.1)
    assert (start, floor) == levels(16, 24, 0.1)
    assert float(invariance) == pytest.approx(((1 - np.diag(c)) ** 2).sum(), rel=1e-4)
    off_diagonal = c[~np.eye(24, dtype=bool)]
    assert float(redundancy) == pytest.approx(0.1 * (off_diagonal**2).sum(), rel=1e-4)
    assert float(invariance + redundancy) == pytest.approx(
        float(Barlow(lambda_=0.1)(za, zb)), rel=1e-5
    )


def test_the_cross_correlation_is_that_of_numpy(draw):
    za, zb = draw(), draw()
    zb += za
    expected = np.corrcoef(za, zb, rowvar=False)[:24, 24:]
    found = keras.ops.convert_to_numpy(cross_correlation(za, zb))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_levels_are_the_mean_losses_of_unrelated_and_of_perfect_embeddings(draw):
    start, floor = levels(batch=16, features=24, lambda_=0.1)
    loss = Barlow(lambda_=0.1)
    unrelated = [float(loss(draw(), draw())) for _ in range(200)]
    perfect = [float(loss(z, z)) for z in (draw() for _ in range(200))]
    for level, found in ((start, unrelated), (floor, perfect)):
        assert abs(np.mean(found) - level) < 4 * np.std(found) / np.sqrt(200)


def test_levels_of_the_sizes_that_people_ask_about():
    # 2142 was measured; 82 and 167 are lambda D (D - 1) / N, with N in place of N - 1.
    assert levels(256, 2048).start == pytest.approx(2142, rel=0.005)
    assert levels(256, 2048).floor == pytest.approx(82, rel=0.01)
    assert levels(2048, 8192, lambda_=0.0051).floor == pytest.approx(167, rel=0.005)


@pytest.mark.parametrize(("batch", "features"), [(1, 8), (8, 0)])
def test_levels_need_two_samples_and_a_feature(batch, features):
    with pytest.raises(ValueError, match=f"batch={batch}, features={features}"):
        levels(batch, features)


def test_effective_features_count_the_independent_ones():
    rng = np.random.default_rng(0)
    independent = rng.normal(size=(512, 8)).astype("float32")
    copies = np.repeat(independent[:, :2], 4, axis=1)
    for z, expected in ((independent, 8), (copies, 2), (copies[:, :4], 1)):
        assert float(terms(z, z).effective_features) == pytest.approx(expected, rel=0.02)


def test_terms_refuse_what_the_loss_refuses():
    z = np.ones((8, 4), "float32")
    for arguments in ((z, z[:, :1]), (z, z[:1]), (z[0], z[0])):
        with pytest.raises(ValueError, match="mbeddings"):
            terms(*arguments)
    with pytest.raises(ValueError, match="negative"):
        terms(z, z, lambda_=-1.0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about graphs of TensorFlow")
def test_in_a_graph_the_batch_of_a_cross_correlation_need_not_be_known(draw):
    import tensorflow as tf

    za, zb = draw(), draw()
    signature = [tf.TensorSpec((None, 24))] * 2
    found = tf.function(cross_correlation, input_signature=signature)(za, zb)
    np.testing.assert_allclose(found, cross_correlation(za, zb), atol=1e-6)
    with pytest.raises(ValueError, match="number of samples, which must be known"):
        tf.function(terms, input_signature=signature)(za, zb)


def test_a_cross_correlation_is_of_matrices(draw):
    with pytest.raises(ValueError, match=r"\[samples, features\]. Received: shape \(2, 16, 24\)"):
        cross_correlation(np.stack([draw(), draw()]), np.stack([draw(), draw()]))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 only when asked")
def test_a_cross_correlation_of_float64_stays_one():
    za, zb = np.random.default_rng(0).normal(size=(2, 50, 6))
    found = keras.ops.convert_to_numpy(
        cross_correlation(
            keras.ops.convert_to_tensor(za, "float64"), keras.ops.convert_to_tensor(zb, "float64")
        )
    )
    np.testing.assert_allclose(found, np.corrcoef(za.T, zb.T)[:6, 6:], atol=1e-14)
