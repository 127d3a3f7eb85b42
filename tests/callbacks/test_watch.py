"""What is seen of an encoder while it learns."""

import re

import keras
import matplotlib as mpl
import numpy as np
import pytest
import small

import barlow
from barlow import callbacks, data, evaluation, runs
from barlow.callbacks import tensorboard


def make_model(encoder=None):
    model = barlow.BarlowTwins(
        encoder or small.network((8, 8, 1)),
        projector=(16, 16),
        views=barlow.views.ImageViews("glyphs", seed=0),
    )
    model.compile("adamw")
    return model


def fit(model, images, *watching, epochs=1):
    return model.fit(
        images, batch_size=64, epochs=epochs, shuffle=False, callbacks=list(watching), verbose=0
    ).history


@pytest.fixture(scope="module")
def digits():
    """Images to learn from without labels, and two labelled sets."""
    learned_from, labelled = evaluation.split(data.digits())
    return learned_from.pixels[:256], *evaluation.split(labelled)


def test_a_probe_finds_what_the_evaluation_of_the_encoder_finds(digits):
    images, train, test = digits
    keras.utils.set_random_seed(0)
    model = make_model()
    history = fit(model, images, callbacks.Probe(train, test), epochs=2)
    for name in ("probe_knn", "probe_linear"):
        assert len(history[name]) == 2
    features = tuple(model.encoder.predict(part.pixels, verbose=0) for part in (train, test))
    rows = evaluation.probe(
        {"now": features}, train.labels, test.labels,
        labels_per_class=(), neighbours=20, weights="cosine",
    )  # fmt: skip
    found = {f"probe_{row.probe}": row.accuracy for row in rows}
    assert {name: history[name][-1] for name in found} == found  # at the end, in inference mode


def test_looking_changes_nothing_in_the_training(digits, tmp_path):
    images, train, test = digits
    ends = []
    board = callbacks.TensorBoard(tmp_path, test.pixels, test.labels)
    for watching in ([], [callbacks.Probe(train, test), callbacks.Rank(test.pixels), board]):
        keras.utils.set_random_seed(0)
        model = make_model()
        fit(model, images, *watching, epochs=2)
        ends.append(model.get_weights())
    for without, with_ in zip(*ends, strict=True):
        np.testing.assert_allclose(without, with_, rtol=1e-5, atol=1e-6)


def test_a_rank_is_that_of_the_features_of_the_images(digits):
    images, _, test = digits
    model = make_model()
    history = fit(model, images, callbacks.Rank(test.pixels))
    features = model.encoder.predict(test.pixels, verbose=0)
    assert history["rank_me"][0] == pytest.approx(evaluation.rank_me(features), rel=1e-4)
    assert history["alpha_req"][0] == pytest.approx(evaluation.alpha_req(features), rel=1e-3)


