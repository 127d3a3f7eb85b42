"""Encoders for other programs: layers of Keras alone, computing in float32."""

import copy

import keras
import numpy as np

from barlow.models.vision_transformer import PositionEncoding


def as_float32(encoder: keras.Model) -> keras.Model:
    """The encoder, computing in float32: what runs it elsewhere may have no other numbers.

    Args:
        encoder: Model from images. It stays as it is; of another one a copy is returned.
    """
    if not _others(encoder):
        return encoder
    encoder = copy.deepcopy(encoder)
    for layer in _others(encoder):
        layer.dtype_policy = "float32"
    return encoder


def _others(encoder: keras.Model) -> list[keras.layers.Layer]:
    """The layers that compute in other numbers than float32."""
    every = encoder._flatten_layers()  # Keras has no public list of all
    return [layer for layer in every if layer.dtype_policy.compute_dtype != "float32"]


def without_barlow(encoder: keras.Model) -> keras.Model:
    """The encoder with layers of Keras in place of those of barlow, and the same weights.

    Args:
        encoder: Model from images.
    """
    if not any(isinstance(layer, PositionEncoding) for layer in encoder.layers):
        return encoder
    plain = keras.models.clone_model(encoder, clone_function=_plain)
    for layer, original in zip(plain.layers, encoder.layers, strict=True):
        if not isinstance(original, PositionEncoding):
            layer.set_weights(original.get_weights())
            continue
        # x - mean / sqrt(variance), with the mean -encoding and the variance 1
        zeros = np.zeros(layer.mean.shape, "float32")
        encoding = keras.ops.convert_to_numpy(original(zeros))[0]
        layer.set_weights([-encoding, np.ones_like(encoding), np.int32(1)])
        layer.finalize_state()
    return plain


def _plain(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, PositionEncoding):
        return keras.layers.Normalization(axis=(1, 2, 3), name=layer.name)
    return layer.__class__.from_config(layer.get_config())
