"""Batch normalisation in training as one operation of the backend.

Keras composes it of a dozen, each of which reads or writes all that a layer gives. TensorFlow and
PyTorch have one operation for it and one for its gradient, which saves a tenth and more of the step
of a small network. JAX has none: there the compiler fuses what it can.

A network stays what it is, of Keras' own layers, and is saved and loaded as any other. What trains
is a second graph over the same layers and weights.
"""

from typing import Any, Protocol

import keras
from keras import layers, ops

from barlow import backend


class Apply(Protocol):
    """What applies a network to inputs."""

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Features of inputs."""
        ...


def fused(network: keras.Model) -> Apply:
    """What applies a network as it is, but with fused batch normalisation in training.

    Args:
        network: Functional or sequential model. Layers in it may be such models, too.

    Returns:
        A function that computes with the layers, weights and states of the network. Keras does not
        track it: it may be an attribute of a model that has the network too.
    """
    return _twin(network).__call__


def _twin(layer: Any) -> Any:
    """The layer, or where it is or has batch normalisation another that does the same."""
    if _can_fuse(layer):
        return _Fused(layer)
    if _is_plain(layer) and _has_some(layer):
        return keras.models.clone_model(layer, clone_function=_twin)
    return layer


def _has_some(model: Any) -> bool:
    return any(
        _can_fuse(layer) or (_is_plain(layer) and _has_some(layer)) for layer in model.layers
    )


def _is_plain(layer: Any) -> bool:
    """Whether it is a model of Keras' own kinds, which are no more than their layers."""
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras.")


def _can_fuse(layer: Any) -> bool:
    return (
        backend.fuses_batch_normalization()
        and type(layer) is layers.BatchNormalization
        and layer.dtype_policy.variable_dtype == "float32"
        and not (layer.renorm or layer.synchronized)
    )


class _Fused(layers.Layer):
    """A layer of batch normalisation, in one operation where it takes its batch's statistics."""

    def __init__(self, layer: layers.BatchNormalization):
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.supports_masking = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        layer, rank = self.layer, len(inputs.shape)
        last = layer.axis in (-1, rank - 1)
        if not (training and layer.trainable and last) or mask is not None:
            return layer(inputs, training=training, mask=mask)
        x = ops.cast(inputs, "float32")  # as Keras does, for what overflows in 16 bits
        channels = x.shape[-1]
        outputs, mean, variance = backend.batch_normalization(
            x if rank == 4 else ops.reshape(x, (ops.shape(x)[0], -1, 1, channels)),
            ops.convert_to_tensor(layer.gamma) if layer.scale else ops.ones(channels),
            ops.convert_to_tensor(layer.beta) if layer.center else ops.zeros(channels),
            layer.epsilon,
        )
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(layer.momentum * moving + (1 - layer.momentum) * value)
        return ops.cast(ops.reshape(outputs, ops.shape(x)), layer.compute_dtype)