def test_tensorboard_shows_metrics_correlation_and_features(digits, tmp_path):
    import tensorflow as tf  # whose reader is not that of what wrote

    images, _, test = digits
    model = make_model()
    board = callbacks.TensorBoard(tmp_path, test.pixels[:100], test.labels[:100], every=3)
    history = fit(model, images, callbacks.Rank(test.pixels), board, epochs=3)

    scalars, pictures = {}, {}
    for path in tmp_path.glob("*tfevents*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.HasField("image"):
                    png = tf.io.decode_png(value.image.encoded_image_string).numpy()
                    pictures[value.tag, event.step] = png
                else:
                    scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert scalars.pop("learning_rate") == [(epoch, pytest.approx(1e-3)) for epoch in (1, 2, 3)]
    assert scalars == {
        name: [(epoch, pytest.approx(value)) for epoch, value in enumerate(values, 1)]
        for name, values in history.items()
    }
    ((name, picture),) = pictures.items()
    assert (name, picture.shape) == (("cross-correlation", 3), (16, 16, 3))
    correlation = model.cross_correlation(test.pixels[:100])  # of the next views, as it was then
    expected = mpl.colormaps["RdBu_r"]((correlation + 1) / 2)[..., :3]
    np.testing.assert_allclose(picture / 255, expected, atol=0.02)

    (folder,) = (path.parent for path in tmp_path.rglob("tensors.tsv"))
    features = model.encoder.predict(test.pixels[:100], verbose=0)
    np.testing.assert_allclose(np.loadtxt(folder / "tensors.tsv"), features, rtol=1e-3, atol=1e-4)
    assert (folder / "metadata.tsv").read_text().split() == [str(y) for y in test.labels[:100]]
    assert (folder / "sprite.png").is_file()


def test_tensorboard_refuses_labels_of_other_images(tmp_path):
    with pytest.raises(ValueError, match=r"one label for each image\. Received: 3 labels, 2 im"):
        callbacks.TensorBoard(tmp_path, np.zeros((2, 8, 8, 1)), np.zeros(3))


def test_they_look_every_so_many_epochs_and_at_any_encoder(digits):
    images, _, test = digits
    inputs = keras.Input((8, 8, 1))
    features = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
    encoder = keras.Model(inputs, features)
    model = keras.Sequential([encoder, keras.layers.Dense(10)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(set(logs)))
    epochs = []
    model.fit(
        images, np.arange(len(images)) % 10, epochs=4, verbose=0,
        callbacks=[callbacks.Rank(test.pixels, encoder, every=2), seen],
    )  # fmt: skip
    assert ["rank_me" in logs for logs in epochs] == [False, True, False, True]


def test_a_collapsed_encoder_raises_the_alarm(digits):
    images, _, test = digits
    inputs = keras.Input((8, 8, 1))
    mean = keras.layers.GlobalAveragePooling2D()(inputs)
    same = keras.layers.Dense(16, kernel_initializer="ones", trainable=False)(mean)
    model = make_model(keras.Model(inputs, same))
    with pytest.warns(UserWarning, match=re.escape("16 features are worth 1.00 independent")):
        fit(model, images, callbacks.Rank(test.pixels))


def test_what_is_found_is_in_the_metrics_of_a_run_and_goes_on_with_it(digits, tmp_path):
    images, train, test = digits
    settings = barlow.Settings(epochs=2, batch_size=64, projector=(16, 16))
    run = barlow.pretrain(
        images, tmp_path / "run", settings, [callbacks.Probe(train, test)], checkpoint_seconds=0
    )
    for row in runs.read_metrics(run):
        assert 0 <= row["probe_knn"] <= 1
        assert 0 <= row["probe_linear"] <= 1


@pytest.mark.parametrize("watching", [callbacks.Probe, callbacks.Rank])
def test_features_that_are_not_numbers_end_training(watching, digits):
    images, train, test = digits
    inputs = keras.Input((8, 8, 1))  # without ReLU, which on some backends makes zeros of them
    model = make_model(keras.Model(inputs, keras.layers.Dense(8)(keras.layers.Flatten()(inputs))))
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: model.encoder.set_weights(
            [np.full_like(weight, np.nan) for weight in model.encoder.get_weights()]
        )
    )
    looks = watching(train, test) if watching is callbacks.Probe else watching(test.pixels)
    with pytest.raises(FloatingPointError, match="learning rate is too high"):
        fit(model, images, spoil, looks)


def test_images_without_labels_and_no_epochs_are_refused(digits):
    _, train, test = digits
    with pytest.raises(ValueError, match="Evaluation needs labels"):
        callbacks.Probe(data.Images(train.pixels), test)
    with pytest.raises(ValueError, match="at least two classes"):
        callbacks.Probe(data.Images(train.pixels, np.zeros(len(train))), test)
    with pytest.raises(ValueError, match="`every` must be at least 1 epoch"):
        callbacks.Rank(test.pixels, every=0)


@pytest.mark.once
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_thumbnails_are_of_images_of_any_number_of_channels(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, channels)).astype("uint8")
    found = tensorboard._thumbnails(images)
    assert found.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(found[:, 0], images[..., 0] / 255, atol=1e-6)
