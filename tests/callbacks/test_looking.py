"""Looking at a training never breaks it, whatever goes wrong."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import barlow
from barlow import callbacks, data

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (48, *SHAPE)).astype("uint8")
LABELLED = data.Images(IMAGES, np.arange(48) % 3)


class Mine(keras.layers.Layer):
    """Views of a user who did not think of saving them: there is no usable configuration."""

    def __init__(self, strength):
        super().__init__()
        self.strength, self.seeds = strength, keras.random.SeedGenerator(0)
        self.flip = keras.layers.RandomFlip(seed=1)

    def call(self, images, training=None):
        images = keras.ops.cast(images, "float32")
        shape = keras.ops.shape(images)
        noise = [self.strength * keras.random.normal(shape, seed=self.seeds) for _ in range(2)]
        return images + noise[0], self.flip(images, training=True) + noise[1]


def plain(images, training=None):
    """Views that are no layer at all."""
    images = keras.ops.cast(images, "float32")
    return images, keras.ops.flip(images, axis=2)


def fit(views, *watching, epochs=2):
    """A small training; returns the model."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input(SHAPE), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    encoder = keras.Sequential([*layers, keras.layers.Dense(8), keras.layers.Dropout(0.1)])
    model = barlow.BarlowTwins(encoder, (8,), views=views())
    model.compile(keras.optimizers.SGD(0.01))
    model.fit(
        IMAGES, batch_size=16, epochs=epochs, shuffle=False, verbose=0, callbacks=list(watching)
    )
    return model


def glyphs():
    return barlow.views.ImageViews("glyphs", noise=0.1, seed=0)


def lambda_layer():
    return keras.layers.Lambda(plain)


def mine():
    return Mine(5.0)


@pytest.mark.parametrize("views", [glyphs, mine, lambda: plain, lambda_layer])
def test_logs_of_any_views_show_their_correlation_and_leave_the_training_alone(views, tmp_path):
    expected = fit(views).get_weights()
    board = callbacks.TensorBoard(tmp_path, IMAGES[:40], every=2)
    model = fit(views, callbacks.Probe(LABELLED, LABELLED), callbacks.Rank(IMAGES), board)
    for with_, without in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(with_, without)
    (events,) = tmp_path.glob("*tfevents*")
    assert b"cross-correlation" in events.read_bytes()


def below_a_file(folder):
    (folder / "file").touch()
    return folder / "file" / "logs"


def of_one_class():
    """Images of three classes of which only one can be read when the training looks."""

    def read(row):
        if row % 3:
            raise data.BadImage(row, "the folder was deleted")
        return IMAGES[row]

    lazy = data.LazyPixels(range(48), SHAPE, read)
    return data.Images(lazy, LABELLED.labels)


