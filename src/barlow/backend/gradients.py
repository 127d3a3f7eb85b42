"""Gradients that are given, and gradients of a part, the same on each backend."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from barlow.backend.tensor import Tensor


def custom_gradient(
    function: Callable[..., tuple[Tensor, Callable[[Tensor], Any]]],
) -> Callable[..., Tensor]:
    """``keras.ops.custom_gradient``, the same on each backend.

    With PyTorch it is a function of autograd's own, which ``torch.compile`` follows.

    Args:
        function: From tensors to a tensor and its pullback, which takes the upstream gradient, of
            the tensor's shape, and returns one gradient per input, as a tuple if there are many.

    Returns:
        A function from the same tensors to the tensor, differentiated by the pullback.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "torch":
        from barlow.backend.autograd import Differentiable  # noqa: PLC0415

        return functools.partial(Differentiable.apply, function)
    return keras.ops.custom_gradient(function)


def full_precision(x: Tensor) -> contextlib.AbstractContextManager[Any]:
    """Products in it have the precision of what is multiplied, under PyTorch's autocast, too.

    Args:
        x: A tensor of the device.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    from barlow.backend import autograd  # noqa: PLC0415

    return autograd.full_precision(x)


def records_gradients() -> bool:
    """Whether what is computed now may be differentiated; always, where a backend cannot tell.

    With PyTorch a backward pass is differentiated only if it was asked for, and never if compiled.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "torch":
        return True
    import torch  # noqa: PLC0415

    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


def vjp(
    function: Callable[..., tuple[Tensor, Any]], inputs: list[Tensor]
) -> tuple[Tensor, Callable[[Tensor], list[Tensor]], Any]:
    """A tensor and its gradients: JAX' function of this name, on each backend.

    Args:
        function: From the inputs to a tensor and something else, which is not differentiated.
        inputs: Tensors.

    Returns:
        The function's tensor; its pullback, from the gradient with respect to it, of its shape, to
        those with respect to the inputs, zeros where it does not depend on one, which can be called
        once; and what the function returned beside the tensor.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        output, differentiate, beside = jax.vjp(function, *inputs, has_aux=True)
        return output, lambda upstream: list(differentiate(upstream)), beside
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output, beside = function(*inputs)
        zero = tf.UnconnectedGradients.ZERO
        return (
            output,
            lambda u: tape.gradient(output, inputs, u, unconnected_gradients=zero),
            beside,
        )
    import torch  # noqa: PLC0415

    leaves = [value.detach().requires_grad_() for value in inputs]
    with torch.enable_grad():
        output, beside = function(*leaves)

    def pull_back(upstream: Tensor) -> list[Tensor]:
        gradients = torch.autograd.grad(output, leaves, upstream, allow_unused=True)
        return [
            torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(leaves, gradients, strict=True)
        ]

    detach = torch.Tensor.detach
    return (
        output.detach(),
        pull_back,
        keras.tree.map_structure(lambda value: None if value is None else detach(value), beside),
    )
