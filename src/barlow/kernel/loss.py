"""The Barlow Twins loss, one value per sample, in two forms that are equal to rounding.

With ``A``, ``B`` the embeddings standardised per column (N samples, D features),
``C = A'B / N`` their cross-correlation and ``c`` its diagonal, the loss is

    L = sum_i (1 - c_i)^2 + lambda * (||C||_F^2 - sum_i c_i^2)        (Zbontar et al., 2021, eq. 1)

and the exact mean over samples of

    l_n = D - 2 a_n.b_n + (1 - lambda) sum_i c_i a_ni b_ni + lambda q_n

where the quadratic term ``q_n`` has two forms:

    correlation    q_n = a_n' C b_n                       D x D numbers
    Gram           q_n = 1/N sum_m (a_n.a_m)(b_n.b_m)     N x N numbers

As views become alike, nearly all of D and ``2 a_n.b_n`` cancels and leaves rounding behind. So the
values are moved to the mean that they have by ``L``, which has squares of what is left alone.

For an upstream vector ``u`` and ``s = 1/N sum_n u_n a_n o b_n`` the gradient is

    dA = lambda/N [(u_n + u_m) o BB'] A + B o (u_n ((1 - lambda) c_i - 2) + (1 - lambda) s_i)

and ``dB`` with A and B exchanged; in the correlation form with ``BB'A = N B C'``. A mean over
samples has one and the same ``u_n`` for all, and there this is less work: the columns of ``dA``
have zero mean, and the correlation form needs half of the products.

PyTorch, which fuses nothing, does in place what stands as an augmented assignment: new memory
costs it more than the arithmetic.
"""

from collections.abc import Callable
from typing import Any, Literal

from keras import ops

from barlow import backend
from barlow.kernel.standardize import (
    column_mean,
    samples,
    standardize,
    standardize_gradient,
    widen,
)

Form = Literal["gram", "correlation"]
Gradient = Literal["closed_form", "autodiff"]
# Values per sample, and from the upstream vector to the gradients: in general, and where all of
# its entries are the one that is given.
_Pullback = Callable[[Any], tuple[Any, Any]]
_Differentiable = tuple[Any, _Pullback, _Pullback]

# Columns that the Gram form takes at a time: what it does besides products then finds its numbers
# in the processor's cache, and needs no more memory than for these. Fewer make slow products.
_BLOCK_NUMBERS = 2**19
_BLOCK_COLUMNS = 1024


