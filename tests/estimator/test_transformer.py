"""`BarlowTransformer` among other estimators: learned, copied, searched, interrupted."""

import copy
import dataclasses
import os
import pickle
import signal
import sys
import tempfile

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from drawing import draws
from pictures import draw
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tiny import ROWS, TINY, assert_same

import barlow
from barlow.estimator import BarlowTransformer


def test_vectors_are_those_of_a_run_with_these_settings(digits, fitted, run):
    assert_same(fitted.transform(digits.pixels), barlow.embed(run, digits).vectors)
    assert fitted.transform(digits.pixels).dtype == np.float32
    assert fitted.loss_curve_ == pytest.approx(
        [row["loss"] for row in barlow.runs.read_metrics(run)], rel=1e-3
    )
    assert fitted.input_shape_ == (8, 8, 1)


def test_fitting_leaves_no_file_and_no_generator_of_random_numbers_changed(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keras.utils.set_random_seed(3)
    expected = [draws(), draws()]
    keras.utils.set_random_seed(3)
    found = [draws()]
    BarlowTransformer(settings=TINY).fit(digits.pixels)
    assert np.isfinite(BarlowTransformer(settings=ROWS).fit_transform(np.eye(32))).all()
    assert [*found, draws()] == expected
    assert list(tmp_path.iterdir()) == []


def test_what_was_fitted_is_copied_with_its_vectors(digits, fitted, tmp_path):
    expected = fitted.transform(digits.pixels)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    for again in (
        copy.deepcopy(fitted),
        pickle.loads(pickle.dumps(fitted)),  # noqa: S301 - our own
        joblib.load(tmp_path / "fitted.joblib"),
        BarlowTransformer(fitted.encoder_).fit(digits.pixels),
        clone(BarlowTransformer(fitted.encoder_)).fit(digits.pixels),
    ):
        assert again.encoder_ is not None
        assert_same(again.transform(digits.pixels), expected)
    assert not hasattr(clone(fitted), "encoder_")


@pytest.mark.once
def test_a_grid_search_in_a_pipeline_finds_epochs_and_views(digits):
    encode = BarlowTransformer(settings=barlow.Settings(batch_size=24, projector=(16, 16)))
    steps = {"encode": encode, "scale": StandardScaler(), "classify": LogisticRegression()}
    pipeline = Pipeline([*steps.items()]).set_params(encode__image_shape=(8, 8))
    flat = digits.pixels.reshape(len(digits), -1)
    grid = [
        {"encode__settings__epochs": [1, 3], "encode__settings__views": ["glyphs"]},
        {"encode__settings__epochs": [1], "encode__settings__views": ["grey"]},
    ]
    split = PredefinedSplit([-1] * 64 + [0] * 32)
    with joblib.parallel_config("threading", n_jobs=2):
        search = GridSearchCV(pipeline, grid, cv=split).fit(flat, digits.labels)
    best = search.best_estimator_["encode"]
    assert {f"encode__settings__{n}": getattr(best.settings, n) for n in ("epochs", "views")} == (
        search.best_params_
    )
    assert len(best.loss_curve_) == search.best_params_["encode__settings__epochs"]
    assert search.best_score_ > 0.4  # of ten classes
    # Beside each other they learn what they learn alone.
    one = clone(pipeline).set_params(**search.cv_results_["params"][1])
    score = one.fit(flat[:64], digits.labels[:64]).score(flat[64:], digits.labels[64:])
    assert search.cv_results_["mean_test_score"][1] == pytest.approx(score, abs=0.04)


@pytest.mark.once
def test_settings_are_parameters_one_by_one(fitted):
    encode = clone(fitted)
    assert encode.get_params()["settings__batch_size"] == 32
    assert "settings__batch_size" not in encode.get_params(deep=False)
    assert encode.set_params(settings__epochs=7).settings == barlow.Settings(
        epochs=7, batch_size=32, encoder="small:network", projector=(8, 8)
    )
    assert TINY.epochs == 1
    encode.set_params(settings=None, settings__views="grey", batch_size=3)
    assert (encode.settings, encode.batch_size) == (barlow.Settings(views="grey"), 3)
    with pytest.raises(ValueError, match=r"no setting 'epoch'. Did you mean 'epochs'\?"):
        encode.set_params(settings__epoch=7)
    with pytest.raises(ValueError, match=r"`epochs` must be at least 1"):
        encode.set_params(settings__epochs=0)
    with pytest.raises(ValueError, match=r"Invalid parameter 'seed'"):
        encode.set_params(seed=1)
    with pytest.raises(ValueError, match=r"`settings` must be barlow.Settings"):
        encode.set_params(settings={"epochs": 1}).fit(np.eye(4))
    assert "epochs=1" in BarlowTransformer(settings=TINY)._repr_html_()


@pytest.mark.once
def test_nothing_is_left_of_an_earlier_fit(fitted, digits):
    encode = clone(fitted).set_params(settings=ROWS)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(32, 3)), columns=[*"abc"])
    vectors = encode.set_output(transform="pandas").fit_transform(frame)
    assert vectors.columns[-1] == "barlowtransformer127"
    assert (encode.n_features_in_, [*encode.feature_names_in_]) == (3, [*"abc"])
    encode.set_params(settings=TINY).fit(digits.pixels)
    assert not hasattr(encode, "n_features_in_")
    assert not hasattr(encode, "feature_names_in_")
    found = encode.set_output(transform="default").transform(digits.pixels)
    assert_same(found, fitted.transform(digits.pixels))


@keras.saving.register_keras_serializable(package="test_transformer")
class Interrupting(keras.layers.Layer):
    """As a user who presses Ctrl-C in the first step."""

    def call(self, inputs, training=None):
        if training and not hasattr(inputs, "_keras_history"):
            os.kill(os.getpid(), signal.SIGINT)
        return inputs


def interrupted(image_shape):
    inputs = keras.Input(image_shape)
    return keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(Interrupting()(inputs)))


@pytest.mark.once
def test_files_get_the_size_of_the_weights(tmp_path):
    for number in range(6):
        draw(number).resize((90, 40)).save(tmp_path / f"{number}.png")
    paths, few = sorted(tmp_path.glob("*.png")), dataclasses.replace(TINY, batch_size=4)
    start = barlow.pretrain(paths, tmp_path / "start", dataclasses.replace(few, image_size=24))
    weights = str(start / barlow.runs.ENCODER)
    learned = BarlowTransformer(settings=dataclasses.replace(few, weights=weights)).fit(paths)
    assert learned.input_shape_ == learned.encoder_.input_shape[1:] == (24, 24, 3)
    assert learned.transform(paths[:2]).shape == (2, learned.encoder_.output_shape[1])


@pytest.mark.once
def test_an_interrupt_ends_a_search_too(digits):
    settings = barlow.Settings(epochs=9, encoder=f"{__name__}:interrupted", projector=(4,))
    with pytest.raises(KeyboardInterrupt):
        BarlowTransformer(settings=settings).fit(digits.pixels)


@pytest.mark.once
def test_without_scikit_learn_it_says_what_brings_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("barlow.estimator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'barlow\[cli\]'"):
        __import__("barlow.estimator")
