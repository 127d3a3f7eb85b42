"""Statistics of batch normalisation that belong to the weights as they are.

In training a layer keeps moving averages of the mean and the variance of its inputs. They come from
the weights of the last steps and do not fit weights that are set afterwards, such as averages over
the steps. For those they are measured anew (Izmailov et al., 2018, "Averaging weights leads to
wider optima", section 3.2).
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from barlow import backend
from barlow.backend import Tensor


def normalizations(model: Any) -> list[layers.BatchNormalization]:
    """The layers of encoder and projector of a ``BarlowTwins`` that keep statistics in training."""
    return [
        layer
        for layer in (*model.encoder._flatten_layers(), *model.projector._flatten_layers())
        if isinstance(layer, layers.BatchNormalization)
        and layer.trainable
        and layer.momentum < 1
        and not layer.renorm  # which normalises by its moving averages in training, too
    ]


def renew_statistics(model: Any, batches: Iterable[Any]) -> None:
    """Set the statistics of batch normalisation to those of the weights as they are.

    A layer gets the mean and the variance of its inputs over all views of all batches, where the
    layers before it normalise each batch by itself, as in training. Nothing else of the model
    changes, nor do the states of its random seeds. Layers with ``renorm`` and frozen ones keep what
    they have. Every device computes all of it, so the result does not depend on their number.

    Args:
        model: A ``BarlowTwins``, built.
        batches: Inputs for its views, all of one size, at least one batch.

    Example:
        >>> from barlow import models
        >>> images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1))
        >>> model = barlow.BarlowTwins(
        ...     models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> models.renew_statistics(model, [images[:32], images[32:]])
    """
    measured, variables = normalizations(model), model.variables

    def measure(values: list[Tensor], inputs: Any) -> tuple[list[Any], list[Tensor]]:
        """Means and variances of each view, and the values of the variables after it."""
        with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
            found = []
            for view in inputs if model.views is None else model.views(inputs, training=False):
                model.projector(model.encoder(view, training=True), training=True)
                found.append([(x.moving_mean.value, x.moving_variance.value) for x in measured])
            return found, [scope.get_current_value(variable) for variable in variables]

    # Copies on this device: with JAX the variables may lie on many.
    values = [ops.convert_to_tensor(ops.convert_to_numpy(variable)) for variable in variables]
    views, measure = [], backend.jit(measure)
    with _keeping_the_last(measured):
        for inputs in batches:
            found, values = measure(values, inputs)
            views += keras.tree.map_structure(ops.convert_to_numpy, found)
    for layer, of_views in zip(measured, zip(*views, strict=True), strict=True):
        means, variances = (np.array(each, "float64") for each in zip(*of_views, strict=True))
        layer.moving_mean.assign(means.mean(axis=0))
        layer.moving_variance.assign(variances.mean(axis=0) + means.var(axis=0))


@contextlib.contextmanager
def _keeping_the_last(measured: list[layers.BatchNormalization]) -> Iterator[None]:
    """In the block the moving averages of the layers are the statistics of the last batch."""
    momentums = [layer.momentum for layer in measured]
    try:
        for layer in measured:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(measured, momentums, strict=True):
            layer.momentum = momentum
