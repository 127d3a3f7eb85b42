"""The classifier for scikit-learn's pipelines and searches."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import errors
from barlow.labelling import choosing
from barlow.labelling import space as spaces
from barlow.labelling.fitting import ENOUGH
from barlow.labelling.heads import METHODS, Head
from barlow.labelling.learning import Task, learn
from barlow.neighbours import nearest

with errors.extra("cli", "Labelling"):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data

_NEIGHBOURS = 10


class FewLabelsClassifier(ClassifierMixin, BaseEstimator):
    """Classifier of vectors that learns from few labels and from all vectors without.

    The same as :func:`barlow.labelling.fit`, on arrays: of more than 10,000 vectors without labels
    it learns from as many, drawn at random.

    Args:
        method: ``"graph"``, ``"linear"``, ``"both"`` or ``"auto"``, see
            :mod:`barlow.labelling.heads`. Defaults to ``"auto"``.
        seed: Seed of folds and draws. Defaults to 0.

    Attributes:
        classes_: The classes, ``[classes]``.
        head_: :class:`barlow.labelling.Head`, from vectors to probabilities.
        choice_: :class:`barlow.labelling.Choice`, the method and why it was taken.
        n_features_in_: Number of features.

    Example:
        >>> digits = barlow.data.digits()
        >>> x, y = digits.pixels.reshape(len(digits), -1), digits.labels
        >>> few = barlow.labelling.FewLabelsClassifier().fit(x[:100], y[:100], unlabelled=x[100:])
        >>> bool(few.score(x[100:], y[100:]) > 0.8)
        True
    """

    classes_: NDArray[Any]

    def __init__(self, method: str = "auto", seed: int = 0):
        self.method = method
        self.seed = seed

    def fit(self, X: Any, y: Any, unlabelled: Any = None) -> "FewLabelsClassifier":  # noqa: N803
        """Learn.

        Args:
            X: Vectors with labels, ``[labels, features]``.
            y: Their labels, ``[labels]``.
            unlabelled: Vectors without, ``[rows, features]``. Defaults to ``None``: there are none.

        Raises:
            ValueError: If there are fewer than two classes, or shapes do not match.
        """
        X, y = validate_data(self, X, y, dtype="float32")  # noqa: N806
        check_classification_targets(y)
        if self.method not in ("auto", *METHODS):
            raise errors.InvalidInput(f"`method` is auto or one of {METHODS}, not {self.method!r}.")
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "A classifier needs at least two classes. Received: one class, "
                f"{self.classes_[0]!r}, 1 class in all."
            )
        vectors = X
        errors.check_seed(self.seed)
        if unlabelled is not None and len(unlabelled):
            if np.ndim(unlabelled) == 2 and np.shape(unlabelled)[1] != X.shape[1]:
                raise errors.InvalidInput(
                    f"`unlabelled` has {np.shape(unlabelled)[1]} features, `X` has {X.shape[1]}."
                )
            others = validate_data(self, unlabelled, dtype="float32", reset=False)
            some = np.random.default_rng(self.seed).permutation(len(others))[:ENOUGH]
            vectors = np.concatenate([X, others if len(others) <= ENOUGH else others[some]])
        space = spaces.fit(vectors, self.seed)
        units = space(vectors)
        near = nearest(units, units, _NEIGHBOURS, own=np.arange(len(units)))
        task = Task(
            vectors,
            space,
            units,
            near.rows,
            np.arange(len(X)),
            numbers,
            tuple(map(str, self.classes_)),
            self.seed,
        )
        self.head_, held_out = learn(task)
        self.choice_ = choosing.choose(held_out, numbers, self.method)
        self.head_ = self.head_.with_choice(*self.choice_[:2])
        return self

    head_: Head

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Probabilities of the classes, ``[rows, classes]``."""
        check_is_fitted(self)
        return self.head_(validate_data(self, X, dtype="float32", reset=False))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most likely class of every row, ``[rows]``."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]
