"""Statistics of batch normalisation, measured anew."""

import keras
import numpy as np
from keras import layers, ops

import barlow
from barlow import models
from barlow.views import ImageViews, Recipe

RANDOM = np.random.default_rng(0)
EPSILON = 1e-3  # of Keras' layers


def matrix(inputs, units):
    return layers.Dense(units, use_bias=False)(inputs)


def rows_model():
    """Rows to rows, with a layer of batch normalisation in the encoder and one in the projector."""
    keras.utils.set_random_seed(0)
    inputs, features = keras.Input((5,)), keras.Input((4,))
    within = keras.Sequential([layers.BatchNormalization(momentum=0.9)])
    encoder = keras.Model(inputs, layers.ReLU()(within(matrix(inputs, 4))))
    projector = keras.Model(features, matrix(layers.BatchNormalization()(features), 3))
    return barlow.BarlowTwins(encoder, projector)


def normalized(x):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + EPSILON)


def test_they_are_mean_and_variance_over_all_views_as_batches_in_training_normalise_them():
    model = rows_model()
    batches = [
        tuple(RANDOM.normal(mean, 2, (16, 5)).astype("float32") for mean in (batch, 3 * batch))
        for batch in range(3)
    ]
    before = [ops.convert_to_numpy(weight) for weight in model.trainable_variables]
    models.renew_statistics(model, batches)
    for weight, start in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), start)

    kernel = before[0].astype("float64")
    first = [view @ kernel for batch in batches for view in batch]
    second = [np.maximum(normalized(x), 0) for x in first]
    inputs_of_layers = np.concatenate(first), np.concatenate(second)
    for layer, inputs in zip(models.normalizations(model), inputs_of_layers, strict=True):
        for found, expected in (
            (layer.moving_mean, inputs.mean(0)),
            (layer.moving_variance, inputs.var(0)),
        ):
            np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-5, atol=1e-5)
    assert [layer.momentum for layer in models.normalizations(model)] == [0.9, 0.99]


def images_model():
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.GlobalAveragePooling2D(),
        ]
    )
    # Noise is soon compiled.
    return barlow.BarlowTwins(encoder, (8, 8), ImageViews(Recipe(noise=0.05), seed=3))


def test_nothing_else_of_a_model_changes_and_a_frozen_layer_keeps_its_statistics():
    images = RANDOM.integers(0, 256, (2, 32, 8, 8, 1)).astype("uint8")
    model = images_model()
    measured = models.normalizations(model)
    assert len(measured) == 2
    before = [ops.convert_to_numpy(variable) for variable in model.variables]
    before = [np.copy(value) for value in before]  # PyTorch assigns in place

    def changed():
        return {
            variable.path.rpartition("/")[2]
            for variable, value in zip(model.variables, before, strict=True)
            if (ops.convert_to_numpy(variable) != value).any()
        }

    model.encoder.trainable = model.projector.trainable = False
    assert models.normalizations(model) == []
    models.renew_statistics(model, images)
    assert changed() == set()
    model.encoder.trainable = model.projector.trainable = True
    models.renew_statistics(model, images)
    assert changed() == {"moving_mean", "moving_variance"}
    once = model.get_weights()
    models.renew_statistics(model, images)
    for found, expected in zip(model.get_weights(), once, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)  # the same views
