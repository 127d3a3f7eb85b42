"""Trainings that start from the weights of a file."""

import hashlib

import keras
import numpy as np
import pytest
import small
from tiny import ROWS, TINY

import barlow
from barlow import data, runs
from barlow.estimator import BarlowTransformer

HOW = {"epochs": 1, "batch_size": 32, "encoder": "small:network", "projector": (8, 8)}


@pytest.fixture
def images():
    return data.digits().pixels[:64]


@pytest.fixture
def start(tmp_path):
    """A file of weights, and the network that has them."""
    network = small.network((8, 8, 1))
    network.save_weights(tmp_path / "start.weights.h5")
    return tmp_path / "start.weights.h5", network


class First(keras.callbacks.Callback):
    """Keeps the weights of the encoder before the first step."""

    def on_train_begin(self, logs=None):
        self.weights = self.model.encoder.get_weights()


@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.once)]
)
def test_a_run_starts_from_weights_and_says_which(policy, images, start, tmp_path):
    path, network = start
    settings = barlow.Settings(**HOW, weights=str(path), dtype_policy=policy)
    first = First()
    run = barlow.pretrain(images, tmp_path / "run", settings, [first])
    for found, expected in zip(first.weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    config = runs.read_config(run)
    assert config["weights"] == str(path)
    assert config["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    moved = runs.load_encoder(run).get_weights()
    assert any(np.abs(a - b).max() > 0 for a, b in zip(moved, first.weights, strict=True))


@pytest.mark.once
def test_a_run_is_resumed_with_the_weights_that_it_began_with(images, start, tmp_path):
    path, _ = start
    settings = barlow.Settings(**HOW, weights=str(path))
    run = barlow.pretrain(images, tmp_path / "run", settings)
    barlow.pretrain(images, run, settings, resume=True)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(ValueError, match=r"weights_sha256 is .* in the run and .* now"):
        barlow.pretrain(images, run, settings, resume=True)
    with pytest.raises(ValueError, match=r"weights is .* in the run and None now"):
        barlow.pretrain(images, run, barlow.Settings(**HOW), resume=True)


@pytest.mark.once
def test_weights_and_another_run_at_once_are_refused_before_images_are_read(start, tmp_path):
    settings = barlow.Settings(**HOW, weights=str(start[0]))
    with pytest.raises(ValueError, match="Received: both"):
        barlow.pretrain(tmp_path / "none", tmp_path / "run", settings, from_run=tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.once
def test_a_transformer_starts_from_weights_and_rows_of_a_table_do_not(images, start):
    transformer = BarlowTransformer(settings=TINY)
    transformer.set_params(settings__weights=str(start[0]), settings__learning_rate=1e-9)
    trained = transformer.fit(images).encoder_
    for found, expected in zip(trained.trainable_weights, start[1].trainable_weights, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected), atol=1e-6
        )
    with pytest.raises(ValueError, match=r"rows of a table.*start\.weights\.h5"):
        BarlowTransformer(settings=ROWS).set_params(settings__weights=str(start[0])).fit(
            np.zeros((4, 3))
        )
