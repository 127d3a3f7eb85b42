"""The two forms of the loss, which are equal to rounding, each with its gradient.

In the symbols of :mod:`barlow.kernel.loss`, the quadratic term ``q_n`` of a sample is

    correlation    q_n = a_n' C b_n                       D x D numbers
    Gram           q_n = 1/N sum_m (a_n.a_m)(b_n.b_m)     N x N numbers

As the views become alike, nearly all of D and ``2 a_n.b_n`` cancels, which leaves rounding errors.
So the values are moved to the mean that ``L`` gives them: its squares cancel nothing.

For an upstream vector ``u`` and ``s = 1/N sum_n u_n a_n o b_n`` the gradient is

    dA = lambda/N [(u_n + u_m) o BB'] A + B o (u_n ((1 - lambda) c_i - 2) + (1 - lambda) s_i)

and ``dB`` with A and B exchanged; in the correlation form with ``BB'A = N B C'``. For a mean over
samples all ``u_n`` are the same, and this is less work: the columns of ``dA`` have zero mean, and
the correlation form needs half of the products.

Augmented assignments run in place on PyTorch, where allocation costs more than arithmetic.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from keras import ops

from barlow.backend import Tensor
from barlow.kernel.standardize import column_mean, samples, standardize, standardize_gradient

Form = Literal["gram", "correlation"]

Pullback = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From the upstream gradient to the gradients of both embeddings, ``[samples, features]``."""

Differentiable = tuple[Tensor, Pullback, Pullback]
"""Values per sample, ``[samples]``; the pullback of an upstream vector ``[samples]``; that of a
scalar, which stands for a vector of equal entries."""

# Columns that the Gram form takes at a time: all but its products then runs in the processor's
# cache, and the temporary memory is that of these columns. Fewer make slow products.
_BLOCK_NUMBERS = 2**19
_BLOCK_COLUMNS = 1024


def cheaper_form(batch: int | None, features: int) -> Form:
    """The form with fewer operations for a mean: Gram ``8 N^2 D``, correlation ``6 N D^2``.

    Where the number of samples is unknown while tracing, it is a batch, and the batches of this
    method are smaller than its projector is wide.
    """
    return "gram" if batch is None or 4 * batch < 3 * features else "correlation"


class _Block(NamedTuple):
    """Some columns of both embeddings, standardised, ``[samples, columns]``."""

    a: Tensor
    b: Tensor
    inverse_std_a: Tensor
    """``[columns]``, as the next two."""
    inverse_std_b: Tensor
    c: Tensor


def gram_form(za: Tensor, zb: Tensor, lambda_: float) -> Differentiable:
    """The Gram form for two matrices ``[samples, features]``, float32 or float64."""
    n = samples(za)
    blocks, gram_a, gram_b, diagonal, mean = [], 0.0, 0.0, 0.0, 0.0
    for columns in _blocks(*za.shape):
        a, inverse_std_a = standardize(za[:, columns])
        b, inverse_std_b = standardize(zb[:, columns])
        products = a * b
        c = column_mean(products)
        gram_a += a @ ops.transpose(a)
        gram_b += b @ ops.transpose(b)
        diagonal += _times(products, (1.0 - lambda_) * c - 2.0)
        mean += _of_diagonal(c, lambda_)
        blocks.append(_Block(a, b, inverse_std_a, inverse_std_b, c))
    pairs = lambda_ / n * gram_a * gram_b
    values = _with_mean(za.shape[1] + diagonal, mean) + _times(pairs, ops.ones_like(pairs[0]))

    def pull_back(u: Tensor) -> tuple[Tensor, Tensor]:
        weights, u = lambda_ / n * (u[:, None] + u[None, :]), u[:, None]
        pairs_a, pairs_b = weights * gram_a, weights * gram_b
        return _joined([_block_gradients(block, pairs_a, pairs_b, u, lambda_) for block in blocks])

    def pull_back_mean(u: Tensor) -> tuple[Tensor, Tensor]:
        pairs_a, pairs_b = 2.0 * lambda_ / n * u * gram_a, 2.0 * lambda_ / n * u * gram_b
        return _joined(
            [_block_gradients_of_mean(block, pairs_a, pairs_b, u, lambda_) for block in blocks]
        )

    return values, pull_back, pull_back_mean


