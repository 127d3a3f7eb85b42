"""The networks: the Barlow Twins model, its projector, encoders by name."""

from barlow.models.barlow_twins import BarlowTwins
from barlow.models.encoders import APPLICATIONS, ENCODERS, encoder, find
from barlow.models.projector import projector

__all__ = ["APPLICATIONS", "ENCODERS", "BarlowTwins", "encoder", "find", "projector"]
