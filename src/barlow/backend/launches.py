"""Few operations in place of many, where each of them costs more than its arithmetic.

On a GPU or TPU every operation is launched by the host, which must not wait for its result. A
compiler cannot ask for a result either. With PyTorch on a CPU an operation costs microseconds,
which is most of the time of a small batch.
"""

from barlow.backend.tensor import Tensor

# Below so many numbers PyTorch's own work counts more than passes over the memory.
_FEW_NUMBERS = 2**18


def favours_few_operations(x: Tensor) -> bool:
    """Whether few operations on this matrix are faster than few passes through a cache."""
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() == "torch":
        return not _can_be_asked(x) or x.numel() < _FEW_NUMBERS
    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415 - the other backends must not need it

        return jax.default_backend() != "cpu"
    import tensorflow as tf  # noqa: PLC0415

    return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())


def _can_be_asked(x: Tensor) -> bool:
    """Whether the host can read a tensor of PyTorch without waiting for another device."""
    import torch  # noqa: PLC0415

    if torch.compiler.is_compiling():
        return False
    # One of a vmap, PyTorch's first or that of torch.func, has as many values as it stands for.
    stands_for_many = "Batched" in repr(torch._C._dispatch_keys(x))
    return x.device.type == "cpu" and not stands_for_many


def equal_entries(u: Tensor) -> bool | Tensor:
    """Whether all entries of a vector are the same, a predicate for :func:`cond`.

    With PyTorch the gradient of a sum is a vector that is a scalar in memory, which tells it. Any
    other vector on a device that must not be asked counts as one of different entries.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        if u.stride() == (0,):
            return True
        if not _can_be_asked(u):
            return False
    return keras.ops.all(u == u[0])


def mean(z: Tensor, axis: int) -> Tensor:
    """Mean over an axis. Unlike Keras' own it keeps float64; one operation with PyTorch."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        return z.mean(axis)
    count = z.shape[axis] or keras.ops.cast(keras.ops.shape(z)[axis], z.dtype)
    return keras.ops.sum(z, axis=axis) / count


def add_up(z: Tensor) -> Tensor:
    """Sum of all entries."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        return z.sum()  # Keras takes several times as long
    return keras.ops.sum(z)


def stack(first: Tensor, second: Tensor) -> Tensor:
    """Two tensors of one shape as one, ``[2, ...]``."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        return torch.stack([first, second])  # Keras takes several times as long
    return keras.ops.stack([first, second])


def largest(z: Tensor) -> Tensor:
    """Largest size of a value in each column of matrices, ``[..., samples, features]``."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        if z.device.type != "cpu":
            return torch.linalg.vector_norm(z, float("inf"), -2, keepdim=True)
        return z.abs().amax(-2, keepdim=True)  # many times faster there
    return keras.ops.max(keras.ops.abs(z), axis=-2, keepdims=True)


def fill(x: Tensor, where: Tensor, value: float) -> Tensor:
    """``x`` with a value where a boolean tensor of its shape says so."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        return x.masked_fill(where, value)  # Keras would copy the value to the device
    return keras.ops.where(where, keras.ops.full_like(x, value), x)


def add_scaled(x: Tensor, y: Tensor, factor: float) -> Tensor:
    """``x + factor * y``."""
    import keras  # noqa: PLC0415

    return x.add(y, alpha=factor) if keras.backend.backend() == "torch" else x + factor * y


def add_product(x: Tensor, a: Tensor, b: Tensor, factor: float = 1.0) -> Tensor:
    """``x + factor * a @ b``; with PyTorch in the memory of ``x``."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        return x.addmm_(a, b, alpha=factor)
    return x + factor * (a @ b)


def add_to_diagonal(x: Tensor, diagonal: Tensor) -> Tensor:
    """``x + diag(diagonal)``; with PyTorch in the memory of ``x``, and no second matrix is made."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        x.diagonal().add_(diagonal)
        return x
    return x + keras.ops.diag(diagonal)


def normalize_columns(z: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Columns of zero mean and unit deviation, with PyTorch on a GPU as one operation for each.

    On a CPU that operation adds up the squares one after the other: its deviations are off by more.

    Args:
        z: Matrices ``[matrices, samples, features]``, float32 or float64.
        epsilon: Added to the variance before its root is taken.

    Returns:
        The normalised matrices, and for each of them ``1 / sqrt(variance + epsilon)``,
        ``[features]``, which is not to be differentiated.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and z.device.type != "cpu":
        import torch  # noqa: PLC0415

        of_batch = (None, None, None, None, True, 0.0, epsilon)
        found = [torch.native_batch_norm(_as_planes(matrix), *of_batch) for matrix in z]
        return [y.flatten(1) for y, *_ in found], [inverse_std for *_, inverse_std in found]
    centred = z - mean(z, 1)[:, None]
    inverse_std = keras.ops.rsqrt(mean(centred * centred, 1) + epsilon)
    return centred * inverse_std[:, None], inverse_std


def normalize_columns_gradients(
    gradients: list[Tensor],
    normalized: list[Tensor],
    scales: list[Tensor],
    *,
    centred: bool = False,
) -> list[Tensor]:
    """``(dA - mean(dA) - A o mean(dA o A)) o scale``, with PyTorch on a GPU as one operation each.

    Args:
        gradients: Every ``dA``, ``[samples, features]``, all of one shape.
        normalized: Every ``A``: columns of zero mean and unit deviation, or zeros.
        scales: Factors of the columns of each, ``[features]``.
        centred: Whether ``mean(dA)`` is known to be zero. Defaults to ``False``.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and gradients[0].device.type != "cpu":
        import torch  # noqa: PLC0415

        zeros, ones = torch.zeros_like(scales[0]), torch.ones_like(scales[0])
        of_batch = (None, None, zeros, ones, True, 0.0, [True, False, False])
        backward = torch.ops.aten.native_batch_norm_backward
        return [
            backward(_as_planes(gradient), _as_planes(a), scale, *of_batch)[0].flatten(1)
            for gradient, a, scale in zip(gradients, normalized, scales, strict=True)
        ]

    def of_columns(gradient: Tensor, a: Tensor, scale: Tensor) -> Tensor:
        along = mean(gradient * a, 0)
        if not centred:
            gradient = gradient - mean(gradient, 0)
        if keras.backend.backend() == "torch":
            return gradient.addcmul(a, along, value=-1).mul_(scale)
        return (gradient - a * along) * scale

    return list(map(of_columns, gradients, normalized, scales))


def _as_planes(z: Tensor) -> Tensor:
    """A matrix as images of one pixel whose channels lie side by side, which is fast."""
    return z[:, None, None, :].permute(0, 3, 1, 2)
