"""Learn an image encoder from unlabelled data by redundancy reduction.

The road of the data: images -> views -> encoder -> projector -> loss while learning, and
images -> encoder -> features afterwards.
"""

from barlow import backend

backend.choose()  # before anything imports Keras

from barlow import data, losses, models, optimizers, recipes, runs, views  # noqa: E402
from barlow.models import BarlowTwins  # noqa: E402
from barlow.pretrain import pretrain  # noqa: E402
from barlow.recipes import Settings  # noqa: E402

__all__ = [
    "BarlowTwins",
    "Settings",
    "data",
    "losses",
    "models",
    "optimizers",
    "pretrain",
    "recipes",
    "runs",
    "views",
]
