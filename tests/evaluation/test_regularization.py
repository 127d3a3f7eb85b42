"""Probes are what scikit-learn computes, the strength of their regularisation included."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from barlow import data
from barlow.evaluation import probe, regularization, split

pytestmark = pytest.mark.once
GRID = (0.001, 0.1, 10.0)


@pytest.fixture(scope="module")
def digits():
    """Pixels and labels, of four digits with unequal numbers of images."""
    images = data.digits()
    kept = np.concatenate(
        [np.flatnonzero(images.labels == digit)[: 20 * digit] for digit in (1, 3, 8, 9)]
    )
    return [(part.pixels[:].reshape(len(part), -1), part.labels) for part in split(images[kept])]


def test_rows_are_those_of_scikit_learn_to_the_last_digit(digits):
    (x, y), (x_test, y_test) = digits
    rows = probe(
        {"x": (x, x_test)}, y, y_test, labels_per_class=(1, 10), draws=3, seed=7,
        regularization=GRID,
    )  # fmt: skip
    scaler = StandardScaler().fit(x)
    a, a_test = scaler.transform(x), scaler.transform(x_test)
    random, all_rows = np.random.default_rng(7), [np.arange(len(y))]
    found = iter(rows)
    for count in (1, 10, None):
        random = np.random.default_rng(7)
        draws = all_rows if count is None else [
            np.concatenate(
                [random.choice(np.flatnonzero(y == label), count, False) for label in (1, 3, 8, 9)]
            )
            for _ in range(3)
        ]  # fmt: skip
        c = 1.0
        if count != 1:
            folds = StratifiedKFold(5, shuffle=True, random_state=7)
            search = GridSearchCV(
                LogisticRegression(max_iter=2000), {"C": GRID}, scoring="neg_log_loss", cv=folds
            )
            c = search.fit(a[draws[0]], y[draws[0]]).best_params_["C"]
        said = [
            LogisticRegression(C=c, max_iter=2000).fit(a[rows], y[rows]).predict(a_test)
            for rows in draws
        ]
        accuracies = [np.mean(each == y_test) for each in said]
        row = next(found)
        assert (row.probe, row.labels_per_class, row.regularization) == ("linear", count, c)
        assert (row.accuracy, row.std) == (np.mean(accuracies), np.std(accuracies))
        balanced = [balanced_accuracy_score(y_test, each) for each in said]
        assert row.balanced_accuracy == pytest.approx(np.mean(balanced), rel=1e-15)
        assert row.balanced_accuracy != pytest.approx(row.accuracy, rel=1e-6)
    row, nearest = next(found), make_pipeline(StandardScaler(), KNeighborsClassifier(5)).fit(x, y)
    assert (row.accuracy, row.regularization) == (nearest.score(x_test, y_test), None)


def test_of_many_labels_a_part_is_enough_in_which_every_class_has_five():
    random = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [6000, 6000, 5])
    x = random.normal(size=(len(y), 3)) + 2 * np.eye(3)[y]
    rows = []
    original = regularization.GridSearchCV.fit

    class Seen(regularization.GridSearchCV):
        def fit(self, x, y):
            rows.append(np.bincount(y))
            return original(self, x, y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regularization, "GridSearchCV", Seen)
        assert regularization.choose(x, y, GRID) in GRID
    assert rows[0].tolist() == [666, 666, 5]


@pytest.mark.parametrize(("sizes", "expected"), [((4, 4, 9), 1.0), ((4, 9, 9), 1000.0)])
def test_classes_of_fewer_than_five_labels_take_no_part_in_the_choice(sizes, expected):
    """Two classes of one feature, without error: the weaker the penalty the better."""
    y = np.repeat(np.arange(3), sizes)
    x = y[:, None] + np.random.default_rng(0).normal(0, 0.01, (len(y), 1))
    assert regularization.choose(x, y, (0.001, 1000.0)) == expected


def test_features_that_say_nothing_get_the_strongest_penalty():
    random = np.random.default_rng(0)
    assert regularization.choose(random.normal(size=(60, 40)), np.arange(60) % 2, GRID) == 0.001
