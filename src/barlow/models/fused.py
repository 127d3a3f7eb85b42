"""Batch normalisation in training as one operation of the backend.

Keras composes it of a dozen operations, and each reads or writes the whole output of a layer.
TensorFlow and PyTorch have one operation for it and one for its gradient; docs/decisions has what
they save. JAX has none: there the compiler fuses.

On several replicas it takes the statistics of the global batch.

The network keeps Keras' own layers, and is saved and loaded as any other. A second graph over the
same layers and weights is what trains.
"""

from collections.abc import Callable
from typing import Any, Protocol

import keras
from keras import layers, ops

from barlow import backend
from barlow.backend import Tensor
from barlow.kernel import widen


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


def local_layers(network: keras.Model) -> list[str]:
    """Names of layers of batch normalisation that take each replica's own statistics in training.

    Args:
        network: Functional or sequential model, built.
    """
    if not backend.fuses_batch_normalization():  # as with JAX, where a batch is on all devices
        return []
    together = {id(layer) for layer in _replaced(network)}
    return [
        layer.name
        for layer in network._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
        and layer.trainable
        and not layer.synchronized
        and not (id(layer) in together and _over_last_axis(layer, layer.input_spec.ndim))
    ]


def _replaced(layer: Any) -> list[Any]:
    """The layers of which :func:`_twin` makes others."""
    if _can_fuse(layer):
        return [layer]
    return [each for inner in layer.layers for each in _replaced(inner)] if _is_plain(layer) else []


def _over_last_axis(layer: Any, rank: int) -> bool:
    return layer.axis in (-1, rank - 1)


def _twin(layer: Any) -> Any:
    """The layer; if it is or contains batch normalisation, another one that does the same."""
    if _can_fuse(layer):
        return _Fused(layer)
    if _replaced(layer):
        compiled, layer.compiled = layer.compiled, False  # how it was, plays no part here
        try:
            return keras.models.clone_model(layer, clone_function=_twin)
        finally:
            layer.compiled = compiled
    return layer


def _is_plain(layer: Any) -> bool:
    """Whether it is of Keras' own classes of models, which only apply their layers."""
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras.")


def _can_fuse(layer: Any) -> bool:
    return (
        backend.fuses_batch_normalization()
        and type(layer) is layers.BatchNormalization
        and layer.activity_regularizer is None
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
        last = _over_last_axis(layer, rank)
        together = backend.replica_count() > 1 and not backend.is_apart()
        fuses = together or layer.dtype_policy.variable_dtype == "float32"
        if not (training and layer.trainable and last and fuses) or mask is not None:
            return layer(inputs, training=training, mask=mask)
        normalize = _of_replicas if together else backend.batch_normalization
        x = widen(inputs)  # as Keras does: 16 bits would overflow
        channels = x.shape[-1]
        outputs, mean, variance = normalize(
            x if rank == 4 else ops.reshape(x, (ops.shape(x)[0], -1, 1, channels)),
            ops.convert_to_tensor(layer.gamma) if layer.scale else ops.ones(channels, x.dtype),
            ops.convert_to_tensor(layer.beta) if layer.center else ops.zeros(channels, x.dtype),
            layer.epsilon,
        )
        for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(layer.momentum * moving + (1 - layer.momentum) * value)
        return ops.cast(ops.reshape(outputs, ops.shape(x)), layer.compute_dtype)


def _of_replicas(
    x: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``backend.batch_normalization`` with the statistics of the global batch.

    The replicas wait for one another twice, and once for the gradient.
    """
    axes, detached = (0, 1, 2), ops.stop_gradient(x)
    own = ops.cast(ops.size(x) // x.shape[-1], x.dtype)
    sums = ops.concatenate([ops.sum(detached, axis=axes), ops.reshape(own, (1,))])
    sums = backend.total(sums)
    count = sums[-1]
    mean = sums[:-1] / count
    variance = backend.total(ops.sum(ops.square(detached - mean), axis=axes)) / count
    inverse_std = ops.rsqrt(variance + epsilon)

    @backend.custom_gradient
    def normalize(
        x: Tensor, scale: Tensor, offset: Tensor
    ) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
        normalized = (x - mean) * inverse_std

        def pull_back(u: Tensor) -> tuple[Tensor, ...]:
            # Sums over the replica's own samples: those of the weights are summed with all others.
            d_scale, d_offset = ops.sum(u * normalized, axis=axes), ops.sum(u, axis=axes)
            along, shift = ops.split(backend.total(ops.concatenate([d_scale, d_offset])), 2)
            dx = scale * inverse_std * (u - shift / count - normalized * (along / count))
            return dx, d_scale, d_offset

        return normalized * scale + offset, pull_back

    return normalize(x, scale, offset), mean, variance
