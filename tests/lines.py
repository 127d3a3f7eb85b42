"""A task that is easy for pixels, and encoders with random weights that see little of it."""

import keras
import numpy as np

from barlow.data import Images


def lines(count):
    """Images of a line, upright (0) or across (1), and which it is."""
    random = np.random.default_rng(1)
    numbers = random.permutation(np.arange(count) % 2)
    pixels = random.integers(0, 80, (count, 8, 8, 1)).astype("uint8")
    for image, number in zip(pixels, numbers, strict=True):
        place = random.integers(8)
        image[(place, slice(None)) if number else (slice(None), place)] = 200
    return Images(pixels), numbers


def encoder_of(features):
    """An encoder with random weights, the same on every backend."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for _ in range(2):
        x = keras.layers.Conv2D(16, 3, activation="relu")(x)
    x = keras.layers.Dense(features)(keras.layers.GlobalAveragePooling2D()(x))
    encoder, random = keras.Model(inputs, x), np.random.default_rng(0)
    encoder.set_weights(
        [
            random.normal(0, 1 / np.sqrt(np.prod(each.shape[:-1]) or 1), each.shape)
            * (each.ndim > 1)
            for each in encoder.get_weights()
        ]
    )
    return encoder
