"""What `BarlowTransformer` takes: encoders, images, rows of pixels, paths, rows of a table."""

import keras
import numpy as np
import pandas as pd
import pytest
import small
from PIL import Image
from sklearn.base import clone
from tiny import ROWS, TINY, assert_same

import barlow
from barlow.estimator import BarlowTransformer


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
