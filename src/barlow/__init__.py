"""Learn an image encoder from unlabelled data by redundancy reduction."""

from barlow import losses, models, views
from barlow.models import BarlowTwins

__all__ = ["BarlowTwins", "losses", "models", "views"]
