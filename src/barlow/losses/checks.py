"""Checks of the input of the loss and its terms."""

import math

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
