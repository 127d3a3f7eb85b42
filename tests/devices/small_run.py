"""The training of `run.py`, which is the same on one device in a process that is there."""

import barlow
from barlow import data

SETTINGS = barlow.Settings(
    epochs=3,
    batch_size=60,
    encoder="small:network",
    projector=(16, 24),
    optimizer="lars",
    ema=0.9,
)


def train(folder, callbacks=(), devices=None):
    """Begin the run, or resume it."""
    ways = {"devices": devices, "resume": True, "checkpoint_seconds": 0}
    return barlow.pretrain(data.digits().pixels[:240], folder, SETTINGS, callbacks, **ways)
