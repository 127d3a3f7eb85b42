"""`LARS` of the paper, `Muon`, `AdamW`, and the schedule of the learning rate.

With ``use_ema=True`` they average the weights ``w``, with a momentum that grows with the step::

    average = m * average + (1 - m) * w,    m = min(ema_momentum, (1 + t) / (10 + t))

It begins with ``w`` after the first step, ``t = 0``, and soon forgets it: until ``ema_momentum``
is reached, nine tenths of it come from the last quarter of the steps. (TensorFlow's
``ExponentialMovingAverage`` does the same, given ``num_updates``.)
"""

from typing import Any

import keras
from keras import ops

from barlow.backend import Tensor
from barlow.errors import InvalidInput

_FINAL = 1e-3  # of the highest learning rate, as in the paper (Zbontar et al., 2021, section 2.2)
_QUINTIC = (3.4445, -4.7750, 2.0315)  # brings singular values near 1 in few steps (Jordan, 2024)
_QUINTIC_STEPS = 5
_RMS = 0.2  # of a step of Adam over the learning rate, measured (Liu et al., 2025, section 2.2)


# Keras reads `ema_momentum` in every step, or while it traces one, and sets it once.
def _momentum_of_average(optimizer: Any) -> Tensor:
    steps = ops.cast(optimizer.iterations, "float32")
    return ops.minimum(optimizer.highest_ema_momentum, (1 + steps) / (10 + steps))


def _set_highest_momentum(optimizer: Any, momentum: float) -> None:
    optimizer.highest_ema_momentum = momentum


_growing: Any = property(_momentum_of_average, _set_highest_momentum)


