"""Differentiation as each backend does it."""

from typing import Any

import keras
import numpy as np


def differentiate(function, *arrays):
    """Value of a scalar function of tensors, and its gradients."""
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()](
        function, *arrays
    )


def second_derivative(function, *arrays):
    """Gradients of the sum of squares of the gradient with respect to the first array."""
    return {
        "tensorflow": _tensorflow_second,
        "jax": _jax_second,
        "torch": _torch_second,
    }[keras.backend.backend()](function, *arrays)


def _tensorflow(function, *arrays):
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for tensor in tensors:
            tape.watch(tensor)
        value = function(*tensors)
    gradients: Any = tape.gradient(value, tensors)
    return value.numpy(), [gradient.numpy() for gradient in gradients]


def _tensorflow_second(function, *arrays):
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as outer:
        outer.watch(tensors)
        with tf.GradientTape() as inner:
            inner.watch(tensors)
            value = function(*tensors)
        total = tf.reduce_sum(tf.square(inner.gradient(value, tensors[0])))
    gradients: Any = outer.gradient(total, tensors)
    return [gradient.numpy() for gradient in gradients]


def _jax(function, *arrays):
    import jax

    # Without this JAX silently turns float64 into float32. `jax.enable_x64` is younger than the
    # lowest JAX that is supported.
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", any(array.dtype == np.float64 for array in arrays))
    try:
        # Compiled as one program: operation by operation, each would be compiled by itself.
        differentiated = jax.jit(jax.value_and_grad(function, range(len(arrays))))
        value, gradients = differentiated(*(jax.numpy.asarray(array) for array in arrays))
        return np.asarray(value), [np.asarray(gradient) for gradient in gradients]
    finally:
        jax.config.update("jax_enable_x64", before)


def _jax_second(function, *arrays):
    import jax

    def total(*tensors):
        return (jax.grad(function)(*tensors) ** 2).sum()

    tensors = [jax.numpy.asarray(array) for array in arrays]
    differentiated = jax.jit(jax.grad(total, range(len(arrays))))
    return [np.asarray(gradient) for gradient in differentiated(*tensors)]


def _torch(function, *arrays):
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = function(*tensors)
    value.backward()
    return value.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


def _torch_second(function, *arrays):
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    (first,) = torch.autograd.grad(function(*tensors), tensors[:1], create_graph=True)
    return [gradient.numpy() for gradient in torch.autograd.grad((first**2).sum(), tensors)]
