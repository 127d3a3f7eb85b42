import contextlib
import copy
import os
import pickle
import random
import signal
import sys
import tempfile

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import small
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import barlow
from barlow import backend
from barlow.estimator import BarlowTransformer

TINY = barlow.Settings(epochs=1, batch_size=32, encoder="small:network", projector=(8, 8))
ROWS = barlow.Settings(epochs=2, batch_size=32, projector=(8, 8))


@pytest.fixture(scope="module")
def digits():
    return barlow.data.digits()[:96]


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    return barlow.pretrain(digits, tmp_path_factory.mktemp("runs") / "run", TINY)


@pytest.fixture(scope="module")
def fitted(digits):
    return BarlowTransformer(settings=TINY).fit(digits.pixels)


def assert_same(found, expected):
    """Equal but for the order in which float32 is summed."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def draws():
    """The next number of every generator that a program shares."""
    values = [random.random(), np.random.random(), float(keras.random.uniform(()))]  # noqa: NPY002, S311
    if keras.backend.backend() == "torch":
        import torch

        values.append(float(torch.rand(())))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        values.append(float(tf.random.uniform(())))
    return values


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
def test_scale_and_offset_of_a_column_change_nothing_of_the_vectors_of_rows():
    rows = np.random.default_rng(0).normal(size=(64, 5))
    rows[:, 4] = 7.3  # constant
    others = rows * [1e-3, 1, 40, 1e6, 1] + [0, -2, 300, 1e6, 0]
    one, other = (BarlowTransformer(settings=ROWS).fit(x).transform(x) for x in (rows, others))
    np.testing.assert_allclose(one, other, atol=2e-3 * np.abs(one).max())
    assert one.shape == (64, 128)
    assert one.std(axis=0).min() > 0


@pytest.mark.once
def test_rows_are_learned_with_an_average_of_the_weights_or_in_half_precision():
    rows = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")  # a step per epoch

    def weights(**settings):
        settings = barlow.Settings(projector=(8, 8), learning_rate=1e-2, **settings)
        encoder = BarlowTransformer(settings=settings).fit(rows).encoder_
        assert {layer.compute_dtype for layer in encoder.layers[1:]} == {"float32"}
        return keras.ops.convert_to_numpy(encoder.trainable_variables[0])

    first, last = weights(epochs=1), weights(epochs=4)
    moved = np.abs(last - first).max()
    # The average begins with the weights after the first step, and hardly leaves them here.
    assert np.abs(weights(epochs=4, ema=0.999999) - first).max() < 0.01 * moved
    half = weights(epochs=4, dtype_policy="mixed_bfloat16")
    assert 0 < np.abs(half - last).mean() < 0.2 * moved


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
def test_an_encoder_that_is_given_is_taken_whatever_form_it_has(digits, run, tmp_path):
    expected = barlow.embed(run, digits).vectors
    flat = digits.pixels.reshape(len(digits), -1)
    for encoder in (run, str(run), run / barlow.runs.ENCODER, barlow.runs.load_encoder(run)):
        for x in (digits.pixels, digits.pixels[..., 0], flat):
            taken = BarlowTransformer(encoder).fit(x)
            assert taken.loss_curve_ == []
            assert_same(taken.transform(x), expected)
    with pytest.raises(FileNotFoundError, match="no encoder"):
        BarlowTransformer(tmp_path).fit(digits.pixels)
    with pytest.raises(ValueError, match=r"shape \(8, 8, 1\).*shape \(9, 9, 1\)"):
        BarlowTransformer(run).fit(np.zeros((3, 9, 9)))
    inputs = keras.Input((None, None, 1))
    vector = keras.layers.GlobalMaxPooling2D()(inputs)
    open_sizes = BarlowTransformer(keras.Model(inputs, vector))
    with pytest.raises(ValueError, match="Set `image_shape`"):
        open_sizes.fit(flat)
    np.testing.assert_array_equal(
        open_sizes.set_params(image_shape=(8, 8)).fit_transform(flat)[:, 0], flat.max(axis=1)
    )
    with pytest.raises(ValueError, match="one vector per input"):
        BarlowTransformer(keras.Model(inputs, inputs * 2)).fit(digits.pixels)


@pytest.mark.once
def test_an_encoder_of_signals_or_of_rows_is_taken_too():
    for shape in ((5,), (20, 3)):
        inputs = keras.Input(shape)
        encoder = keras.Model(inputs, keras.ops.mean(keras.layers.Flatten()(inputs), 1, True))
        x = np.random.default_rng(0).normal(size=(6, *shape))
        found = BarlowTransformer(encoder).fit_transform(x)
        np.testing.assert_allclose(found[:, 0], x.reshape(6, -1).mean(1), atol=1e-6)
        with pytest.raises(ValueError, match="leave `image_shape` out"):
            BarlowTransformer(encoder, image_shape=(5, 4, 1)).fit(x)


@pytest.mark.once
def test_values_of_later_images_are_read_as_those_of_the_first(digits):
    encoder = small.network((8, 8, 1))
    for top, dtype in ((255, "uint8"), (1, "float64"), (4095, "uint16"), (1, "bool")):
        x = (digits.pixels / 255 * top).astype(dtype)
        x[0] = 0
        x[0, :2] = 1 if dtype != "float64" else 1e-2  # a dark image, alone not to be recognised
        taken = BarlowTransformer(encoder).fit(x)
        assert_same(taken.transform(x[:1]), taken.transform(x)[:1])
        assert_same(taken.transform(x), barlow.embed(encoder, x).vectors)
    whole, fractions = (BarlowTransformer(encoder).fit(x) for x in (digits.pixels, x * 1.0))
    for each, other in ((whole, digits.pixels / 255), (fractions, digits.pixels)):
        with pytest.raises(ValueError, match="same scale"):
            each.transform(other)
    with pytest.raises(ValueError, match="without NaN"):
        whole.transform(np.full((1, 8, 8, 1), np.nan))
    with pytest.raises(ValueError, match="Replace NaN"):
        whole.fit(np.full((1, 8, 8, 1), np.nan))


@pytest.mark.once
def test_paths_are_images(digits, tmp_path):
    paths = [tmp_path / f"{row}.png" for row in range(40)]
    for path, image in zip(paths, digits.pixels, strict=False):
        Image.fromarray(image[..., 0]).save(path)
    learn = BarlowTransformer(settings=TINY).fit(paths)
    expected = learn.transform(digits.pixels[:40])
    for x in (paths, pd.Series(map(str, paths)), np.array([*map(str, paths)])):
        assert_same(learn.transform(x), expected)
    assert_same(learn.transform(paths[7:8]), expected[7:8])
    assert_same(clone(learn).fit(digits.pixels[:40]).transform(paths), expected)
    larger = BarlowTransformer(small.network((16, 16, 3)), image_shape=(16, 16)).fit(paths)
    assert larger.input_shape_ == (16, 16, 3)
    paths[3].write_bytes(b"no image")
    for use in (learn.transform, learn.fit):
        with pytest.raises(ValueError, match=r"cannot be read: 1\. .*3\.png"):
            use(paths)
    with pytest.raises(ValueError, match="one path"):
        learn.fit(str(tmp_path))
    paths[3].unlink()
    with pytest.raises(ValueError, match="1 paths of 39 images"):
        learn.fit([tmp_path])


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


@pytest.mark.once
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"settings__encoder": "conv"}, "'conv' takes images.*set `image_shape`"),
        ({"settings__views": "grey"}, "'grey' are views of images.*set `image_shape`"),
        ({"image_shape": (2, 2)}, r"images \(2, 2, 1\).* have 4 values. Received: rows of 3"),
        ({"image_shape": (0, 2)}, r"`image_shape` must be .* Received: \(0, 2\)"),
        ({"image_shape": 4}, r"`image_shape` must be .* Received: 4"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
    ],
)
def test_what_does_not_fit_rows_is_named(changed, message):
    encode = BarlowTransformer(settings=ROWS).set_params(**changed)
    with pytest.raises(ValueError, match=message):
        encode.fit_transform(np.eye(32, 3))


@pytest.mark.once
def test_rows_of_another_kind_of_inputs_are_refused(digits, fitted):
    rows = BarlowTransformer(settings=ROWS).fit(np.eye(32, 64))
    for each, x in ((rows, digits.pixels), (fitted, digits.pixels[:, :7])):
        with pytest.raises(ValueError, match="must have the shape"):
            each.transform(x)
    with pytest.raises(FloatingPointError, match="learning rate"):
        clone(rows).set_params(settings__learning_rate=1e30).fit(np.eye(32, 64))


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


def test_the_state_of_random_numbers_is_kept_if_the_block_fails_too():
    keras.utils.set_random_seed(5)
    expected = draws()
    keras.utils.set_random_seed(5)
    with contextlib.suppress(RuntimeError), backend.keeping_random_state():
        keras.utils.set_random_seed(6)
        raise RuntimeError
    assert draws() == expected
