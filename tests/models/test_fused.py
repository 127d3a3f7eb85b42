import keras
import numpy as np
import pytest
from differentiation import differentiate
from keras import layers, ops

import barlow
from barlow.models.fused import fused

RANDOM = np.random.default_rng(0)
SHAPES = [(6, 5, 3), (5, 3), (3,), (2, 4, 5, 3)]  # images, signals, rows, volumes


class Block(layers.Layer):
    """A user's layer that contains batch normalisation."""

    def __init__(self, **options):
        super().__init__(**options)
        self.normalization = layers.BatchNormalization()

    def call(self, inputs, training=None):
        return 2 * self.normalization(inputs, training=training)


class Doubling(type(keras.Model(*[keras.Input(())] * 2))):
    """A user's model that does more than apply its layers."""

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


class Doubled(layers.BatchNormalization):
    """A user's layer."""

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs, training=training, mask=mask)


def make_network(shape, normalization, dtype="float32"):
    """Two layers of batch normalisation, one in a nested model, with nontrivial weights."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape, dtype="float32")
    within = keras.Sequential([layers.Dense(4, dtype=dtype), normalization(dtype=dtype)])
    x = layers.Activation("tanh", dtype=dtype)(within(normalization(dtype=dtype)(inputs)))
    network = keras.Model(inputs, layers.Flatten(dtype=dtype)(x))
    random = np.random.default_rng(1)
    network.set_weights([random.uniform(0.5, 2, w.shape) for w in network.get_weights()])
    return network


def results(apply, network, x):
    """Sum of squares after a training step, its gradients, the outputs, weights and states."""
    weights = network.trainable_variables

    def total(x, *values):
        with keras.StatelessScope(state_mapping=list(zip(weights, values, strict=True))):
            return ops.sum(ops.square(ops.cast(apply(x, training=True), "float32")))

    value, gradients = differentiate(total, x, *[ops.convert_to_numpy(w.value) for w in weights])
    outputs = ops.convert_to_numpy(ops.cast(apply(x, training=True), "float32"))
    return [value, *gradients, outputs, *network.get_weights()]


def assert_same(found, expected, tolerance=2e-4):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max()))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "options",
    [{}, {"momentum": 0.5, "epsilon": 0.1}, {"scale": False}, {"center": False}],
    ids=str,
)
def test_it_computes_the_same_as_keras_layers(shape, options):
    x = RANDOM.normal(3, 2, (8, *shape)).astype("float32")
    mine, keras_own = (
        make_network(shape, lambda **more: layers.BatchNormalization(**options, **more))
        for _ in range(2)
    )
    assert_same(results(fused(mine), mine, x), results(keras_own, keras_own, x))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_the_same_as_keras_layers_in_mixed_precision(dtype):
    x = RANDOM.normal(3, 2, (8, 6, 5, 3)).astype("float32")
    mine, keras_own = (make_network((6, 5, 3), layers.BatchNormalization, dtype) for _ in range(2))
    tolerance = 0.05 if dtype == "mixed_bfloat16" else 0.01
    assert_same(results(fused(mine), mine, x), results(keras_own, keras_own, x), tolerance)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: setattr(network, "trainable", False),
        lambda network: setattr(network.layers[1], "trainable", False),
    ],
    ids=["whole network", "a layer"],
)
def test_frozen_layers_keep_their_statistics(change):
    x = RANDOM.normal(3, 2, (8, 6, 5, 3)).astype("float32")
    mine, keras_own = (make_network((6, 5, 3), layers.BatchNormalization) for _ in range(2))
    mine_fused = fused(mine)
    for network in (mine, keras_own):
        change(network)  # also after the function was made
    assert_same(
        [ops.convert_to_numpy(mine_fused(x, training=True)), *mine.get_weights()],
        [ops.convert_to_numpy(keras_own(x, training=True)), *keras_own.get_weights()],
    )


@pytest.mark.parametrize("layer", [Doubled, Block])
def test_a_user_s_layer_is_left_as_it_is(layer):
    x = RANDOM.normal(3, 2, (8, 6, 5, 3)).astype("float32")
    mine, keras_own = (make_network((6, 5, 3), layer) for _ in range(2))
    assert_same(results(fused(mine), mine, x), results(keras_own, keras_own, x))


def test_what_batch_normalisation_adds_to_the_loss_is_added():
    def penalised(**options):
        return layers.BatchNormalization(activity_regularizer=keras.regularizers.L2(0.1), **options)

    x = RANDOM.normal(3, 2, (8, 6, 5, 3)).astype("float32")
    mine, keras_own = (make_network((6, 5, 3), penalised) for _ in range(2))
    fused(mine)(x, training=True)
    keras_own(x, training=True)
    added, expected = (
        [float(ops.stop_gradient(each)) for each in network.losses] for network in (mine, keras_own)
    )
    assert len(added) == 2
    np.testing.assert_allclose(added, expected, rtol=1e-5)


@pytest.mark.parametrize("within", [False, True])
def test_a_user_s_model_is_left_as_it_is(within):
    x = RANDOM.normal(3, 2, (8, 3)).astype("float32")

    def make():
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        outputs = ops.exp(layers.BatchNormalization()(layers.Dense(4)(inputs)))
        model = Doubling(inputs, outputs)
        return keras.Sequential([inputs, model, layers.BatchNormalization()]) if within else model

    mine, keras_own = make(), make()
    assert_same(results(fused(mine), mine, x), results(keras_own, keras_own, x))


def test_channels_that_come_first_are_normalised_as_such():
    x = RANDOM.normal(3, 2, (8, 6, 5, 3)).astype("float32")

    def make():
        keras.utils.set_random_seed(0)
        return keras.Sequential([keras.Input((6, 5, 3)), layers.BatchNormalization(axis=1)])

    mine, keras_own = make(), make()
    assert_same(results(fused(mine), mine, x), results(keras_own, keras_own, x))


def test_a_single_value_has_no_variance():
    network = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(momentum=0.5)])
    outputs = fused(network)(np.array([[1.0, 2.0, 3.0]], "float32"), training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(outputs), np.zeros((1, 3)), atol=1e-5)
    mean, variance = network.get_weights()[2:]
    np.testing.assert_allclose(mean, [0.5, 1.0, 1.5], rtol=1e-6)
    np.testing.assert_allclose(variance, [0.5, 0.5, 0.5], rtol=1e-6)


def test_an_encoder_that_was_trained_is_saved_as_keras_own_layers(tmp_path):
    images = RANDOM.integers(0, 256, (16, 16, 16, 1)).astype("float32")
    encoder = barlow.models.encoder("conv", (16, 16, 1))
    model = barlow.BarlowTwins(encoder, (8, 8), barlow.views.ImageViews("glyphs"))
    model.compile("sgd")
    before = [np.copy(weight) for weight in encoder.get_weights()]
    model.fit(images, batch_size=8, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, encoder.get_weights(), strict=True)]
    assert all(changed)
    assert len(model.layers) == 3  # encoder, projector and views: nothing is tracked twice
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.models.load_model(tmp_path / "encoder.keras")
    assert "barlow" not in str(loaded.get_config())
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), encoder.predict(images, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_how_an_encoder_was_compiled_plays_no_part():
    network = make_network((3,), layers.BatchNormalization)
    network.compile("adam", loss=lambda y_true, y_pred: y_pred)  # which Keras cannot write down
    model = barlow.BarlowTwins(network, (4, 4))
    model.compile("adamw")
    assert network.compiled
    x = RANDOM.normal(size=(8, 3)).astype("float32")
    assert np.isfinite(model.fit((x, x), verbose=0).history["loss"][0])
