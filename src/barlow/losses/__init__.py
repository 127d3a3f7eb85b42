"""The Barlow Twins loss as a Keras loss, and what its values mean."""

from barlow.losses.barlow import Barlow
from barlow.losses.terms import Levels, Terms, cross_correlation, levels, terms

__all__ = ["Barlow", "Levels", "Terms", "cross_correlation", "levels", "terms"]
