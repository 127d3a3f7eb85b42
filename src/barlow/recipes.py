"""Former place of :mod:`barlow.settings` and :mod:`barlow.recommendation`; one more release."""

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
