"""Operations that Keras lacks, or that are not the same on each backend."""

import math
import weakref
from collections.abc import Callable
from typing import Any

from barlow.backend.processes import process_count
from barlow.backend.replicas import device_count
from barlow.backend.tensor import Tensor


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled by XLA where a TensorFlow graph calls it on a CPU.

    There Keras leaves a training step to TensorFlow's own operations: those of an encoder are
    faster than XLA's. Functions of many small operations are faster in XLA, which fuses them.
    Elsewhere the function stays as it is: called eagerly it would be compiled for every new shape,
    and on a GPU Keras has already compiled the step around it.

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


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled with JAX, where each single operation is slow; elsewhere as it is.

    Args:
        function: From nested tensors to nested tensors. It assigns no variables.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "jax":
        return function
    import jax  # noqa: PLC0415

    return jax.jit(function)


def cond(predicate: Tensor, if_true: Callable[[], Any], if_false: Callable[[], Any]) -> Any:
    """``keras.ops.cond``, without its overhead on PyTorch, which exceeds a small loss.

    Args:
        predicate: Boolean scalar, or a boolean where it is known.
        if_true: Returns the tensors if it is true.
        if_false: Returns tensors of the same shapes and dtypes if it is false.
    """
    import keras  # noqa: PLC0415

    if isinstance(predicate, bool) or (
        keras.backend.backend() == "torch" and predicate.device.type != "meta"
    ):
        return if_true() if predicate else if_false()
    return keras.ops.cond(predicate, if_true, if_false)


def predict(model: Any, inputs: Any, batch_size: int | None = None) -> Any:
    """Outputs of a model for one batch, in inference mode, as NumPy arrays.

    With PyTorch they are not compiled. Keras would have ``torch.compile`` work on a model that is
    not compiled itself, for longer than most sets take to embed.

    Args:
        model: Keras model.
        inputs: A batch of its inputs.
        batch_size: Where the model is compiled, fewer inputs are filled up to so many: another
            size would be compiled anew. Defaults to ``None``, never.

    Returns:
        As many outputs as inputs.
    """
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    if keras.backend.backend() != "torch":
        count = len(inputs)
        devices = device_count(model) if keras.backend.backend() == "jax" else 1
        size = -(-max(count, batch_size or 0) // devices) * devices  # JAX divides it evenly
        if count < size:
            inputs = np.asarray(inputs)[np.arange(size) % count]
        if process_count() > 1:
            outputs = _predict_in_process(model, inputs)
        else:
            outputs = model.predict_on_batch(inputs)
        return keras.tree.map_structure(lambda output: output[:count], outputs)
    import torch  # noqa: PLC0415

    if getattr(getattr(inputs, "flags", None), "writeable", False):
        inputs = torch.from_numpy(inputs)  # shares the memory, where Keras would copy
    with torch.no_grad():
        outputs = model(inputs, training=False)
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _predict_in_process(model: Any, inputs: Any) -> Any:
    """The same on a device of this process, with JAX: other processes have no part in it."""
    import jax  # noqa: PLC0415
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    if model not in _compiled:
        known: Any = weakref.proxy(model)  # else what is kept for it would keep it
        _compiled[model] = jax.jit(
            lambda weights, states, x: known.stateless_call(weights, states, x, training=False)
        )
    if not model.built:
        model.build(inputs.shape)
    groups = model.trainable_variables, model.non_trainable_variables
    values = [[np.asarray(variable.value) for variable in group] for group in groups]
    outputs, states = _compiled[model](*values, inputs)
    for variable, state in zip(model.non_trainable_variables, states, strict=True):
        variable.assign(np.asarray(state))  # such as the seeds of views
    return keras.tree.map_structure(np.asarray, outputs)


_compiled: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def repeat(count: int | Tensor, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    """``carry = body(index, carry)`` for every index, strictly one after the other.

    Args:
        count: Number of rounds, an integer or an integer scalar.
        body: Returns the next ``carry``, of the same structure, shapes and dtypes.
        carry: Nested tensors.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() != "tensorflow":
        return keras.ops.fori_loop(0, count, body, carry)
    import tensorflow as tf  # noqa: PLC0415

    # In Keras' loop TensorFlow starts ten rounds at a time and needs the memory of all of them.
    _, carry = tf.while_loop(
        lambda index, _: index < count,
        lambda index, carry: (index + 1, body(index, carry)),
        (0, carry),
        parallel_iterations=1,
    )
    return carry


def fuses_batch_normalization() -> bool:
    """Whether the backend has :func:`batch_normalization`."""
    import keras  # noqa: PLC0415

    return keras.backend.backend() in ("tensorflow", "torch")


def fuses_exact_batch_normalization(x: Tensor) -> bool:
    """Whether :func:`batch_normalization` takes this tensor with a negligible epsilon.

    TensorFlow takes float32 alone, and on a GPU its library asks for a larger epsilon. With PyTorch
    somebody looks at the variances, which a compiler cannot do.
    """
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        return x.dtype == tf.float32 and not tf.config.list_physical_devices("GPU")
    if keras.backend.backend() != "torch":
        return False
    import torch  # noqa: PLC0415

    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def batch_normalization(
    x: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation in training, in one operation, with TensorFlow or PyTorch.

    Args:
        x: Tensor ``[batch, height, width, channels]``, float32; with PyTorch also float64.
        scale: Factor of each channel after normalisation, ``[channels]``, float32.
        offset: Added to each channel after that, ``[channels]``, float32.
        epsilon: Added to the variance before its root is taken.

    Returns:
        The normalised tensor, of the shape of ``x``; mean and biased variance of each channel,
        ``[channels]``, which are not to be differentiated.
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
    # Both return the unbiased variance, which divides by count - 1.
    return y, mean, variance * ((count - 1) / count)
