"""Learn an encoder of images, signals or rows from unlabelled data by redundancy reduction.

images -> views -> encoder -> projector -> loss (kernel)      learning
images -> encoder -> vectors -> neighbours                    using
"""

import sys
from typing import TYPE_CHECKING

from barlow import backend
from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow import (
        callbacks,
        data,
        estimator,
        evaluation,
        export,
        labelling,
        losses,
        models,
        neighbours,
        optimizers,
        recipes,
        report,
        runs,
        vectors,
        views,
    )
    from barlow.embedding import Embeddings, embed
    from barlow.models import BarlowTwins
    from barlow.neighbours import duplicates, outliers, search
    from barlow.recommendation import Recommendation, recommend
    from barlow.settings import Settings
    from barlow.training import pretrain

__all__ = [
    "BarlowTwins",
    "Embeddings",
    "Recommendation",
    "Settings",
    "backend",
    "callbacks",
    "data",
    "duplicates",
    "embed",
    "estimator",
    "evaluation",
    "export",
    "labelling",
    "losses",
    "models",
    "neighbours",
    "optimizers",
    "outliers",
    "pretrain",
    "recipes",
    "recommend",
    "report",
    "runs",
    "search",
    "vectors",
    "views",
]

backend.choose()  # before anything imports Keras

__getattr__, __dir__ = attach(
    __name__,
    {
        **{name: name for name in __all__ if name.islower()},
        "BarlowTwins": "models",
        "Embeddings": "embedding",
        "Recommendation": "recommendation",
        "Settings": "settings",
        "duplicates": "neighbours",
        "embed": "embedding",
        "outliers": "neighbours",
        "pretrain": "training",
        "recommend": "recommendation",
        "search": "neighbours",
    },
)

# Registers what saved models may contain: `import barlow` is enough to load them.
if "_barlow_command" not in sys.modules:  # the command does it when it loads a model
    __getattr__("models")
