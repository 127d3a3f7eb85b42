"""`Barlow`: the redundancy-reduction loss under the contract of `keras.losses.Loss`."""

import math
from typing import Any, Self

import keras
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask  # Keras exports none of these
from keras.src.losses.loss import reduce_weighted_values, scale_loss_for_distribution

from barlow import backend, kernel
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.losses.inputs import (
    aligned,
    check_embeddings,
    check_lambda,
    of_known_features,
    with_shape,
)

MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
"""Reductions to the mean over samples, which is the sum of the two terms."""


@keras.saving.register_keras_serializable(package="barlow")
class Barlow(keras.losses.Loss):
    """Redundancy-reduction loss of Barlow Twins between two batches of embeddings.

    ``L = sum_i (1 - c_ii)^2 + lambda * sum_{i != j} c_ij^2 + margin`` with ``c`` the
    cross-correlation of the two embeddings over the batch (Zbontar et al., 2021, eq. 1).

    ``L`` is the exact mean of one value per sample, so ``reduction`` and ``sample_weight`` work
    as for any Keras loss. The statistics of a column are always those of the whole batch:
    ``sample_weight`` scales the values of the samples, not their part in the statistics.

    On several replicas, under a ``tf.distribute`` strategy or in a process group of
    ``torch.distributed``, the batch is the global one: all replicas call the loss together, a mean
    is that of the global batch on each of them, and so is the gradient once it is summed
    (TensorFlow) or averaged (``DistributedDataParallel``) over them. See ``docs/scaling.md``.

    Args:
        lambda_: Weight of the redundancy term, unitless, >= 0. Defaults to 0.005.
        margin: Constant added to the loss. It has no gradient. Defaults to 1e-12.
        reduction: ``"auto"`` (the default), which is ``"sum_over_batch_size"``; or any other
            reduction of Keras: ``"sum"``, ``"mean"``, ``"mean_with_sample_weight"``, ``"none"``,
            ``None``. The last two return one value per sample.
        name: Name of the instance. Defaults to ``"barlow"``.
        gradient: ``"closed_form"`` (the default): fast, first derivatives only. Or ``"autodiff"``:
            slower, with second derivatives and forward mode.
        **kwargs: ``dtype``, as for any Keras loss: the dtype that inputs are converted to.
            Defaults to ``keras.config.floatx()``.

    Raises:
        ValueError: If ``lambda_`` is negative, if ``lambda_`` or ``margin`` is not finite, or if
            the reduction or the gradient is unknown.

    Example:
        >>> za = keras.random.uniform((4, 16), seed=1)
        >>> zb = keras.random.uniform((4, 16), seed=2)
        >>> loss = barlow.losses.Barlow()
        >>> loss(za, zb).shape == ()
        True

        With the ``compile()`` API the targets are the embeddings of the other view:

        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)])
        >>> model.compile(optimizer="sgd", loss=barlow.losses.Barlow())
    """

    def __init__(
        self,
        lambda_: float = 0.005,
        margin: float = 1e-12,
        reduction: str | None = "auto",
        name: str | None = None,
        *,
        gradient: kernel.Gradient = "closed_form",
        **kwargs: Any,
    ):
        check_lambda(lambda_)
        if not math.isfinite(margin):
            raise InvalidInput(f"`margin` must be finite. Received: margin={margin}.")
        if gradient not in ("closed_form", "autodiff"):
            raise InvalidInput(
                f"`gradient` must be 'closed_form' or 'autodiff'. Received: gradient={gradient!r}."
            )
        # In Keras 3 a reduction does not depend on where the loss is used. "auto" always meant this
        # one, except under a distribution strategy, where `__call__` refuses both.
        super().__init__(
            name=name or "barlow",  # Keras would number them
            reduction="sum_over_batch_size" if reduction == "auto" else reduction,
            **kwargs,
        )
        self.lambda_ = float(lambda_)
        self.margin = float(margin)
        self.gradient: kernel.Gradient = gradient
        self._has_dtype = kwargs.get("dtype") is not None

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """Loss between two batches of embeddings.

        Args:
            y_true: Embeddings of one view, shape ``[batch, d0, .., dN]``, any dtype; every axis
                but the last counts as samples.
            y_pred: Embeddings of the other view, same shape. If they have a Keras mask, masked
                samples have no part in the loss and its statistics.
            sample_weight: Coefficients of the samples' values: a scalar, one per element of the
                batch (``[batch]``), or anything that broadcasts to ``[batch, d0, .., dN-1]``.
                Missing axes on the right are added. Defaults to ``None``, all ones.

        Returns:
            A scalar; with reduction ``"none"`` or ``None`` the values of all samples, shape
            ``[batch, d0, .., dN-1]``.

        Raises:
            ValueError: If the shapes of ``y_true`` and ``y_pred`` differ or have rank below 2,
                if in a graph of TensorFlow the number of features is known of neither,
                if ``sample_weight`` does not broadcast, or if the loss averages over the batch
                under a ``tf.distribute`` strategy outside ``fit`` and ``evaluate``.
        """
        if self.reduction == "sum_over_batch_size" and backend.in_custom_replica_loop():
            raise InvalidInput(
                "Under a tf.distribute strategy, outside compile() and fit(), the reductions "
                "'auto' and 'sum_over_batch_size' would average over one replica's samples, not "
                "over the global batch. Use Barlow(reduction='none') or Barlow(reduction='sum') "
                "and divide the sum by the global batch size, e.g. with "
                "tf.nn.compute_average_loss(values, global_batch_size=...)."
            )
        y_true, y_pred = with_shape(y_true), with_shape(y_pred)
        check_embeddings(y_true, y_pred)
        if sample_weight is not None:
            sample_weight = aligned("`sample_weight`", sample_weight, y_pred, self.dtype)
        mask = get_keras_mask(y_pred)
        if mask is not None:
            mask = ops.cast(aligned("The mask", mask, y_pred, "float32"), "bool")
        y_true, y_pred = of_known_features(y_true, y_pred)
        if mask is None and self._divides_by_number(y_pred, sample_weight):
            loss = self._mean(y_true, y_pred, sample_weight)
        else:
            loss = self._reduced(y_true, y_pred, sample_weight, mask)
        if backend.replica_count() == 1 or self.reduction in (None, "none"):
            return loss
        if len(loss.shape):  # Keras returns no scalar for no samples
            loss = ops.sum(loss)
        if self.reduction == "sum":
            return loss
        weights = sample_weight if self.reduction == "mean_with_sample_weight" else None
        return _of_global_batch(loss, _divisor(y_pred, weights, mask))

    def _divides_by_number(self, y_pred: Tensor, weights: Tensor | None) -> bool:
        """Whether the loss is a sum of :meth:`call`'s own values by the known number of them."""
        divides = MEANS if weights is None else MEANS[:2]
        shape = y_pred.shape[:-1]
        known = None not in shape and math.prod(shape) > 0
        return known and self.reduction in divides and type(self).call is Barlow.call

    def _mean(self, y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Tensor:
        """What Keras computes, with what is known before: without weights all samples are equal.

        Keras makes a tensor of their number. PyTorch waits for a GPU to have it, and on a CPU the
        division takes as long as a small product.
        """
        with keras.name_scope(self.name):
            dtype = self.dtype
            y_true, y_pred = (ops.convert_to_tensor(y, dtype=dtype) for y in (y_true, y_pred))
            # Float32 at least: in float16 the sum of a batch of usual values is infinite.
            values = self._values(y_true, y_pred, equal=weights is None)
            values = values if weights is None else values * kernel.widen(weights)
            mean = backend.add_up(values) / math.prod(values.shape)
            return scale_loss_for_distribution(ops.cast(mean, dtype))

    def _reduced(
        self, y_true: Tensor, y_pred: Tensor, weights: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        """What Keras computes, with sums in float32 at least and the mask that it would drop."""
        with keras.name_scope(self.name):
            dtype = self.dtype
            y_true, y_pred = (ops.convert_to_tensor(y, dtype=dtype) for y in (y_true, y_pred))
            if mask is not None:
                set_keras_mask(y_pred, mask)
            values = kernel.widen(self.call(y_true, y_pred))
            wide = keras.backend.standardize_dtype(values.dtype)
            return ops.cast(
                reduce_weighted_values(values, weights, mask, self.reduction, wide), dtype
            )

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Values per sample, shape ``[batch, d0, .., dN-1]``; their mean is the loss."""
        return self._values(y_true, y_pred, mask=get_keras_mask(y_pred))

    def _values(self, y_true: Tensor, y_pred: Tensor, **known: Any) -> Tensor:
        values = kernel.per_sample_loss_of_replicas(
            y_true, y_pred, self.lambda_, gradient=self.gradient, **known
        )
        return values + self.margin

    def off_diagonal(self, x: Tensor) -> Tensor:
        """Off-diagonal entries of a square matrix, row by row.

        Args:
            x: Matrix of shape ``[n, n]``.

        Returns:
            Vector of shape ``[n * (n - 1)]``.

        Raises:
            ValueError: If ``x`` is not a square matrix.

        Example:
            >>> loss = barlow.losses.Barlow()
            >>> keras.ops.convert_to_numpy(loss.off_diagonal([[1, 2], [3, 4]])).tolist()
            [2, 3]
        """
        x = ops.convert_to_tensor(x)
        if len(x.shape) != 2 or x.shape[0] != x.shape[1]:
            raise InvalidInput(f"`x` must be a square matrix. Received: shape {tuple(x.shape)}.")
        n = ops.shape(x)[0]
        # Row by row, one diagonal entry precedes every n off-diagonal ones.
        k = ops.arange(n * (n - 1), dtype="int32")
        return ops.take(ops.reshape(x, (-1,)), k + k // n + 1)

    def standardize_columns(self, x: Tensor) -> Tensor:
        """Columns with zero mean and unit (biased) deviation; zeros where a column is constant.

        Args:
            x: Embeddings, shape ``[batch, d]`` or ``[batch, d0, .., dN]``; a column runs over
                all axes but the last.

        Returns:
            The standardised embeddings, same shape.

        Raises:
            ValueError: If the rank of ``x`` is below 2.

        Example:
            >>> loss = barlow.losses.Barlow()
            >>> x = keras.ops.array([[1.0, 5.0], [3.0, 5.0]])
            >>> keras.ops.convert_to_numpy(loss.standardize_columns(x)).tolist()
            [[-1.0, 0.0], [1.0, 0.0]]
        """
        x = ops.convert_to_tensor(x, dtype=self.dtype)
        check_embeddings(x, x)
        standardized, _ = kernel.standardize(kernel.widen(ops.reshape(x, (-1, x.shape[-1]))))
        return ops.cast(ops.reshape(standardized, ops.shape(x)), self.dtype)

    def get_config(self) -> dict[str, Any]:
        """Configuration of an equal loss, for :meth:`from_config`."""
        return {
            **super().get_config(),
            "lambda_": self.lambda_,
            "margin": self.margin,
            "gradient": self.gradient,
            **({"dtype": self.dtype} if self._has_dtype else {}),  # else Keras' own, then as now
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Loss from the output of :meth:`get_config`."""
        return cls(**config)


def _divisor(y_pred: Tensor, weights: Tensor | None, mask: Tensor | None) -> Tensor:
    """What a mean over the samples of this replica divides by: their number or their weight."""
    divided = kernel.widen(ops.ones_like(y_pred[..., 0]) if weights is None else weights)
    return ops.sum(divided if mask is None else divided * ops.cast(mask, divided.dtype))


def _of_global_batch(mean: Tensor, divisor: Tensor) -> Tensor:
    """The mean over the global batch, on every replica, from the mean over each replica's samples.

    Its gradient is that of the mean of ``count * mean * divisor / sum(divisor)`` over the
    replicas, so that averaging it, or summing after Keras has divided by their number, is right.
    """
    wide = ops.cast(mean, divisor.dtype)  # Keras' own may be another for no samples
    sums = backend.total(ops.stack([divisor, divisor * ops.stop_gradient(wide)]))
    whole = ops.where(sums[0] > 0, sums[0], ops.ones_like(sums[0]))
    own = wide * (backend.replica_count() * divisor / whole)
    return ops.cast(own + (sums[1] / whole - ops.stop_gradient(own)), mean.dtype)


# The loss' name in models that TensorFlow Similarity saved.
keras.saving.get_custom_objects()["Similarity>Barlow"] = Barlow