def _block_gradients(
    block: _Block, pairs_a: Tensor, pairs_b: Tensor, u: Tensor, lambda_: float
) -> tuple[Tensor, Tensor]:
    """Gradients of a block for weighted Grams ``[samples, samples]`` and ``u [samples, 1]``."""
    a, b, inverse_std_a, inverse_std_b, c = block
    p = u * ((1.0 - lambda_) * c - 2.0) + (1.0 - lambda_) * column_mean(u * a * b)
    da, db = pairs_b @ a + p * b, pairs_a @ b + p * a
    return (
        standardize_gradient(da, a, inverse_std_a),
        standardize_gradient(db, b, inverse_std_b),
    )


def _block_gradients_of_mean(
    block: _Block, pairs_a: Tensor, pairs_b: Tensor, u: Tensor, lambda_: float
) -> tuple[Tensor, Tensor]:
    """The same for a scalar ``u``. The columns of both gradients have zero mean."""
    a, b, inverse_std_a, inverse_std_b, c = block
    p = 2.0 * u * ((1.0 - lambda_) * c - 1.0)

    def gradient(pairs: Tensor, x: Tensor, y: Tensor, inverse_std: Tensor) -> Tensor:
        dx = pairs @ x
        dx += p * y
        dx -= x * column_mean(dx * x)
        dx *= inverse_std
        return dx

    return gradient(pairs_b, a, b, inverse_std_a), gradient(pairs_a, b, a, inverse_std_b)


def correlation_form(za: Tensor, zb: Tensor, lambda_: float) -> Differentiable:
    """The correlation form for two matrices ``[samples, features]``, float32 or float64."""
    # With W the weights of the entries of C, 1 on the diagonal and lambda off it,
    # dL/dC = 2 (W o C - I), and the part of a sample is D + a_n' (W o C - 2 I) b_n.
    n = samples(za)
    a, inverse_std_a = standardize(za)
    b, inverse_std_b = standardize(zb)
    correlation = ops.transpose(a) @ b
    correlation /= n
    mean = _of_diagonal(ops.diagonal(correlation), lambda_)
    mean += lambda_ * ops.sum(correlation * correlation)
    weighted = _weighted(correlation, lambda_, minus=1.0)
    transformed = a @ weighted
    values = _with_mean(za.shape[1] + ops.sum((transformed - a) * b, axis=1), mean)

    def pull_back(u: Tensor) -> tuple[Tensor, Tensor]:
        u = u[:, None]
        upstream = _weighted(ops.transpose(u * a) @ b / n, lambda_)
        da = u * (b @ ops.transpose(weighted) - b) + b @ ops.transpose(upstream)
        db = u * (transformed - a) + a @ upstream
        return (
            standardize_gradient(da, a, inverse_std_a),
            standardize_gradient(db, b, inverse_std_b),
        )

    def pull_back_mean(u: Tensor) -> tuple[Tensor, Tensor]:
        # mean(dA o A), which would be taken from two N x D matrices, is in C already.
        along = weighted * correlation
        scale_a, scale_b = 2.0 * u * inverse_std_a, 2.0 * u * inverse_std_b
        dza = b @ (ops.transpose(weighted) * scale_a)
        dza -= a * (ops.sum(along, axis=1) * scale_a)
        dzb = transformed * scale_b
        dzb -= b * (ops.sum(along, axis=0) * scale_b)
        return dza, dzb

    return values, pull_back, pull_back_mean


def _weighted(correlation: Tensor, lambda_: float, minus: float = 0.0) -> Tensor:
    """``W o C - minus I``: the diagonal as it is, the rest times lambda."""
    weighted = lambda_ * correlation
    weighted += ops.diag((1.0 - lambda_) * ops.diagonal(correlation) - minus)
    return weighted


def _blocks(batch: int | None, features: int) -> list[slice]:
    """Columns of a matrix, some at a time."""
    width = max(_BLOCK_COLUMNS, _BLOCK_NUMBERS // (batch or 1))
    return [slice(start, start + width) for start in range(0, features, width)]


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Blocks of columns of two matrices, side by side."""
    if len(parts) == 1:
        return parts[0]
    first, second = zip(*parts, strict=True)
    return ops.concatenate(first, axis=1), ops.concatenate(second, axis=1)


def _of_diagonal(c: Tensor, lambda_: float) -> Tensor:
    """The part of ``L`` that the diagonal of C adds to ``lambda ||C||_F^2``."""
    return ops.sum((1.0 - c) * (1.0 - c) - lambda_ * c * c)


def _with_mean(values: Tensor, mean: Tensor) -> Tensor:
    """Values moved to their mean, which is known more exactly than they are."""
    return values + (mean - column_mean(values))


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """``M v`` as a product: XLA would fuse a sum with the products before it and slow them."""
    return (matrix @ vector[:, None])[:, 0]
