"""The numbers: standardised embeddings, the loss in both of its forms, its gradient."""

from barlow.kernel.loss import Gradient, invariance, per_sample_loss
from barlow.kernel.replicas import in_custom_replica_loop
from barlow.kernel.standardize import standardize, widen

__all__ = [
    "Gradient",
    "in_custom_replica_loop",
    "invariance",
    "per_sample_loss",
    "standardize",
    "widen",
]