WRONG = np.zeros((10, 9, 9, 1), "uint8")
BROKEN = {
    "rank of images that do not fit": (
        lambda folder: callbacks.Rank(WRONG),
        [r"no rank_me and no alpha_req from epoch 1 on\. The encoder takes images of shape"],
    ),
    "probe of images that do not fit": (
        lambda folder: callbacks.Probe(data.Images(WRONG, np.arange(10) % 2), LABELLED),
        [r"no probe_knn and no probe_linear from epoch 1 on\. The encoder takes"],
    ),
    "probe of classes that are gone": (
        lambda folder: callbacks.Probe(of_one_class(), LABELLED),
        ["from epoch 1 on. A probe needs at least two classes"],
    ),
    "rank of what is not there": (
        lambda folder: callbacks.Rank(folder / "nowhere"),
        ["from epoch 1 on. FileNotFoundError: There is nothing"],
    ),
    "logs below a file": (
        lambda folder: callbacks.TensorBoard(below_a_file(folder), IMAGES),
        ["There are no logs for TensorBoard. NotADirectoryError"],
    ),
    "logs in what is not a folder": (
        lambda folder: callbacks.TensorBoard("/dev/null", IMAGES),
        ["There are no logs for TensorBoard. NotADirectoryError"],
    ),
    "logs of images that do not fit": (
        lambda folder: callbacks.TensorBoard(folder, WRONG),
        ["no cross-correlation from epoch 1 on", "no features. The encoder takes images of"],
    ),
    "logs where the features have no room": (
        lambda folder: (folder / "00003").touch() or callbacks.TensorBoard(folder, IMAGES),
        ["have no features. NotADirectoryError"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.once
def test_what_cannot_be_looked_at_is_one_warning_and_the_same_training(name, tmp_path):
    make, messages = BROKEN[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model = fit(mine, make(tmp_path), epochs=3)
    found = [str(each.message) for each in caught if each.category is UserWarning]
    assert len(found) == len(messages)
    for text, message in zip(found, messages, strict=True):
        assert re.search(message, text), text
    for with_, without in zip(model.get_weights(), fit(mine, epochs=3).get_weights(), strict=True):
        np.testing.assert_array_equal(with_, without)


@pytest.mark.once
def test_a_full_disk_ends_the_logs_and_not_the_training(tmp_path):
    """A limit of the size of files stands for it; the operating system refuses the same call."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        return lambda epoch, logs: resource.setrlimit(
            resource.RLIMIT_FSIZE, (size if epoch == 1 else hard, hard)
        )

    (full, free) = (
        keras.callbacks.LambdaCallback(on_epoch_end=limit(size)) for size in (100, hard)
    )
    watching = [full, callbacks.TensorBoard(tmp_path), free]
    with pytest.warns(UserWarning, match="The logs for TensorBoard end before epoch 2. OSError"):
        model = fit(mine, *watching, epochs=40)  # more than the queue of a writer holds
    assert int(model.optimizer.iterations) == 40 * 3


def test_metrics_that_are_not_numbers_are_not_logged_and_the_others_are(tmp_path):
    def odd(epoch, logs):
        logs.update(name="a", matrix=np.zeros((2, 2)), nothing=None, good=0.5)

    fit(mine, keras.callbacks.LambdaCallback(on_epoch_end=odd), callbacks.TensorBoard(tmp_path))
    (events,) = tmp_path.glob("*tfevents*")
    assert b"good" in events.read_bytes()


def test_features_of_signals_and_rows_are_logged_too(tmp_path):
    for number, shape in enumerate([(20, 3), (7,)]):
        inputs = np.random.default_rng(0).normal(size=(12, *shape)).astype("float32")
        encoder = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
        model = keras.Sequential([encoder, keras.layers.Dense(1)])
        model.encoder = encoder
        model.compile("sgd", "mse")
        folder = tmp_path / str(number)
        model.fit(
            inputs, np.zeros(12), verbose=0, callbacks=[callbacks.TensorBoard(folder, inputs)]
        )
        assert len(next(folder.rglob("tensors.tsv")).read_text().splitlines()) == 12


label = st.one_of(
    st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.binary(max_size=3),
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp", "Lo"])), st.tuples(st.text()),
)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(labels=st.lists(label, min_size=5, max_size=5))
def test_labels_of_any_kind_are_one_line_for_each_image(labels):
    column = np.empty(5, object)
    column[:] = labels
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inputs)
    with tempfile.TemporaryDirectory() as folder:
        board = callbacks.TensorBoard(folder, np.zeros((5, 4), "float32"), column)
        board.set_model(model)
        board.on_train_begin()
        board.on_train_end()
        text = next(pathlib.Path(folder).rglob("metadata.tsv")).read_bytes().decode()
    lines = text.split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(text.splitlines()) == 5
    for line, given_ in zip(lines, labels, strict=True):
        assert line.strip()  # TensorBoard skips empty lines
        assert line.isprintable()
        if isinstance(given_, str) and given_.isprintable() and given_.strip():
            assert line == given_.strip()


IN_ANY_LOCALE = r"""
import sys, numpy as np, keras
from barlow import callbacks
labels = np.array(["caf\u00e9", "\u5199\u771f", "a\tb", "a\nb", "\udce9", ""], object)
inputs = keras.Input((4,))
board = callbacks.TensorBoard(sys.argv[1], np.zeros((6, 4), "float32"), labels)
board.set_model(keras.Model(inputs, inputs))
board.on_train_begin()
board.on_train_end()
"""


@pytest.mark.once
def test_labels_are_written_in_the_locale_c_too(tmp_path):
    in_c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", IN_ANY_LOCALE, tmp_path], env={**os.environ, **in_c},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    lines = next(tmp_path.rglob("metadata.tsv")).read_text(encoding="utf-8").split("\n")
    assert lines == ["café", "写真", r"a\tb", r"a\nb", r"\udce9", "(empty)", ""]
