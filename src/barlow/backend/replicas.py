"""Replicas of a model on several devices, each of which has its rows of one global batch.

    TensorFlow    threads of this process, under a ``tf.distribute`` strategy
    PyTorch       processes, of a group of ``torch.distributed``
    JAX           none: an array lies on many devices, and is the global batch

All replicas must call the functions here together, in the same order: they wait for one another.
None of them is differentiated: call them in the two halves of a custom gradient.
"""

import contextlib
import dataclasses
import math
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from barlow.backend.tensor import Tensor

_thread = threading.local()  # `apart`: whether it is in such a block


def replica_count() -> int:
    """Number of replicas that compute what the caller computes; 1 if it is alone."""
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415 - the other backends must not need it

        context = tf.distribute.get_replica_context()
        return 1 if context is None else context.num_replicas_in_sync
    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        group = torch.distributed
        return group.get_world_size() if group.is_available() and group.is_initialized() else 1
    return 1


def device_count(model: Any) -> int:
    """Number of devices on which a Keras model trains."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    distribution: Any = keras.distribution.distribution()
    if keras.backend.backend() == "jax" and distribution is not None:
        mesh = distribution.device_mesh
        return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]
    return replica_count()


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """In the block replicas do not wait for one another, as in a loop of each replica's own.

    A :class:`Share` then takes it that all replicas have as many rows.
    """
    before = is_apart()
    _thread.apart = True
    try:
        yield
    finally:
        _thread.apart = before


def is_apart() -> bool:
    """Whether the caller is in a block of :func:`apart`."""
    return getattr(_thread, "apart", False)


@dataclasses.dataclass(frozen=True)
class Share:
    """The rows of this replica among those of all replicas, in the order of the replicas."""

    count: int | Tensor
    """Rows of this replica."""
    first: int | Tensor
    """Number of its first row among all."""
    total: int | Tensor
    """Rows of all replicas."""
    counts: Sequence[int] | None = None
    """Rows of every replica, where that is known; with PyTorch always."""

    def own(self, x: Tensor) -> Tensor:
        """The rows of this replica, of a tensor ``[total, ...]``."""
        if self.count is self.total:
            return x
        return x[self.first : self.first + self.count]

    def gather(self, x: Tensor) -> Tensor:
        """The rows of all replicas, ``[total, ...]``, from those of each, ``[count, ...]``."""
        import keras  # noqa: PLC0415

        if replica_count() == 1:
            return x
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf  # noqa: PLC0415

            rows = tf.distribute.get_replica_context().all_gather(x, axis=0)
            return tf.ensure_shape(rows, (None, *x.shape[1:]))
        import torch  # noqa: PLC0415

        counts = self.counts or ()
        padded = x.new_zeros((max(counts), *x.shape[1:]))  # all must have one shape
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in counts]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def share(count: int | Tensor) -> Share:
    """The share of a replica that has so many rows; all of them if it is alone.

    Args:
        count: Number of rows, also 0.
    """
    import keras  # noqa: PLC0415

    others = replica_count()
    if others == 1:
        return Share(count, 0, count)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        context = tf.distribute.get_replica_context()
        index = context.replica_id_in_sync_group
        if is_apart():
            return Share(count, index * count, others * count)
        counts = context.all_gather(tf.reshape(tf.cast(count, "int32"), (1,)), axis=0)
        return Share(count, tf.reduce_sum(counts[:index]), tf.reduce_sum(counts))
    import torch  # noqa: PLC0415

    index = torch.distributed.get_rank()
    known = [int(count)] * others
    if not is_apart():
        own = torch.tensor([int(count)], device=keras.src.backend.torch.core.get_device())
        parts = [torch.empty_like(own) for _ in range(others)]
        torch.distributed.all_gather(parts, own)
        known = torch.cat(parts).tolist()
    return Share(known[index], sum(known[:index]), sum(known), known)


def total(x: Tensor) -> Tensor:
    """Sum over the replicas of a tensor that has one shape on all of them."""
    import keras  # noqa: PLC0415

    if replica_count() == 1:
        return x
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, x)
    import torch  # noqa: PLC0415

    x = x.detach().clone()
    torch.distributed.all_reduce(x)
    return x


def in_custom_replica_loop() -> bool:
    """Whether the caller runs under a ``tf.distribute`` strategy outside Keras' training loop.

    Keras computes the loss of a compiled model in the name scope ``compile_loss``, in ``fit`` and
    ``evaluate``, eagerly and in graphs. A loss sees nothing else that tells Keras' own loop from
    another.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf  # noqa: PLC0415

    # In a graph the second loss of a step has the scope compile_loss_1, and so on.
    scopes = tf.get_current_name_scope().split("/")
    in_keras_loop = any(re.fullmatch(r"compile_loss(_\d+)?", scope) for scope in scopes)
    return tf.distribute.has_strategy() and not in_keras_loop


