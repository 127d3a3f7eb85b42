"""The regularisation of a logistic regression, chosen on the labels that it is trained on.

``C`` is the inverse strength of the L2 penalty, as scikit-learn has it. By five-fold
cross-validation on the training labels alone, the ``C`` of the smallest log loss is chosen: the
accuracy of a few dozen labels cannot tell the candidates apart.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from barlow import errors

with errors.extra("cli", "Evaluation"):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from threadpoolctl import threadpool_limits

GRID = tuple(10.0**power for power in range(-4, 3))
"""Candidates: 0.0001, 0.001, ... 100."""

FOLDS = 5
"""Folds; and the labels that a class must have to take part."""

_SMALL = 2**24  # values of features
_MOST = 2000  # labels; of more, about so many are drawn


def choose(
    x: NDArray[Any], numbers: NDArray[np.intp], candidates: Sequence[float], seed: int = 0
) -> float:
    """The candidate of the smallest log loss in cross-validation.

    Classes with fewer than five labels take no part. If fewer than two classes are left, it is 1,
    scikit-learn's default. Of more than 2,000 labels, so many are drawn, in equal parts from all
    classes, of each at least five.

    Args:
        x: Standardised features, ``[labels, features]``.
        numbers: Their labels, ``[labels]``.
        candidates: Values of ``C``, > 0. A single one is returned as it is.
        seed: Seed of the folds and of the draw. Defaults to 0.

    Example:
        >>> from barlow.evaluation import regularization
        >>> x = np.random.default_rng(0).normal(size=(60, 1))
        >>> regularization.choose(x, (x[:, 0] > 0).astype(int), (0.001, 1000.0))
        1000.0
    """
    if len(candidates) == 1:
        return float(candidates[0])
    present, counts = np.unique(numbers, return_counts=True)
    classes = present[counts >= FOLDS]
    if len(classes) < 2:
        return 1.0
    rows = np.flatnonzero(np.isin(numbers, classes))
    if len(rows) > _MOST:
        random, most = np.random.default_rng(seed), max(FOLDS, _MOST // len(classes))
        drawn = [random.permutation(np.flatnonzero(numbers == each))[:most] for each in classes]
        rows = np.concatenate(drawn)
    search = GridSearchCV(
        regression(),
        {"C": list(candidates)},
        scoring="neg_log_loss",
        cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed),
        refit=False,
        error_score="raise",
    )
    return float(search.fit(x[rows], numbers[rows]).best_params_["C"])


def regression(c: float = 1.0) -> LogisticRegression:
    """The logistic regression of all linear probes, not trained."""
    return LogisticRegression(C=c, max_iter=2000)


def threads_for(x: NDArray[Any]) -> contextlib.AbstractContextManager[Any]:
    """As many threads of the linear algebra as help to train on features.

    The steps of a logistic regression are products of some microseconds, after each of which
    threads wait for each other: with one thread the training is many times faster, most of all
    where other programs run. Large products are left as they are.
    """
    return threadpool_limits(1 if x.size < _SMALL else None, "blas")
