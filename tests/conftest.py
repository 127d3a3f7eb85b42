"""What every test module shares: the backend's own differentiation, and the oracle's cases."""

import pathlib

import keras
import numpy as np
import pytest

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # Two devices for tests under tf.distribute; they must be there before anything runs.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

_ORACLE = np.load(pathlib.Path(__file__).with_name("barlow_cases.npz"), allow_pickle=False)
CASES = sorted({key.split("/")[0] for key in _ORACLE.files})


@pytest.fixture(params=CASES)
def case(request):
    """One case of the float64 oracle: inputs, values and gradients by name."""
    prefix = request.param + "/"
    return {
        key.removeprefix(prefix): _ORACLE[key] for key in _ORACLE.files if key.startswith(prefix)
    }


@pytest.fixture
def value_and_gradients():
    """Value of a scalar function of tensors, and its gradients, as the backend computes them."""
    return {
        "tensorflow": _tensorflow_gradients,
        "jax": _jax_gradients,
        "torch": _torch_gradients,
    }[keras.backend.backend()]


def _tensorflow_gradients(function, *arrays):
    import tensorflow as tf

    tensors = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for tensor in tensors:
            tape.watch(tensor)
        value = function(*tensors)
    return value.numpy(), [gradient.numpy() for gradient in tape.gradient(value, tensors)]


def _jax_gradients(function, *arrays):
    import jax

    # Without this JAX silently turns float64 into float32.
    with jax.enable_x64(any(array.dtype == np.float64 for array in arrays)):
        tensors = [jax.numpy.asarray(array) for array in arrays]
        value, gradients = jax.value_and_grad(function, range(len(arrays)))(*tensors)
        return np.asarray(value), [np.asarray(gradient) for gradient in gradients]


def _torch_gradients(function, *arrays):
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = function(*tensors)
    value.backward()
    return value.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]
