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

There are two ways to compute a form. On a CPU it takes blocks of columns, whose passes run in the
processor's cache. Where every operation costs more than its arithmetic, on a GPU for one, it takes
``few`` operations: all columns at once, and no result is asked for.
"""

import operator
from collections.abc import Callable
from typing import Literal, NamedTuple

from keras import ops

from barlow import backend
from barlow.backend import Tensor
from barlow.kernel.standardize import column_mean, samples, standardize_both, standardize_gradients

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
    is_known = isinstance(batch, int)  # JAX has symbols for what is not
    return "correlation" if is_known and 4 * batch >= 3 * features else "gram"


class _Block(NamedTuple):
    """Some columns of both embeddings, standardised, ``[samples, columns]``."""

    a: Tensor
    b: Tensor
    inverse_std_a: Tensor
    """``[columns]``, as the next two."""
    inverse_std_b: Tensor
    w: Tensor
    """``(1 - lambda) c - 2``"""
    p: Tensor
    """``2 (1 - lambda) c - 2``"""


def gram_form(za: Tensor, zb: Tensor, lambda_: float, few: bool) -> Differentiable:
    """The Gram form for two matrices ``[samples, features]``, float32 or float64."""
    n = samples(za)
    blocks, sums = [], []
    for columns in [slice(None)] if few else _blocks(*za.shape):
        block, of_block = _block(za[:, columns], zb[:, columns], lambda_, few)
        blocks.append(block)
        sums = list(map(operator.iadd, sums, of_block)) if sums else of_block
    gram_a, gram_b, diagonal, mean = sums
    pairs = gram_a * gram_b
    of_pairs = column_mean(pairs) if few else _times(pairs, ops.ones_like(pairs[0])) / n
    values = backend.add_scaled(_with_mean(za.shape[1] + diagonal, mean), of_pairs, lambda_)

    def pull_back(u: Tensor) -> tuple[Tensor, Tensor]:
        weights, u = lambda_ / n * (u[:, None] + u[None, :]), u[:, None]
        pairs = weights * gram_a, weights * gram_b
        return _joined([_block_gradients(block, *pairs, u, lambda_, few) for block in blocks])

    def pull_back_mean(u: Tensor) -> tuple[Tensor, Tensor]:
        grams, factor = (gram_a, gram_b), 2.0 * lambda_ / n
        return _joined(
            [_block_gradients_of_mean(block, *grams, u, factor, few) for block in blocks]
        )

    return values, pull_back, pull_back_mean


def _block(
    za: Tensor, zb: Tensor, lambda_: float, few: bool
) -> tuple[_Block, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A block; what it adds to both Grams, to the diagonal's part of the values and of the mean."""
    (a, inverse_std_a), (b, inverse_std_b) = standardize_both(za, zb, few)
    products = a * b
    c = column_mean(products)
    own = (1.0 - lambda_) * c
    w = own - 2.0
    diagonal = _times(products, w)
    grams = a @ ops.transpose(a), b @ ops.transpose(b)
    block = _Block(a, b, inverse_std_a, inverse_std_b, w, w + own)
    return block, (*grams, diagonal, _of_diagonal(c, lambda_))


def _block_gradients(
    block: _Block, pairs_a: Tensor, pairs_b: Tensor, u: Tensor, lambda_: float, few: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of a block for weighted Grams ``[samples, samples]`` and ``u [samples, 1]``."""
    a, b, inverse_std_a, inverse_std_b, w, _ = block
    p = u * w + (1.0 - lambda_) * column_mean(u * a * b)
    da, db = backend.add_product(p * b, pairs_b, a), backend.add_product(p * a, pairs_a, b)
    return standardize_gradients([da, db], [a, b], [inverse_std_a, inverse_std_b], few)


def _block_gradients_of_mean(
    block: _Block, gram_a: Tensor, gram_b: Tensor, u: Tensor, factor: float, few: bool
) -> tuple[Tensor, Tensor]:
    """The same for a scalar ``u``, with a factor of the Grams."""
    a, b, inverse_std_a, inverse_std_b, _, p = block
    scales = [u * inverse_std_a, u * inverse_std_b]

    def of_standardized(gram: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return backend.add_product(p * y, gram, x, factor)

    if few:
        gradients = [of_standardized(gram_b, a, b), of_standardized(gram_a, b, a)]
        return standardize_gradients(gradients, [a, b], scales, few, centred=True)

    def gradient(gram: Tensor, x: Tensor, y: Tensor, scale: Tensor) -> Tensor:
        dx = of_standardized(gram, x, y)
        dx -= x * column_mean(dx * x)  # its columns have zero mean
        dx *= scale
        return dx

    return gradient(gram_b, a, b, scales[0]), gradient(gram_a, b, a, scales[1])


def correlation_form(za: Tensor, zb: Tensor, lambda_: float, few: bool) -> Differentiable:
    """The correlation form for two matrices ``[samples, features]``, float32 or float64."""
    # With W the weights of the entries of C, 1 on the diagonal and lambda off it,
    # dL/dC = 2 (W o C - I), and the part of a sample is D + a_n' (W o C - 2 I) b_n.
    n = samples(za)
    (a, inverse_std_a), (b, inverse_std_b) = standardize_both(za, zb, few)
    correlation = ops.transpose(a) @ b
    correlation /= n
    mean = _of_diagonal(ops.diagonal(correlation), lambda_)
    mean += lambda_ * backend.add_up(correlation * correlation)
    weighted = _weighted(correlation, lambda_, minus=1.0)
    transformed = a @ weighted
    values = _with_mean(za.shape[1] + ops.sum((transformed - a) * b, axis=1), mean)

    def pull_back(u: Tensor) -> tuple[Tensor, Tensor]:
        u = u[:, None]
        upstream, share = _weighted(ops.transpose(u * a) @ b, lambda_), 1.0 / n
        da = u * (b @ ops.transpose(weighted) - b)
        da = backend.add_product(da, b, ops.transpose(upstream), share)
        db = backend.add_product(u * (transformed - a), a, upstream, share)
        return standardize_gradients([da, db], [a, b], [inverse_std_a, inverse_std_b], few)

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
    diagonal = (1.0 - lambda_) * ops.diagonal(correlation)
    return backend.add_to_diagonal(lambda_ * correlation, diagonal - minus if minus else diagonal)


def _blocks(batch: int | None, features: int) -> list[slice]:
    """Columns of a matrix, some at a time."""
    rows = batch if isinstance(batch, int) else 1
    width = max(_BLOCK_COLUMNS, _BLOCK_NUMBERS // max(1, rows))
    return [slice(start, start + width) for start in range(0, features, width)]


def _joined(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Blocks of columns of two matrices, side by side."""
    if len(parts) == 1:
        return parts[0]
    first, second = zip(*parts, strict=True)
    return ops.concatenate(first, axis=1), ops.concatenate(second, axis=1)


def _of_diagonal(c: Tensor, lambda_: float) -> Tensor:
    """The part of ``L`` that the diagonal of C adds to ``lambda ||C||_F^2``."""
    off = 1.0 - c
    return backend.add_up(backend.add_scaled(off * off, c * c, -lambda_))


def _with_mean(values: Tensor, mean: Tensor) -> Tensor:
    """Values moved to their mean, which is known more exactly than they are."""
    return values + (mean - column_mean(values))


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """``M v`` as a product: XLA would fuse a sum with the products before it and slow them."""
    return (matrix @ vector[:, None])[:, 0]
