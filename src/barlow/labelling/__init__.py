"""From few labels to a classifier: what to label next, and how sure the result is."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.labelling.choosing import Choice, Scores
    from barlow.labelling.estimator import FewLabelsClassifier
    from barlow.labelling.fitting import Fitted, Prediction, fit
    from barlow.labelling.heads import Head
    from barlow.labelling.mistakes import Doubt
    from barlow.labelling.model import as_model, classes_of, from_vectors
    from barlow.labelling.suggesting import Suggestion, Suggestions, check_list, suggest
    from barlow.labelling.tuning import Tuned, fine_tune
    from barlow.labelling.writing import MODEL, PREDICTIONS, RESULTS, Classifier, check_place, write

__all__ = [
    "MODEL",
    "PREDICTIONS",
    "RESULTS",
    "Choice",
    "Classifier",
    "Doubt",
    "FewLabelsClassifier",
    "Fitted",
    "Head",
    "Prediction",
    "Scores",
    "Suggestion",
    "Suggestions",
    "Tuned",
    "as_model",
    "check_list",
    "check_place",
    "classes_of",
    "fine_tune",
    "fit",
    "from_vectors",
    "suggest",
    "write",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        **dict.fromkeys(("Choice", "Scores"), "choosing"),
        "FewLabelsClassifier": "estimator",
        **dict.fromkeys(("Fitted", "Prediction", "fit"), "fitting"),
        "Head": "heads",
        "Doubt": "mistakes",
        **dict.fromkeys(("as_model", "classes_of", "from_vectors"), "model"),
        **dict.fromkeys(("Suggestion", "Suggestions", "check_list", "suggest"), "suggesting"),
        **dict.fromkeys(("Tuned", "fine_tune"), "tuning"),
        **dict.fromkeys(
            ("MODEL", "PREDICTIONS", "RESULTS", "Classifier", "check_place", "write"), "writing"
        ),
    },
)
