"""The networks: the Barlow Twins model, its projector, encoders by name.

Importing it registers with Keras all that a saved model may contain.
"""

from barlow import optimizers, views
from barlow.models.applications import APPLICATIONS
from barlow.models.barlow_twins import BarlowTwins
from barlow.models.encoders import (
    ENCODERS,
    check_weights,
    encoder,
    find,
    is_file,
    is_function,
    is_hub,
    is_transformer,
)
from barlow.models.kept import check_kept
from barlow.models.projector import projector
from barlow.models.statistics import normalizations, renew_statistics
from barlow.models.weights import check_is_encoder, load
from barlow.models.weights import copy as copy_weights
from barlow.models.weights import image_shape as image_shape_of

_REGISTERED = (optimizers, views.ImageViews, views.SignalViews, views.TableViews)

__all__ = [
    "APPLICATIONS",
    "ENCODERS",
    "BarlowTwins",
    "check_is_encoder",
    "check_kept",
    "check_weights",
    "copy_weights",
    "encoder",
    "find",
    "image_shape_of",
    "is_file",
    "is_function",
    "is_hub",
    "is_transformer",
    "load",
    "normalizations",
    "projector",
    "renew_statistics",
]
