"""The mathematics: standardised embeddings, the loss in its two forms, and its gradient."""

from barlow.kernel.loss import Gradient, invariance, per_sample_loss
from barlow.kernel.standardize import standardize, widen

__all__ = [
    "Gradient",
    "invariance",
    "per_sample_loss",
    "standardize",
    "widen",
]
