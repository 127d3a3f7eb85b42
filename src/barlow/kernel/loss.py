"""The Barlow Twins loss, one value per sample, in two forms that are equal to rounding.

With ``A``, ``B`` the embeddings standardised per column (N samples, D features),
``C = A'B / N`` their cross-correlation and ``c`` its diagonal, the loss is

    L = sum_i (1 - c_i)^2 + lambda * (||C||_F^2 - sum_i c_i^2)        (Zbontar et al., 2021, eq. 1)

and the exact mean over samples of

    l_n = D - 2 a_n.b_n + (1 - lambda) sum_i c_i a_ni b_ni + lambda q_n

where the quadratic term ``q_n`` has two forms:

    correlation    q_n = a_n' C b_n                       D x D numbers, 6 N D^2 operations
    Gram           q_n = 1/N sum_m (a_n.a_m)(b_n.b_m)     N x N numbers, 8 N^2 D operations

counted forward and backward. For an upstream vector ``u`` and ``s = sum_n u_n a_n o b_n``,

    P  = -2 u_n + (1 - lambda)(u_n c_i + s_i / N)
    dA = P o B + lambda/N [(u_n + u_m) o BB'] A            and dB with A and B exchanged.
"""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from barlow.kernel.standardize import column_mean, standardize, standardize_gradient

Form = Literal["gram", "correlation"]
# A form takes A, B and lambda/N. It gives lambda * q and a function from the upstream vector
# to the parts of dA and dB that lambda * q contributes.
_Quadratic = tuple[Any, Callable[[Any], tuple[Any, Any]]]


def per_sample_loss(za: Any, zb: Any, lambda_: float, form: Form | None = None) -> Any:
    """Barlow Twins loss per sample, with its gradient in closed form.

    Args:
        za: Embeddings of the first view, shape ``[..., features]``, any float dtype. Every
            leading axis counts as samples.
        zb: Embeddings of the second view, same shape and dtype.
        lambda_: Weight of the redundancy term.
        form: ``"gram"`` or ``"correlation"``; ``None`` takes the cheaper one.

    Returns:
        Values of shape ``[...]``, in float32 or wider. Their mean is the loss. The gradient
        comes back in the dtype of the inputs.
    """
    leading = ops.shape(za)[:-1]
    za, zb = _matrix(za), _matrix(zb)
    quadratic = {"gram": _gram, "correlation": _correlation}[form or cheaper_form(*za.shape)]

    @ops.custom_gradient
    def loss(za: Any, zb: Any) -> tuple[Any, Callable[..., tuple[Any, Any]]]:
        a, inverse_std_a = standardize(_widen(za))
        b, inverse_std_b = standardize(_widen(zb))
        samples = ops.cast(ops.shape(a)[0], a.dtype)
        products = a * b
        c = column_mean(products)
        slope = (1.0 - lambda_) * c - 2.0
        weighted_q, pull_q_back = quadratic(a, b, lambda_ / samples)
        values = a.shape[1] + (products @ slope[:, None])[:, 0] + weighted_q

        def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
            # TensorFlow and JAX pass the upstream gradient alone, PyTorch by its name.
            u = arguments[0] if upstream is None else upstream
            shared = (1.0 - lambda_) / samples * (u[None, :] @ products)[0]
            p = u[:, None] * slope + shared
            qa, qb = pull_q_back(u)
            dza = standardize_gradient(p * b + qa, a, inverse_std_a)
            dzb = standardize_gradient(p * a + qb, b, inverse_std_b)
            return ops.cast(dza, za.dtype), ops.cast(dzb, zb.dtype)

        return values, gradient

    return ops.reshape(loss(za, zb), leading)


def invariance(za: Any, zb: Any) -> Any:
    """Invariance term ``sum_i (1 - c_i)^2`` of two batches ``[..., features]``, a scalar."""
    a, _ = standardize(_widen(_matrix(za)))
    b, _ = standardize(_widen(_matrix(zb)))
    return ops.sum(ops.square(1.0 - column_mean(a * b)))


def cheaper_form(samples: int | None, features: int) -> Form:
    """The form with fewer operations: Gram where ``8 N^2 D < 6 N D^2``.

    Where the number of samples is not known while tracing, it is a batch, and the batches of
    this method are smaller than its projector is wide.
    """
    return "gram" if samples is None or 4 * samples < 3 * features else "correlation"


def _gram(a: Any, b: Any, weight: Any) -> _Quadratic:
    gram_a = a @ ops.transpose(a)
    gram_b = b @ ops.transpose(b)

    def pull_back(u: Any) -> tuple[Any, Any]:
        pairs = weight * (u[:, None] + u[None, :])
        return (pairs * gram_b) @ a, (pairs * gram_a) @ b

    return weight * ops.sum(gram_a * gram_b, axis=1), pull_back


def _correlation(a: Any, b: Any, weight: Any) -> _Quadratic:
    # sum_m (a_n.a_m)(b_n.b_m) = a_n' (sum_m a_m b_m') b_n; the sum in the middle is N C.
    correlation = weight * (ops.transpose(a) @ b)
    ac = a @ correlation

    def pull_back(u: Any) -> tuple[Any, Any]:
        # The same sum with sample m weighted by u_m stands for the part of u_m in (u_n + u_m).
        upstream = weight * (ops.transpose(u[:, None] * a) @ b)
        bc = b @ ops.transpose(correlation)
        u = u[:, None]
        return (
            u * bc + b @ ops.transpose(upstream),
            u * ac + a @ upstream,
        )

    return ops.sum(ac * b, axis=1), pull_back


def _matrix(z: Any) -> Any:
    """One row per sample: shape ``[..., features]`` to ``[samples, features]``."""
    return z if len(z.shape) == 2 else ops.reshape(z, (-1, z.shape[-1]))


def _widen(z: Any) -> Any:
    """Half precision to float32; float32 and float64 as they are.

    Keras' own promotion, and its ``matmul`` on PyTorch, would turn float64 into float32.
    """
    is_double = keras.backend.standardize_dtype(z.dtype) == "float64"
    return z if is_double else ops.cast(z, "float32")
