"""An encoder as a transformer of scikit-learn."""

from barlow.estimator.transformer import BarlowTransformer

__all__ = ["BarlowTransformer"]
