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
        network: Functional or sequential model, and so are other models in it.

    Returns:
        A function that computes with the layers, weights and states of the network. Keras does not
        track it: it may be an attribute of a model that has the network too.
    """
    if not any(_can_fuse(layer) for layer in network._flatten_layers()):
        return network.__call__
    graph = keras.models.clone_model(
        network,
        clone_function=lambda layer: _Fused(layer) if _can_fuse(layer) else layer,
        recursive=True,
    )
    return graph.__call__


def _can_fuse(layer: keras.layers.Layer) -> bool:
    return (
        backend.fuses_batch_normalization()
        and type(layer) is layers.BatchNormalization  # what is derived from it may differ
        and layer.axis in (-1, len(layer.input.shape) - 1)
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
        layer = self.layer
        if not (training and layer.trainable) or mask is not None:
            return layer(inputs, training=training, mask=mask)
        x = ops.cast(inputs, "float32")  # as Keras does, for what overflows in 16 bits
        channels = x.shape[-1]
        outputs, mean, variance = backend.batch_normalization(
            x if len(x.shape) == 4 else ops.reshape(x, (ops.shape(x)[0], -1, 1, channels)),
            ops.convert_to_tensor(layer.gamma) if layer.scale else ops.ones(channels),
            ops.convert_to_tensor(layer.beta) if layer.center else ops.zeros(channels),
            layer.epsilon,
        )
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(layer.momentum * moving + (1 - layer.momentum) * value)
        return ops.cast(ops.reshape(outputs, ops.shape(x)), layer.compute_dtype)