def unscaled(loss: Tensor) -> Tensor:
    """A mean as it was before Keras divided it by the replicas of a ``tf.distribute`` strategy."""
    import keras  # noqa: PLC0415

    return loss * replica_count() if keras.backend.backend() == "tensorflow" else loss


def synchronize(variables: Sequence[Any]) -> None:
    """Give all processes of PyTorch the values of the first one.

    Args:
        variables: Keras variables, the same on all.
    """
    if not replicas_are_processes() or replica_count() == 1:
        return
    import torch  # noqa: PLC0415

    with torch.no_grad():
        for variable in variables:
            torch.distributed.broadcast(variable.value.data, 0)


def train_step(model: Any, inputs: Any) -> dict[str, Any]:
    """A step of Keras on PyTorch, with the mean over all processes of the gradients.

    Args:
        model: Compiled model.
        inputs: Batch of this process, as ``fit`` gets it.

    Returns:
        The metrics.
    """
    import keras  # noqa: PLC0415
    import torch  # noqa: PLC0415

    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(inputs)
    outputs = model(x, training=True)
    model.zero_grad()
    loss = model.compute_loss(x, y, outputs, sample_weight, training=True)
    model._loss_tracker.update_state(loss, sample_weight=share(len(outputs[0])).total)
    model.optimizer.scale_loss(loss).backward()
    weights = model.trainable_weights
    with torch.no_grad():
        model.optimizer.apply(_average_gradients(weights), weights)
    return model.compute_metrics(x, y, outputs, sample_weight=sample_weight)


def _average_gradients(weights: Sequence[Any]) -> list[Tensor | None]:
    """Mean over the processes of PyTorch of the gradients that a backward pass has left.

    Args:
        weights: Keras variables. One that has a gradient on some processes counts as zeros on the
            others, such as one that had no samples; one that has it on none has none, as on one
            device.
    """
    import torch  # noqa: PLC0415

    found = [w.value.grad for w in weights]
    device = weights[0].value.device
    has = torch.tensor([gradient is not None for gradient in found], dtype=torch.int, device=device)
    torch.distributed.all_reduce(has)
    gradients = [
        (torch.zeros_like(w.value) if gradient is None else gradient) if any_has else None
        for w, gradient, any_has in zip(weights, found, has.tolist(), strict=True)
    ]
    present = [gradient for gradient in gradients if gradient is not None]
    for dtype in {gradient.dtype for gradient in present}:  # one message for all of a kind
        chosen = [gradient for gradient in present if gradient.dtype == dtype]
        message = torch.cat([gradient.reshape(-1) for gradient in chosen])
        torch.distributed.all_reduce(message)
        message /= replica_count()
        sizes = [math.prod(gradient.shape) for gradient in chosen]
        for gradient, mean in zip(chosen, message.split(sizes), strict=True):
            gradient.copy_(mean.view_as(gradient))
    return gradients


def arrays_are_global() -> bool:
    """Whether an array lies on many devices, so that no replica has rows of its own."""
    import keras  # noqa: PLC0415

    return keras.backend.backend() == "jax"


def replicas_are_processes() -> bool:
    """Whether each replica is a process, with variables of its own."""
    import keras  # noqa: PLC0415

    return keras.backend.backend() == "torch"


def is_fully_sharded(model: Any) -> bool:
    """Whether PyTorch's ``fully_shard`` was called on a model or a part of it."""
    if not replicas_are_processes():
        return False
    from torch.distributed import fsdp  # noqa: PLC0415

    return any(isinstance(module, fsdp.FSDPModule) for module in model.modules())
