"""What the loss and its terms ask of their input."""

import math
from typing import Any

from barlow.errors import InvalidInput


def check_lambda(lambda_: float) -> None:
    """Refuse a weight that is negative or not finite."""
    if not math.isfinite(lambda_):
        raise InvalidInput(f"`lambda_` must be finite. Received: lambda_={lambda_}.")
    if lambda_ < 0:
        raise InvalidInput(f"`lambda_` must not be negative. Received: lambda_={lambda_}.")


def check_embeddings(y_true: Any, y_pred: Any) -> None:
    """Refuse two batches whose shapes differ or that have no axis of samples."""
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
