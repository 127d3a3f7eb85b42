"""The Barlow Twins loss, one value per sample, and its gradient in closed form.

With ``A``, ``B`` the embeddings standardised per column (N samples, D features),
``C = A'B / N`` their cross-correlation and ``c`` its diagonal, the loss is

    L = sum_i (1 - c_i)^2 + lambda * (||C||_F^2 - sum_i c_i^2)        (Zbontar et al., 2021, eq. 1)

and the exact mean over samples of

    l_n = D - 2 a_n.b_n + (1 - lambda) sum_i c_i a_ni b_ni + lambda q_n

where the quadratic term ``q_n`` has the two forms of :mod:`barlow.kernel.forms`.

Where a batch lies on several replicas, each of them gathers the embeddings of all, computes the
loss of the whole batch and keeps its own rows. So loss and gradient are those of one device.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

from keras import ops

from barlow import backend
from barlow.backend import Tensor
from barlow.kernel.forms import Form, cheaper_form, correlation_form, gram_form
from barlow.kernel.standardize import column_mean, standardize, widen

Gradient = Literal["closed_form", "autodiff"]


def per_sample_loss(
    za: Tensor,
    zb: Tensor,
    lambda_: float,
    form: Form | None = None,
    gradient: Gradient = "closed_form",
    mask: Tensor | None = None,
    equal: bool = False,
    few: bool | None = None,
) -> Tensor:
    """Barlow Twins loss per sample, with its gradient in closed form.

    Args:
        za: Embeddings of the first view, shape ``[..., features]``, any float dtype. Every
            leading axis counts as samples.
        zb: Embeddings of the second view, same shape and dtype.
        lambda_: Weight of the redundancy term.
        form: ``"gram"`` or ``"correlation"``. Defaults to ``None``, the cheaper one.
        gradient: ``"closed_form"``, or ``"autodiff"`` for the backend's differentiation of the
            forward pass: slower, and with second derivatives and forward mode.
        mask: Samples that take part in the statistics, shape ``[...]``, boolean. The values of
            the others have no meaning. Defaults to ``None``, all.
        equal: Whether the values will all have the same weight, as in their mean. The gradient
            then takes the first weight for all. Defaults to ``False``: it looks at them.
        few: Whether in few operations, in place of few passes through a cache. Defaults to
            ``None``: where that is faster, by the device of the embeddings.

    Returns:
        Values of shape ``[...]``, in float32 or wider. Their mean, over the samples that take
        part, is the loss. Gradients have the dtype of the inputs.

    Raises:
        NotImplementedError: If the gradient in closed form is differentiated.
    """
    if mask is not None:
        return _masked_loss(za, zb, mask, lambda_, form, gradient, equal=equal, few=few)
    leading = ops.shape(za)[:-1]
    # Of a batch that is not known, there are at least as many samples as in one of its elements.
    known = math.prod([size for size in za.shape[:-1] if isinstance(size, int)])
    za, zb = _matrix(za), _matrix(zb)
    forms = {"gram": gram_form, "correlation": correlation_form}
    rows = za.shape[0] if isinstance(za.shape[0], int) else known
    compute = forms[form or cheaper_form(rows, za.shape[1])]
    few = backend.favours_few_operations(za) if few is None else few

    @backend.custom_gradient
    def closed_form(za: Tensor, zb: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
        values, pull_back, pull_back_mean = compute(widen(za), widen(zb), lambda_, few)

        def pull_back_any(u: Tensor) -> tuple[Tensor, ...]:
            gradients = backend.cond(
                equal or backend.equal_entries(u),
                lambda: pull_back_mean(u[0]),
                lambda: pull_back(u),
            )
            return tuple(
                _differentiable_once(_as(dz, z.dtype), za, zb, u)
                for dz, z in zip(gradients, (za, zb), strict=True)
            )

        return values, pull_back_any

    if gradient == "closed_form":
        values = closed_form(za, zb)
    else:
        with backend.full_precision(za):
            values, *_ = compute(widen(za), widen(zb), lambda_, few)
    return values if len(leading) == 1 else ops.reshape(values, leading)


def _masked_loss(za: Tensor, zb: Tensor, mask: Tensor, *how: Any, **other: Any) -> Tensor:
    """The loss of the samples in ``mask``.

    The other rows take the column's mean. Such a row adds nothing to ``C`` but makes the
    deviations smaller, by ``sqrt(share)`` with the share of the rows in the mask. The standardised
    columns grow by the inverse, which makes up for the mean over too many rows: ``C`` and the loss
    are those of the rows in the mask, and their values differ by a factor.
    """
    mask = ops.cast(mask, "bool")[..., None]
    axes = tuple(range(len(za.shape) - 1))

    def filled(z: Tensor) -> tuple[Tensor, Tensor]:
        z = widen(z)
        count = ops.sum(ops.cast(mask, z.dtype))
        count += ops.cast(count == 0, z.dtype)
        mean = ops.sum(ops.where(mask, z, ops.zeros_like(z)), axis=axes) / count
        return ops.where(mask, z, mean), count

    (za, count), (zb, _) = filled(za), filled(zb)
    known = None not in mask.shape
    share = count / (math.prod(mask.shape) if known else ops.cast(ops.size(mask), za.dtype))
    features = za.shape[-1]
    return features + share * (per_sample_loss(za, zb, *how, **other) - features)


def per_sample_loss_of_replicas(
    za: Tensor,
    zb: Tensor,
    lambda_: float,
    gradient: Gradient = "closed_form",
    mask: Tensor | None = None,
    equal: bool = False,
) -> Tensor:
    """The same for the samples of this replica, in the global batch of all replicas.

    The gradient is that of the sum over the replicas of their values times their upstream
    gradients. All replicas must call this, a replica without samples too; one that is alone
    computes :func:`per_sample_loss`.

    Args:
        za: Embeddings of the first view, shape ``[..., features]``, of this replica.
        zb: Embeddings of the second view, same shape and dtype.
        lambda_: Weight of the redundancy term.
        gradient: As for :func:`per_sample_loss`; on several replicas there are no second
            derivatives.
        mask: As for :func:`per_sample_loss`.
        equal: As for :func:`per_sample_loss`, on one device; on several the weights are looked at.

    Returns:
        Values of shape ``[...]``, in float32 or wider.
    """
    if backend.replica_count() == 1:
        return per_sample_loss(za, zb, lambda_, gradient=gradient, mask=mask, equal=equal)
    leading, features = ops.shape(za)[:-1], za.shape[-1]
    za, zb = _matrix(za), _matrix(zb)
    share = backend.share(ops.shape(za)[0])
    if mask is not None:  # as integers: not every way between devices carries booleans
        mask = share.gather(ops.reshape(ops.cast(mask, "int32"), (-1,)))

    def loss(both: Tensor) -> tuple[Tensor, None]:
        a, b = both[:, :features], both[:, features:]
        return per_sample_loss(a, b, lambda_, gradient=gradient, mask=mask), None

    @backend.custom_gradient
    def own_values(za: Tensor, zb: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
        both = share.gather(ops.concatenate([za, zb], axis=1))
        values, pull_back, _ = backend.vjp(loss, [both])

        def pull_back_own(u: Tensor) -> tuple[Tensor, ...]:
            (gradient,) = pull_back(share.gather(u))
            own = share.own(gradient)
            return tuple(
                _differentiable_once(dz, za, zb, u) for dz in (own[:, :features], own[:, features:])
            )

        return share.own(values), pull_back_own

    return ops.reshape(own_values(za, zb), leading)


def invariance(za: Tensor, zb: Tensor, share: backend.Share | None = None) -> Tensor:
    """Invariance term ``sum_i (1 - c_i)^2`` of two batches ``[..., features]``, a scalar.

    Args:
        za: Embeddings of the first view.
        zb: Embeddings of the second view, same shape and dtype.
        share: The share of these samples in the global batch of all replicas. Defaults to
            ``None``: they are the batch.
    """
    a, b = (standardize(widen(_matrix(z)), share)[0] for z in (za, zb))
    return ops.sum(ops.square(1.0 - column_mean(a * b, share)))


def _differentiable_once(gradient: Tensor, *inputs: Tensor) -> Tensor:
    """A gradient that refuses to be differentiated: autodiff would not see its inputs."""
    if not backend.records_gradients():
        return gradient

    @backend.custom_gradient
    def guarded(gradient: Tensor, *inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], Any]]:
        def refuse(_: Tensor) -> Any:
            raise NotImplementedError(
                "This gradient cannot be differentiated again. For second derivatives take "
                "Barlow(gradient='autodiff') on one device."
            )

        return gradient, refuse

    return guarded(gradient, *inputs)


def _as(x: Tensor, dtype: Any) -> Tensor:
    """`ops.cast` that costs nothing where there is nothing to do."""
    return x if x.dtype == dtype else ops.cast(x, dtype)


def _matrix(z: Tensor) -> Tensor:
    """One row per sample: shape ``[..., features]`` to ``[samples, features]``."""
    return z if len(z.shape) == 2 else ops.reshape(z, (-1, z.shape[-1]))
