"""Operations that Keras lacks, on each backend."""

import math
from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which XLA compiles where a graph of TensorFlow calls it on a CPU.

    There Keras leaves a training step to TensorFlow's own operations, of which those of an
    encoder are faster than XLA's. Functions of many small operations are faster in XLA, which
    fuses them. Elsewhere the function stays as it is: called eagerly it would be compiled for
    every new shape, and on a GPU Keras has compiled the step around it.

    Args:
        function: From tensors to tensors, without variables and random draws.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf  # noqa: PLC0415

    if tf.executing_eagerly() or tf.config.list_physical_devices("GPU"):
        return function
    return tf.function(function, jit_compile=True, autograph=False)


def cond(predicate: Any, if_true: Callable[[], Any], if_false: Callable[[], Any]) -> Any:
    """``keras.ops.cond``, which with PyTorch costs more by itself than a small loss.

    Args:
        predicate: A tensor of one truth value.
        if_true: Gives tensors, where it holds.
        if_false: Gives such of the same shapes and dtypes, where it does not.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch" and predicate.device.type != "meta":
        return if_true() if predicate else if_false()
    return keras.ops.cond(predicate, if_true, if_false)


def repeat(count: Any, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    """``carry = body(index, carry)`` for every index, strictly one after the other.

    Args:
        count: How often, an integer or a tensor of one.
        body: Gives what it was given, of the same structure, shapes and dtypes.
        carry: Nested tensors.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        return keras.ops.fori_loop(0, count, body, carry)
    import tensorflow as tf  # noqa: PLC0415

    # Keras' loop lets TensorFlow begin ten rounds at a time, with the memory of all of them.
    _, carry = tf.while_loop(
        lambda index, _: index < count,
        lambda index, carry: (index + 1, body(index, carry)),
        (0, carry),
        parallel_iterations=1,
    )
    return carry


def pull_back(
    function: Callable[..., tuple[Any, Any]], inputs: list[Any], upstream: Any
) -> tuple[list[Any], Any]:
    """Gradients of a function that gives a tensor, and something else beside it.

    Args:
        function: From the inputs to a tensor and something else, which is not differentiated.
        inputs: Tensors.
        upstream: Gradient with respect to the function's tensor, of its shape.

    Returns:
        Gradients with respect to the inputs, zeros where the tensor does not depend on one, and
        what the function gave beside the tensor.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        _, differentiate, beside = jax.vjp(function, *inputs, has_aux=True)
        return list(differentiate(upstream)), beside
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output, beside = function(*inputs)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(output, inputs, upstream, unconnected_gradients=zero), beside
    import torch  # noqa: PLC0415

    leaves = [value.detach().requires_grad_() for value in inputs]
    with torch.enable_grad():
        output, beside = function(*leaves)
    gradients = torch.autograd.grad(output, leaves, upstream, allow_unused=True)
    return [
        torch.zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, gradients, strict=True)
    ], keras.tree.map_structure(torch.Tensor.detach, beside)


def fuses_batch_normalization() -> bool:
    """Whether the backend has :func:`batch_normalization`."""
    import keras  # noqa: PLC0415

    return keras.backend.backend() in ("tensorflow", "torch")


def fuses_exact_batch_normalization(x: Any) -> bool:
    """Whether :func:`batch_normalization` takes a tensor with next to no epsilon.

    TensorFlow takes float32 alone, and on a GPU its library asks for a larger epsilon.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        return x.dtype == tf.float32 and not tf.config.list_physical_devices("GPU")
    return keras.backend.backend() == "torch" and x.device.type == "cpu"


def batch_normalization(x: Any, scale: Any, offset: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Batch normalisation in training, in one operation, with TensorFlow or PyTorch.

    Args:
        x: Tensor ``[batch, height, width, channels]``, float32; with PyTorch also float64.
        scale: Factor of each channel after normalisation, ``[channels]``, float32.
        offset: What is added then, ``[channels]``, float32.
        epsilon: What is added to the variance before its root is taken.

    Returns:
        What comes out, of the shape of ``x``; mean and variance of each channel, ``[channels]``,
        through which no gradient is to be taken.
    """
    import keras  # noqa: PLC0415

    count = math.prod(keras.ops.shape(x)[:-1])
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        # `tf.nn` would raise the epsilon to 1e-5.
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=epsilon
        )
        count = tf.cast(count, tf.float32)
    else:
        import torch  # noqa: PLC0415

        mean, variance = x.new_zeros(x.shape[-1]), x.new_zeros(x.shape[-1])
        planes = x.permute(0, 3, 1, 2)  # a view, whose order in memory PyTorch knows
        cudnn = torch.backends.cudnn.enabled
        y = torch.batch_norm(planes, scale, offset, mean, variance, True, 1.0, epsilon, cudnn)
        y = y.permute(0, 2, 3, 1)
        if count == 1:  # it has divided by 0
            variance = mean.new_zeros(mean.shape)
    # Both give the variance that they expect of other samples: more than that of these.
    return y, mean, variance * ((count - 1) / count)
