"""Encoders of the rows of a table."""

import dataclasses

import keras
import numpy as np
import pytest
from tiny import ROWS

import barlow
from barlow.estimator import BarlowTransformer


@pytest.mark.once
def test_scale_and_offset_of_a_column_change_nothing_of_the_vectors_of_rows():
    rows = np.random.default_rng(0).normal(size=(64, 5))
    rows[:, 4] = 7.3  # constant
    others = rows * [1e-3, 1, 40, 1e6, 1] + [0, -2, 300, 1e6, 0]
    one, other = (BarlowTransformer(settings=ROWS).fit(x).transform(x) for x in (rows, others))
    np.testing.assert_allclose(one, other, atol=2e-3 * np.abs(one).max())
    assert one.shape == (64, 128)
    assert one.std(axis=0).min() > 0


@pytest.mark.once
def test_rows_are_learned_with_an_average_of_the_weights_or_in_half_precision():
    rows = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")  # a step per epoch

    def learned(**settings):
        settings = barlow.Settings(projector=(8, 8), learning_rate=1e-2, **settings)
        encoder = BarlowTransformer(settings=settings).fit(rows).encoder_
        assert {layer.compute_dtype for layer in encoder.layers[1:]} == {"float32"}
        _, normalization, dense, batch_normalization, *_ = encoder.layers
        inputs = keras.ops.convert_to_numpy(dense(normalization(rows)))
        variance = keras.ops.convert_to_numpy(batch_normalization.moving_variance)
        return keras.ops.convert_to_numpy(dense.kernel), inputs.var(axis=0), variance

    (first, *_), (last, *_) = learned(epochs=1), learned(epochs=4)
    moved = np.abs(last - first).max()
    # The average begins with the weights after the first step, and soon leaves them.
    average, expected, variance = learned(epochs=4, ema=0.999999)
    assert 0 < np.abs(average - last).max() < 0.5 * np.abs(average - first).max()
    # Views have values of other rows; the deviation of a variance of 128 rows is 0.13 of it.
    np.testing.assert_allclose(variance, expected, rtol=0.7)
    half, *_ = learned(epochs=4, dtype_policy="mixed_bfloat16")
    assert 0 < np.abs(half - last).mean() < 0.2 * moved


@pytest.mark.once
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_does_not_see_a_column_in_another_way(policy):
    rows = np.random.default_rng(0).normal(size=(64, 5))
    others = rows * [1, 300, 20, 1, 1] + [0, 0, 1985, 0, 0]  # amounts, and years
    settings = dataclasses.replace(ROWS, dtype_policy=policy)
    one, other = (BarlowTransformer(settings=settings).fit(x).transform(x) for x in (rows, others))
    np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max())
