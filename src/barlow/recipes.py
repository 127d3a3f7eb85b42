"""Former place of :mod:`barlow.settings` and :mod:`barlow.recommendation`, for one more release."""

import warnings

from barlow.recommendation import Recommendation, optimizer, recommend, schedule
from barlow.settings import DTYPE_POLICIES, OPTIMIZERS, Settings

__all__ = [
    "DTYPE_POLICIES",
    "OPTIMIZERS",
    "Recommendation",
    "Settings",
    "optimizer",
    "recommend",
    "schedule",
]

warnings.warn(
    "barlow.recipes is now barlow.recommend, barlow.recommendation and barlow.Settings; it goes "
    "with the next release.",
    DeprecationWarning,
    stacklevel=2,
)
