"""The inputs of the loss and its terms: checked, and brought to one form."""

import math

import numpy as np
from keras import ops

from barlow.backend import Tensor
from barlow.errors import InvalidInput


def check_lambda(lambda_: float) -> None:
    """Refuse a weight that is negative, infinite or NaN."""
    if not math.isfinite(lambda_):
        raise InvalidInput(f"`lambda_` must be finite. Received: lambda_={lambda_}.")
    if lambda_ < 0:
        raise InvalidInput(f"`lambda_` must not be negative. Received: lambda_={lambda_}.")


def check_embeddings(y_true: Tensor, y_pred: Tensor) -> None:
    """Refuse two batches of different shapes, or without an axis of samples.

    Accepted are two of one shape ``[..., features]``; unknown sizes fit any other.
    """
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    if len(true_shape) != len(pred_shape) or not all(
        None in (t, p) or t == p for t, p in zip(true_shape, pred_shape, strict=True)
    ):
        raise InvalidInput(
            "`y_true` and `y_pred` must be two batches of embeddings of the same shape. "
            f"Received: y_true of shape {true_shape}, y_pred of shape {pred_shape}."
        )
    if len(pred_shape) < 2:
        raise InvalidInput(
            "Embeddings have an axis of samples and, last, an axis of features. "
            f"Received: shape {pred_shape}."
        )


def with_shape(x: Tensor) -> Tensor:
    """Lists become arrays; tensors and arrays stay as they are."""
    return x if hasattr(x, "shape") else np.asarray(x)


def of_known_features(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """The same, with the number of features that one of them may know in a graph alone."""
    known = [y.shape[-1] for y in (y_true, y_pred) if y.shape[-1] is not None]
    if len(known) == 2:
        return y_true, y_pred
    if not known:
        raise InvalidInput(
            "The number of features must be known. Received: shapes "
            f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}. Give it with `set_shape`, "
            "`keras.ops.reshape` or the `output_signature` of the data."
        )
    return tuple(ops.reshape(y, (*ops.shape(y)[:-1], known[0])) for y in (y_true, y_pred))  # type: ignore[return-value]


def aligned(name: str, sample_weight: Tensor, y_pred: Tensor, dtype: str) -> Tensor:
    """Weights, or a mask, broadcast to the shape of the values, ``[batch, d0, .., dN-1]``.

    Its first axis is that of the batch, as everywhere in Keras: axes that are missing are the last.
    """
    sample_weight = with_shape(sample_weight)
    values_shape, shape = tuple(y_pred.shape)[:-1], tuple(sample_weight.shape)
    rank = len(values_shape)
    if any(size != 1 for size in shape[rank:]) or any(
        None not in (w, v) and w not in (1, v)
        for w, v in zip(shape[:rank], values_shape, strict=False)
    ):
        raise InvalidInput(
            f"{name} must be a scalar, one value per element of the batch, or broadcast to the "
            f"shape of the samples, {values_shape}. Received: shape {shape}."
        )
    weights = ops.convert_to_tensor(sample_weight, dtype=dtype)
    for _ in range(rank, len(shape)):
        weights = ops.squeeze(weights, axis=-1)
    for _ in range(len(shape), rank):
        weights = ops.expand_dims(weights, axis=-1)
    return ops.broadcast_to(weights, ops.shape(y_pred)[:-1])
