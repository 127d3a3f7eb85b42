"""The networks: the Barlow Twins model, its projector, encoders by name."""

from barlow.models.barlow_twins import BarlowTwins
from barlow.models.networks import ENCODERS, encoder, projector

__all__ = ["ENCODERS", "BarlowTwins", "encoder", "projector"]
