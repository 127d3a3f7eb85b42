"""A model on several devices: what it needs before it trains."""

import hashlib
import warnings
from typing import Any

import keras
import numpy as np

from barlow import backend
from barlow.errors import InvalidInput
from barlow.models.fused import local_layers


def check_compiled(model: keras.Model, jit_compile: Any, steps_per_execution: int) -> Any:
    """How to compile a model's step, given how it was asked for; on one device as asked.

    Raises:
        InvalidInput: If replicas that wait for one another cannot be compiled so.
    """
    if backend.device_count(model) == 1 or backend.arrays_are_global():
        return jit_compile
    if jit_compile is True:
        raise InvalidInput(
            "Several devices wait for one another in a step, which cannot be compiled as a whole "
            "with TensorFlow or PyTorch. Received: jit_compile=True. Leave it out, or take JAX."
        )
    if steps_per_execution > 1:
        raise InvalidInput(
            "Several devices wait for one another in a step, so steps are executed one by one "
            f"with TensorFlow and PyTorch. Received: steps_per_execution={steps_per_execution}. "
            "Leave it out, or take JAX."
        )
    return False


def prepare(model: Any, x: Any, first: Any, batch_size: int | None) -> None:
    """Refuse a training whose result would not be that of one device, and begin alike everywhere.

    Args:
        model: BarlowTwins.
        x: What ``fit`` takes.
        first: Some of the first inputs, ``None`` if they cannot be seen.
        batch_size: As given to ``fit``.

    Raises:
        InvalidInput: If it cannot be trained so.
    """
    count = backend.device_count(model)
    if count == 1:
        return
    if backend.is_fully_sharded(model):
        raise InvalidInput(
            "`fully_shard` has no effect on a Keras model: each process would train by itself. "
            "Leave it out: in a process group `fit` averages the gradients of all processes."
        )
    if not backend.replicas_are_processes():
        _check_divisible(x, first, batch_size, count)
    _check_different(first)
    if not backend.arrays_are_global():
        _warn_of_local_layers(model)
    backend.synchronize([*model.variables, *model.optimizer.variables])


def _warn_of_local_layers(model: Any) -> None:
    """Name what computes for each device's own samples."""
    local = [*local_layers(model.encoder), *local_layers(model.projector)]
    if local:
        warnings.warn(
            f"Batch normalisation of the layers {', '.join(local)} takes the statistics of each "
            "device's own samples, so the training is not that of one device. Take "
            "keras.layers.BatchNormalization over the last axis, without `renorm`.",
            stacklevel=4,
        )
    if model.micro_batch_size:
        warnings.warn(
            "With `micro_batch_size` batch normalisation takes the statistics of a piece, which is "
            "on one device.",
            stacklevel=4,
        )
    layers = [*model.encoder._flatten_layers(), *model.projector._flatten_layers()]
    if any(layer.trainable and getattr(layer, draws, 0) for layer in layers for draws in _DRAWS):
        warnings.warn(
            "Dropout draws on each device for its own samples, so the training is a random one of "
            "equal quality, not that of one device to the last digit.",
            stacklevel=4,
        )


_DRAWS = ("rate", "stddev", "_dropout")  # of Keras' layers that draw in training


def _check_divisible(x: Any, first: Any, batch_size: int | None, devices: int) -> None:
    """Refuse batches that cannot be divided among the devices, before Keras comes to them.

    With JAX that is all batches, with TensorFlow the first one, from which Keras builds a model.
    """
    every = backend.arrays_are_global()
    if hasattr(x, "shape"):
        size = min(batch_size or 32, len(x))  # Keras' default
        sizes = [size, len(x) % size or size] if every else [size]
    elif first is not None and not hasattr(x, "collate_fn"):  # of that it is no whole batch
        sizes = [len(keras.tree.flatten(first)[0]) * backend.process_count()]
    else:
        return
    bad = [size for size in sizes if size % devices]
    if bad:
        end = ", with no shorter batch at the end" if every else ""
        raise InvalidInput(
            f"A batch is divided evenly among {devices} devices. Received: a batch of {bad[0]}. "
            f"Take a multiple of {devices}{end}."
        )


def _check_different(first: Any) -> None:
    """Refuse processes that all train on the same inputs."""
    if first is None or backend.process_count() == 1:
        return
    digest = hashlib.sha256()
    for array in keras.tree.flatten(first):
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(array)).tobytes())
    own = np.frombuffer(digest.digest()[:8], "int64")
    others = backend.exchange(own)[:, 0]
    if len(np.unique(others)) < len(others):
        raise InvalidInput(
            f"Some of the {len(others)} processes train on the same inputs. Each takes its own "
            "part of the global batch: give `fit` barlow.data.Batches(images, batch_size, seed), "
            "which does so, or take a DistributedSampler."
        )