def per_sample_loss(
    za: Any,
    zb: Any,
    lambda_: float,
    form: Form | None = None,
    gradient: Gradient = "closed_form",
    mask: Any = None,
) -> Any:
    """Barlow Twins loss per sample, with its gradient in closed form.

    Args:
        za: Embeddings of the first view, shape ``[..., features]``, any float dtype. Every
            leading axis counts as samples.
        zb: Embeddings of the second view, same shape and dtype.
        lambda_: Weight of the redundancy term.
        form: ``"gram"`` or ``"correlation"``; ``None`` takes the cheaper one.
        gradient: ``"closed_form"``, or ``"autodiff"`` for what the backend makes of the forward
            pass: slower, and with second derivatives and forward mode.
        mask: Samples that take part in the statistics, shape ``[...]``, boolean. The values of
            the others have no meaning. ``None`` for all.

    Returns:
        Values of shape ``[...]``, in float32 or wider. Their mean, over the samples that take
        part, is the loss. The gradient comes back in the dtype of the inputs.

    Raises:
        NotImplementedError: If the gradient in closed form is differentiated.
    """
    if mask is not None:
        return _masked_loss(za, zb, mask, lambda_, form, gradient)
    leading = ops.shape(za)[:-1]
    za, zb = _matrix(za), _matrix(zb)
    compute = {"gram": _gram, "correlation": _correlation}[form or cheaper_form(*za.shape)]

    @ops.custom_gradient
    def closed_form(za: Any, zb: Any) -> tuple[Any, Callable[..., tuple[Any, Any]]]:
        values, pull_back, pull_back_mean = compute(widen(za), widen(zb), lambda_)

        def pull_back_any(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
            # TensorFlow and JAX pass the upstream gradient alone, PyTorch by its name.
            u = arguments[0] if upstream is None else upstream
            gradients = backend.cond(
                ops.all(u == u[0]), lambda: pull_back_mean(u[0]), lambda: pull_back(u)
            )
            return tuple(
                _differentiable_once(ops.cast(dz, z.dtype), za, zb, u)
                for dz, z in zip(gradients, (za, zb), strict=True)
            )

        return values, pull_back_any

    if gradient == "closed_form":
        values = closed_form(za, zb)
    else:
        values, *_ = compute(widen(za), widen(zb), lambda_)
    return ops.reshape(values, leading)


def _masked_loss(za: Any, zb: Any, mask: Any, *how: Any) -> Any:
    """The loss of the samples in ``mask``.

    A row of column means adds nothing to ``C`` and only makes the deviations smaller, by
    ``sqrt(share)`` with the share of the rows that are not such. So the standardised columns
    are larger by its inverse, which is what makes up for the mean over too many rows: ``C`` and
    the loss are those of the rest, and the values of the rest differ by a factor.
    """
    mask = ops.cast(mask, "bool")[..., None]
    axes = tuple(range(len(za.shape) - 1))

    def filled(z: Any) -> Any:
        z = widen(z)
        count = ops.maximum(ops.sum(ops.cast(mask, z.dtype)), 1.0)
        mean = ops.sum(ops.where(mask, z, ops.zeros_like(z)), axis=axes) / count
        return ops.where(mask, z, mean), count

    (za, count), (zb, _) = filled(za), filled(zb)
    share = count / ops.cast(ops.size(za) // za.shape[-1], za.dtype)
    features = za.shape[-1]
    return features + share * (per_sample_loss(za, zb, *how) - features)


def invariance(za: Any, zb: Any) -> Any:
    """Invariance term ``sum_i (1 - c_i)^2`` of two batches ``[..., features]``, a scalar."""
    a, _ = standardize(widen(_matrix(za)))
    b, _ = standardize(widen(_matrix(zb)))
    return ops.sum(ops.square(1.0 - column_mean(a * b)))


def cheaper_form(batch: int | None, features: int) -> Form:
    """The form with fewer operations for a mean: Gram ``8 N^2 D``, correlation ``6 N D^2``.

    Where the number of samples is not known while tracing, it is a batch, and the batches of
    this method are smaller than its projector is wide.
    """
    return "gram" if batch is None or 4 * batch < 3 * features else "correlation"


def _gram(za: Any, zb: Any, lambda_: float) -> _Differentiable:
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
        blocks.append((a, b, inverse_std_a, inverse_std_b, c))
    pairs = lambda_ / n * gram_a * gram_b
    values = _with_mean(za.shape[1] + diagonal, mean) + _times(pairs, ops.ones_like(pairs[0]))

    def pull_back(u: Any) -> tuple[Any, Any]:
        weights, u = lambda_ / n * (u[:, None] + u[None, :]), u[:, None]
        pairs_a, pairs_b = weights * gram_a, weights * gram_b
        parts = []
        for a, b, inverse_std_a, inverse_std_b, c in blocks:
            p = u * ((1.0 - lambda_) * c - 2.0) + (1.0 - lambda_) * column_mean(u * a * b)
            da, db = pairs_b @ a + p * b, pairs_a @ b + p * a
            parts.append(
                (
                    standardize_gradient(da, a, inverse_std_a),
                    standardize_gradient(db, b, inverse_std_b),
                )
            )
        return _joined(parts)

    def pull_back_mean(u: Any) -> tuple[Any, Any]:
        pairs_a, pairs_b = 2.0 * lambda_ / n * u * gram_a, 2.0 * lambda_ / n * u * gram_b
        parts = []
        for a, b, inverse_std_a, inverse_std_b, c in blocks:
            p = 2.0 * u * ((1.0 - lambda_) * c - 1.0)
            parts.append(
                tuple(
                    _standardize_gradient_of_mean(pairs @ x, p * y, x, inverse_std)
                    for pairs, x, y, inverse_std in (
                        (pairs_b, a, b, inverse_std_a),
                        (pairs_a, b, a, inverse_std_b),
                    )
                )
            )
        return _joined(parts)

    return values, pull_back, pull_back_mean


def _correlation(za: Any, zb: Any, lambda_: float) -> _Differentiable:
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

    def pull_back(u: Any) -> tuple[Any, Any]:
        u = u[:, None]
        upstream = _weighted(ops.transpose(u * a) @ b / n, lambda_)
        da = u * (b @ ops.transpose(weighted) - b) + b @ ops.transpose(upstream)
        db = u * (transformed - a) + a @ upstream
        return (
            standardize_gradient(da, a, inverse_std_a),
            standardize_gradient(db, b, inverse_std_b),
        )

    def pull_back_mean(u: Any) -> tuple[Any, Any]:
        # mean(dA o A), which would be taken from two N x D matrices, is in C already.
        along = weighted * correlation
        scale_a, scale_b = 2.0 * u * inverse_std_a, 2.0 * u * inverse_std_b
        dza = b @ (ops.transpose(weighted) * scale_a)
        dza -= a * (ops.sum(along, axis=1) * scale_a)
        dzb = transformed * scale_b
        dzb -= b * (ops.sum(along, axis=0) * scale_b)
        return dza, dzb

    return values, pull_back, pull_back_mean


def _standardize_gradient_of_mean(
    gradient: Any, diagonal: Any, standardized: Any, inverse_std: Any
) -> Any:
    """`standardize_gradient` of a sum whose columns have zero mean; overwrites what it can."""
    gradient += diagonal
    gradient -= standardized * column_mean(gradient * standardized)
    gradient *= inverse_std
    return gradient


def _weighted(correlation: Any, lambda_: float, minus: float = 0.0) -> Any:
    """``W o C``, the diagonal as it is and the rest times lambda, minus so many identities."""
    weighted = lambda_ * correlation
    weighted += ops.diag((1.0 - lambda_) * ops.diagonal(correlation) - minus)
    return weighted


def _blocks(batch: int | None, features: int) -> list[slice]:
    """Columns of a matrix, some at a time."""
    width = max(_BLOCK_COLUMNS, _BLOCK_NUMBERS // (batch or 1))
    return [slice(start, start + width) for start in range(0, features, width)]


def _joined(parts: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Blocks of columns of two matrices, side by side."""
    if len(parts) == 1:
        return parts[0]
    first, second = zip(*parts, strict=True)
    return ops.concatenate(first, axis=1), ops.concatenate(second, axis=1)


def _of_diagonal(c: Any, lambda_: float) -> Any:
    """What the loss has of the diagonal of C, besides ``lambda ||C||_F^2``."""
    return ops.sum((1.0 - c) * (1.0 - c) - lambda_ * c * c)


def _with_mean(values: Any, mean: Any) -> Any:
    """Values moved to their mean, where that is known more exactly than they are."""
    return values + (mean - column_mean(values))


def _times(matrix: Any, vector: Any) -> Any:
    """``M v`` as a product: XLA would draw a sum into the products before it, and slow them."""
    return (matrix @ vector[:, None])[:, 0]


def _differentiable_once(gradient: Any, *inputs: Any) -> Any:
    """A gradient whose own gradient is refused: what it was made from is hidden from autodiff."""

    @ops.custom_gradient
    def guarded(gradient: Any, *inputs: Any) -> tuple[Any, Callable[..., Any]]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise NotImplementedError(
                "The gradient in closed form cannot be differentiated again. For second "
                "derivatives take Barlow(gradient='autodiff')."
            )

        return gradient, refuse

    return guarded(gradient, *inputs)


def _matrix(z: Any) -> Any:
    """One row per sample: shape ``[..., features]`` to ``[samples, features]``."""
    return z if len(z.shape) == 2 else ops.reshape(z, (-1, z.shape[-1]))