@keras.saving.register_keras_serializable(package="barlow")
class LARS(keras.optimizers.Optimizer):
    """Layer-wise adaptive rate scaling (You et al., 2017, arXiv 1708.03888), with momentum.

    For weights ``w`` with gradient ``g``, both with the Euclidean norm of the whole variable::

        g = g + weight_decay * w
        g = g * trust_coefficient * |w| / |g|      # unless a norm is 0
        m = momentum * m + g
        w = w - learning_rate * m

    A step changes every layer by about the same fraction of its norm, whatever the scale of the
    loss. Variables of at most one axis, in Keras' layers biases and the parameters of
    normalisation, are neither scaled nor decayed, and have a separate learning rate, as in the
    paper (Zbontar et al., 2021, section 2.2): scaling them is known to end in NaN. Only the biases
    of attention have more axes; for transformers take AdamW, with which they learn better.

    Args:
        learning_rate: Float or Keras schedule, see :func:`warmup_cosine`. Defaults to 0.2, as in
            the paper, which multiplies it by the batch size over 256.
        momentum: From 0 to below 1. Defaults to 0.9.
        trust_coefficient: Change of a layer in a step, as a fraction of its norm, at learning rate
            1 without momentum; above 0. Defaults to 0.001.
        weight_decay: At least 0. Unlike in AdamW it is part of the gradient. Defaults to 1.5e-6.
        bias_multiplier: Learning rate of biases and parameters of normalisation, as a multiple of
            ``learning_rate``; at least 0. Defaults to 0.024, the paper's 0.0048 to 0.2.
        name: Name of the optimizer. Defaults to ``"lars"``.
        **kwargs: As for any Keras optimizer.

    Raises:
        ValueError: If an argument is out of its bounds.

    Example:
        >>> schedule = barlow.optimizers.warmup_cosine(0.2, steps=1000, warmup_steps=10)
        >>> optimizer = barlow.optimizers.LARS(schedule)
        >>> w, b = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
        >>> optimizer.apply([keras.ops.ones((2, 2)), keras.ops.ones(2)], [w, b])
    """

    ema_momentum = _growing

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 0.2,
        momentum: float = 0.9,
        trust_coefficient: float = 1e-3,
        weight_decay: float = 1.5e-6,
        bias_multiplier: float = 0.024,
        name: str = "lars",
        **kwargs: Any,
    ):
        if not 0 <= momentum < 1:
            raise InvalidInput(f"`momentum` must be from 0 to below 1. Received: {momentum}.")
        if not trust_coefficient > 0:
            raise InvalidInput(
                f"`trust_coefficient` must be above 0. Received: {trust_coefficient}."
            )
        for key, value in (("weight_decay", weight_decay), ("bias_multiplier", bias_multiplier)):
            if not value >= 0:
                raise InvalidInput(f"`{key}` must be at least 0. Received: {value}.")
        # Keras' own `weight_decay` would act on the weights directly, without the scaling.
        super().__init__(learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.trust_coefficient = trust_coefficient
        self.decay = weight_decay
        self.bias_multiplier = bias_multiplier

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the momentum of each variable."""
        if not self.built:
            super().build(variables)
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update one variable; the gradient has its shape, the learning rate is a scalar."""
        gradient = ops.cast(gradient, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        if len(variable.shape) <= 1:
            rate = rate * self.bias_multiplier
        else:
            gradient = gradient + self.decay * variable
            weights, change = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, gradient))
            both = (weights > 0) & (change > 0)
            ratio = self.trust_coefficient * weights / ops.where(both, change, 1.0)
            gradient = gradient * ops.where(both, ratio, 1.0)
        momentum = self.momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + gradient)
        self.assign_sub(variable, rate * momentum)

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal optimizer is made."""
        return {
            **super().get_config(),
            "ema_momentum": self.highest_ema_momentum,
            "momentum": self.momentum,
            "trust_coefficient": self.trust_coefficient,
            "weight_decay": self.decay,
            "bias_multiplier": self.bias_multiplier,
        }


@keras.saving.register_keras_serializable(package="barlow")
class Muon(keras.optimizers.AdamW):
    """Muon (Jordan, 2024, kellerjordan.github.io/posts/muon) for convolutions, AdamW for the rest.

    The kernel of a convolution is a matrix ``w``, ``[height * width * channels, filters]``, with
    gradient ``g``. It moves along its momentum, with all singular values set to about 1: flat
    directions move as fast as steep ones::

        m = momentum * m + g
        w = w - learning_rate * (0.2 * sqrt(max(w.shape)) * orthogonal(g + momentum * m)
                                 + weight_decay * w)

    where ``orthogonal`` is five steps of a Newton-Schulz iteration. The factor (Liu et al., 2025,
    arXiv 2502.16982) makes a step as long as one of Adam. So learning rate and weight decay are
    those of AdamW, which updates all variables of fewer than three axes. (Keras' own Muon does the
    opposite: it takes matrices and leaves convolutions to AdamW.)

    Args:
        learning_rate: Float or Keras schedule, see :func:`warmup_cosine`. Defaults to 0.001.
        momentum: Momentum of the kernels, from 0 to below 1. Defaults to 0.95.
        weight_decay: Weight decay of all variables, as in AdamW. Defaults to 0.004.
        name: Name of the optimizer. Defaults to ``"muon"``.
        **kwargs: As for ``keras.optimizers.AdamW``.

    Raises:
        ValueError: If ``momentum`` is out of its bounds.

    Example:
        >>> optimizer = barlow.optimizers.Muon(2e-3)
        >>> kernel = keras.Variable(np.ones((3, 3, 2, 4)))
        >>> optimizer.apply([keras.ops.ones((3, 3, 2, 4))], [kernel])
    """

    ema_momentum = _growing

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.004,
        name: str = "muon",
        **kwargs: Any,
    ):
        if not 0 <= momentum < 1:
            raise InvalidInput(f"`momentum` must be from 0 to below 1. Received: {momentum}.")
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the moments of each variable."""
        if not self.built:
            super().build(variables)
            self.kernel_momentums = {
                self._get_variable_index(variable): self.add_variable_from_reference(
                    variable, "kernel_momentum"
                )
                for variable in variables
                if _is_kernel(variable)
            }

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        """Update one variable; the gradient has its shape, the learning rate is a scalar."""
        if not _is_kernel(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        gradient = ops.cast(gradient, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        momentum = self.kernel_momentums[self._get_variable_index(variable)]
        self.assign(momentum, self.momentum * momentum + gradient)
        ahead = ops.reshape(gradient + self.momentum * momentum, (-1, variable.shape[-1]))
        length = _RMS * max(ahead.shape) ** 0.5
        step = ops.reshape(length * _orthogonal(ahead), variable.shape)
        self.assign_sub(variable, rate * step)

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal optimizer is made."""
        return {
            **super().get_config(),
            "ema_momentum": self.highest_ema_momentum,
            "momentum": self.momentum,
        }


@keras.saving.register_keras_serializable(package="barlow")
class AdamW(keras.optimizers.AdamW):
    """Keras' AdamW, but for the moving average of the weights: see :mod:`barlow.optimizers`.

    Its arguments are those of ``keras.optimizers.AdamW``.

    Example:
        >>> optimizer = barlow.optimizers.AdamW(1e-3, use_ema=True, ema_momentum=0.999)
        >>> w = keras.Variable(np.ones(2))
        >>> optimizer.apply([keras.ops.ones(2)], [w])
        >>> optimizer.finalize_variable_values([w])  # as at the end of `fit`
    """

    ema_momentum = _growing

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal optimizer is made."""
        return {**super().get_config(), "ema_momentum": self.highest_ema_momentum}


def _is_kernel(variable: keras.Variable) -> bool:
    return len(variable.shape) >= 3


def _orthogonal(x: Tensor) -> Tensor:
    """About ``u @ v`` for a matrix ``u @ s @ v`` (singular value decomposition)."""
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else ops.transpose(x)
    x = x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), 1e-30)
    a, b, c = _QUINTIC
    for _ in range(_QUINTIC_STEPS):
        gram = x @ ops.transpose(x)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else ops.transpose(x)


def warmup_cosine(
    learning_rate: float, steps: int, warmup_steps: int = 0
) -> keras.optimizers.schedules.CosineDecay:
    """Linear from 0 to ``learning_rate``, then half a cosine down to a thousandth of it.

    Args:
        learning_rate: Highest learning rate, above 0.
        steps: Steps of the training, including warm-up.
        warmup_steps: Steps of the linear part, fewer than ``steps``. Defaults to 0; the paper warms
            up for 10 of 1,000 epochs.

    Returns:
        The schedule for a Keras optimizer.

    Raises:
        ValueError: If an argument is out of its bounds.

    Example:
        >>> schedule = barlow.optimizers.warmup_cosine(0.2, steps=100, warmup_steps=10)
        >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 55, 100)]
        [0.0, 0.1, 0.2, 0.1001, 0.0002]
    """
    if not learning_rate > 0:
        raise InvalidInput(f"`learning_rate` must be above 0. Received: {learning_rate}.")
    if not 0 <= warmup_steps < steps:
        raise InvalidInput(
            "`warmup_steps` must be from 0 to below `steps`. "
            f"Received: warmup_steps={warmup_steps}, steps={steps}."
        )
    if not warmup_steps:
        return keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=_FINAL)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - warmup_steps,
        alpha=_FINAL,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
