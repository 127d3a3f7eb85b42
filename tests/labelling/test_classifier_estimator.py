"""`FewLabelsClassifier` is a classifier of scikit-learn, and the same as `fit`."""

import numpy as np
import pandas as pd
import pytest
from clouds import clouds, collection
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from barlow import labelling
from barlow.errors import InvalidInput
from barlow.labelling import FewLabelsClassifier, estimator

pytestmark = pytest.mark.once


@estimator_checks.parametrize_with_checks([FewLabelsClassifier()])
def test_a_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def points():
    """Vectors, classes, and which have labels: six of each class."""
    values, numbers = clouds([60, 50, 40], apart=3.0)
    labelled = np.concatenate([np.flatnonzero(numbers == number)[:6] for number in range(3)])
    return values, numbers, np.isin(np.arange(150), labelled)


@pytest.mark.parametrize("method", ["auto", "graph", "linear", "both"])
def test_it_is_the_classifier_of_fit(method, points):
    values, numbers, known = points
    found = FewLabelsClassifier(method).fit(
        values[known], numbers[known], unlabelled=values[~known]
    )
    order = np.concatenate([values[known], values[~known]])
    labels = [str(number) for number in numbers[known]] + [""] * int(np.sum(~known))
    expected = labelling.fit(collection(order), labels, method=method)
    np.testing.assert_allclose(found.predict_proba(order), expected.probabilities, atol=1e-5)
    assert found.choice_ == expected.choice
    assert found.head_.classes == expected.classes


def test_vectors_without_labels_help():
    gains = []
    for seed in range(5):
        values, numbers = clouds([50, 50, 50], apart=3.5, seed=seed)
        first = np.arange(0, 150, 25)  # two of each class
        few = FewLabelsClassifier()
        alone = few.fit(values[first], numbers[first]).score(values, numbers)
        together = few.fit(values[first], numbers[first], unlabelled=values)
        gains.append(together.score(values, numbers) - alone)
    assert np.mean(gains) > 0.05
    assert min(gains) > 0


def test_it_works_in_a_pipeline_and_in_a_search(points):
    values, numbers, _ = points
    names = np.array(["ant", "bee", "cat"], object)[numbers]
    pipeline = make_pipeline(StandardScaler(), FewLabelsClassifier())
    pipeline.fit(values[::2], names[::2], fewlabelsclassifier__unlabelled=values[1::2])
    assert pipeline.score(values[1::2], names[1::2]) > 0.8
    assert pipeline.classes_.tolist() == ["ant", "bee", "cat"]
    methods = ["graph", "linear", "both"]
    search = GridSearchCV(FewLabelsClassifier(), {"method": methods}, cv=3).fit(values, names)
    assert search.best_params_["method"] in methods
    assert (search.cv_results_["mean_test_score"] > 0.8).all()


def test_what_does_not_fit_is_refused(points):
    values, numbers, _ = points
    with pytest.raises(InvalidInput, match="`unlabelled` has 7 features, `X` has 8"):
        FewLabelsClassifier().fit(values, numbers, unlabelled=values[:, 1:])
    with pytest.raises(InvalidInput, match="not 'graf'"):
        FewLabelsClassifier("graf").fit(values, numbers)
    with pytest.raises(ValueError, match="at least two classes"):
        FewLabelsClassifier().fit(values, np.zeros(150))
    with pytest.raises(ValueError, match="NaN"):
        FewLabelsClassifier().fit(values, numbers, unlabelled=np.full((2, 8), np.nan))


def test_columns_in_another_order_are_refused(points):
    values, numbers, _ = points
    frame = pd.DataFrame(values, columns=[*"abcdefgh"])
    with pytest.raises(ValueError, match="feature names"):
        FewLabelsClassifier().fit(frame, numbers, unlabelled=frame[[*"hgfedcba"]])


def test_of_many_vectors_without_labels_some_are_drawn(points, monkeypatch):
    monkeypatch.setattr(estimator, "ENOUGH", 50)
    values, numbers, _ = points
    few = FewLabelsClassifier().fit(values[::5], numbers[::5], unlabelled=values)
    assert len(few.head_.anchors) == 80
