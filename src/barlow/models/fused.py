"""Batch normalisation in training as one operation of the backend.

Keras composes it of a dozen operations, and each reads or writes the whole output of a layer.
TensorFlow and PyTorch have one operation for it and one for its gradient; docs/decisions has what
they save. JAX has none: there the compiler fuses.

The network keeps Keras' own layers, and is saved and loaded as any other. A second graph over the
same layers and weights is what trains.
"""

from typing import Any, Protocol

import keras
from keras import layers, ops

from barlow import backend
from barlow.backend import Tensor


class Apply(Protocol):
    """A network as a function."""

    def __call__(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Outputs of the network, for inputs ``[batch, ...]``."""
        ...


def fused(network: keras.Model) -> Apply:
    """The network as a function, with fused batch normalisation in training.

    Args:
        network: Functional or sequential model, which may contain others.

    Returns:
        A function that computes with the layers, weights and states of the network. Keras does not
        track it: a model may have both the network and this function as attributes.
    """
    return _twin(network).__call__


def _twin(layer: Any) -> Any:
    """The layer; if it is or contains batch normalisation, another one that does the same."""
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
    """Whether it is of Keras' own classes of models, which only apply their layers."""
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras.")


def _can_fuse(layer: Any) -> bool:
    return (
        backend.fuses_batch_normalization()
        and type(layer) is layers.BatchNormalization
        and layer.dtype_policy.variable_dtype == "float32"
        and not (layer.renorm or layer.synchronized)
    )


class _Fused(layers.Layer):
    """Batch normalisation, in one operation where it takes the statistics of the batch."""

    def __init__(self, layer: layers.BatchNormalization):
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.supports_masking = True

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        layer, rank = self.layer, len(inputs.shape)
        last = layer.axis in (-1, rank - 1)
        if not (training and layer.trainable and last) or mask is not None:
            return layer(inputs, training=training, mask=mask)
        x = ops.cast(inputs, "float32")  # as Keras does: 16 bits would overflow
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
