"""The mathematics: standardised embeddings, the loss in its two forms, and its gradient."""

from barlow.kernel.loss import (
    Gradient,
    invariance,
    per_sample_loss,
    per_sample_loss_of_replicas,
)
from barlow.kernel.standardize import column_mean, samples, standardize, widen

__all__ = [
    "Gradient",
    "column_mean",
    "invariance",
    "per_sample_loss",
    "per_sample_loss_of_replicas",
    "samples",
    "standardize",
    "widen",
]
