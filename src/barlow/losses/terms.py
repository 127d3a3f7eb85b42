"""What a value of the loss means: its two terms, and levels to compare them with."""

import math
from typing import NamedTuple

from keras import ops

from barlow import backend, kernel
from barlow.backend import Tensor
from barlow.errors import InvalidInput
from barlow.losses.inputs import check_embeddings, check_lambda, of_known_features


class Terms(NamedTuple):
    """The two terms of the loss, which add up to it, and levels to compare them with."""

    invariance: Tensor
    """``sum_i (1 - c_i)^2``: how far the features of the two views differ."""
    redundancy: Tensor
    """``lambda * sum_{i != j} c_ij^2``: how much the features repeat each other."""
    effective_features: Tensor
    """Number of independent features with the same redundancy, 1 .. D (participation ratio)."""
    start: float
    """Expected loss of embeddings that share nothing; see :func:`levels`."""
    floor: float
    """Expected loss of perfect embeddings, from sampling noise; see :func:`levels`."""


class Levels(NamedTuple):
    """Two values between which a training loss lies."""

    start: float
    """Expected loss of embeddings that share nothing: neither views nor features agree."""
    floor: float
    """Expected loss of perfect embeddings: views agree, features are independent. The rest is
    sampling noise; on unseen batches no encoder is expected below it."""


def terms(za: Tensor, zb: Tensor, lambda_: float = 0.005) -> Terms:
    """Is this loss normal? Its two terms, and levels to compare them with.

    ``invariance`` (do the views agree?) and ``redundancy`` (do features repeat each other?) are
    the terms of the loss (Zbontar et al., 2021, eq. 1). A healthy run falls from ``start`` towards
    ``floor``. If invariance stays near D, the views share too little or the learning rate is
    wrong; if ``effective_features`` falls towards 1, the embeddings collapse.

    ``effective_features`` is ``D^2 / (D + sum_{i != j} c_ij^2)``, with the expected sampling noise
    subtracted from the sum: D for independent features, 1 for copies of one feature.

    Args:
        za: Embeddings of the first view, shape ``[..., features]``; every leading axis counts
            as samples.
        zb: Embeddings of the second view, same shape and dtype.
        lambda_: Weight of the redundancy term, unitless, >= 0. Defaults to 0.005.

    Returns:
        :class:`Terms`: three scalar tensors, the redundancy times ``lambda_``, and two numbers.

    Raises:
        ValueError: If the shapes differ, if they have rank below 2 or fewer than two samples, or
            if ``lambda_`` is negative or not finite.

    Example:
        >>> z = keras.random.normal((256, 64), seed=0)
        >>> terms = barlow.losses.terms(z, z)
        >>> float(terms.invariance) < 1e-6, float(terms.effective_features) > 60
        (True, True)
    """
    za, zb = ops.convert_to_tensor(za), ops.convert_to_tensor(zb)
    check_embeddings(za, zb)
    check_lambda(lambda_)
    *leading, features = of_known_features(za, zb)[0].shape
    if None in leading:
        raise InvalidInput(
            "The levels of the loss follow from the number of samples, which must be known. "
            f"Received: shape {tuple(za.shape)}. Give it with `set_shape`, or call this outside "
            "of the graph."
        )
    start, floor = levels(math.prod(leading), features, lambda_)
    invariance = kernel.invariance(za, zb)
    off_diagonal = ops.mean(kernel.per_sample_loss(za, zb, lambda_=1.0)) - invariance
    noise = levels(math.prod(leading), features, lambda_=1.0).floor
    redundant = ops.maximum(off_diagonal - noise, 0.0)
    return Terms(
        invariance,
        lambda_ * off_diagonal,
        features**2 / (features + redundant),
        start,
        floor,
    )


def cross_correlation(za: Tensor, zb: Tensor) -> Tensor:
    """Correlation of every feature of one view with every feature of the other.

    The matrix ``C`` of the paper (Zbontar et al., 2021, eq. 2), which the loss pulls towards the
    identity. The loss itself does not always compute it.

    Args:
        za: Embeddings of the first view, shape ``[samples, features]``.
        zb: Embeddings of the second view, same shape and dtype.

    Returns:
        Tensor ``[features, features]`` with values -1 .. 1, 0 for constant features.

    Raises:
        ValueError: If the shapes differ or are not of rank 2.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(1000, 3)).astype("float32")
        >>> np.round(keras.ops.convert_to_numpy(barlow.losses.cross_correlation(z, -z)).diagonal())
        array([-1., -1., -1.], dtype=float32)
    """
    za, zb = ops.convert_to_tensor(za), ops.convert_to_tensor(zb)
    check_embeddings(za, zb)
    if len(za.shape) != 2:
        raise InvalidInput(
            "The cross-correlation is one of matrices, [samples, features]. Received: shape "
            f"{tuple(za.shape)}. Reshape it: keras.ops.reshape(z, (-1, z.shape[-1]))."
        )
    a, b = (kernel.standardize(kernel.widen(z))[0] for z in of_known_features(za, zb))
    with backend.full_precision(a):
        return (ops.transpose(a) @ b) / kernel.samples(a)


def levels(batch: int, features: int, lambda_: float = 0.005) -> Levels:
    """Expected loss at the start, and its floor from sampling noise.

    Two independent columns of ``N`` samples have an expected squared correlation of
    ``1 / (N - 1)``, whatever their distribution. So with independent features the ``D (D - 1)``
    off-diagonal entries of the cross-correlation add up to

        floor = lambda D (D - 1) / (N - 1)

    and if the views are unrelated too, the diagonal adds ``D (1 + 1 / (N - 1))``. A projector of
    2,048 features starts at a loss of 2,100, which is not a fault.

    Args:
        batch: Number of samples ``N`` in a batch, at least 2.
        features: Number of features ``D`` of the projector's output, at least 1.
        lambda_: Weight of the redundancy term, unitless, >= 0. Defaults to 0.005.

    Returns:
        ``Levels(start, floor)``.

    Raises:
        ValueError: If ``batch`` is below 2 or ``features`` below 1.

    Example:
        >>> start, floor = barlow.losses.levels(batch=256, features=2048)
        >>> round(start), round(floor)
        (2138, 82)
    """
    if batch < 2 or features < 1:
        raise InvalidInput(
            "The loss needs at least two samples and one feature to correlate. "
            f"Received: batch={batch}, features={features}."
        )
    noise = 1.0 / (batch - 1)
    floor = lambda_ * features * (features - 1) * noise
    return Levels(start=features * (1.0 + noise) + floor, floor=floor)
