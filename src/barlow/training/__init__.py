"""Training: images in, a run with an encoder out."""

from barlow.training.pretrain import pretrain

__all__ = ["pretrain"]
