"""Vectors: each is that of the image whose name and label stand beside it."""

import pathlib
import tarfile
import tempfile

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import barlow
from barlow import data, evaluation

SIZE = 8


@pytest.fixture(scope="module")
def encoder():
    """Random features of all pixels, so that every image has a vector of its own."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((SIZE, SIZE, 1)), keras.layers.Flatten(), keras.layers.Dense(6)]
    return keras.Sequential([layers[0], keras.layers.Rescaling(1 / 255), *layers[1:]])


def alone(encoder, pixels):
    """The vector of one image, embedded by itself."""
    return np.asarray(encoder.predict(pixels[None], verbose=0))[0]


def write(folder, good, source):
    """Write files, some of them bad; returns the source and by name the pixels of the good."""
    random, pixels = np.random.default_rng(len(good)), {}
    for i, is_good in enumerate(good):
        path = folder / f"class {i % 2}" / f"{i:03}.png"
        path.parent.mkdir(exist_ok=True)
        image = random.integers(0, 256, (SIZE, SIZE, 1)).astype("uint8")
        Image.fromarray(image[..., 0]).save(path)
        if is_good:
            pixels[path] = image
        else:
            path.write_bytes(path.read_bytes()[:60] if i % 2 else b"")
    paths = sorted(folder.rglob("*.png"))
    if source == "list":
        return paths, {str(path): image for path, image in pixels.items()}
    if source == "manifest":
        lines = [f"{path.relative_to(folder)}\t{path.parent.name}" for path in reversed(paths)]
        (folder / "x.txt").write_text("\n".join(lines))
        folder, source = folder / "x.txt", "folder"
    elif source == "archive":
        with tarfile.open(folder / "x.tar", "w") as archive:
            for path in paths:
                archive.add(path, path.relative_to(folder).as_posix())
        return folder / "x.tar", {
            path.relative_to(folder).as_posix(): image for path, image in pixels.items()
        }
    root = folder if folder.is_dir() else folder.parent
    return folder, {path.relative_to(root).as_posix(): image for path, image in pixels.items()}


@settings(deadline=None, max_examples=25)
@given(
    good=st.lists(st.booleans(), min_size=2, max_size=20).filter(any),
    source=st.sampled_from(["folder", "list", "manifest", "archive"]),
    batch_size=st.sampled_from([1, 3, 256]),
    lazy=st.booleans(),
    cut=st.randoms(use_true_random=False),
)
def test_each_vector_is_that_of_the_image_beside_it(encoder, good, source, batch_size, lazy, cut):
    with tempfile.TemporaryDirectory() as name:
        found, pixels = write(pathlib.Path(name), good, source)
        images = data.load(found, (SIZE, SIZE), memory=0 if lazy else 2**20)
        rows = cut.sample(range(len(images)), cut.randint(1, len(images)))  # any split
        if all(images.names[row] not in pixels for row in rows):
            return  # none of them can be read
        embeddings = barlow.embed(encoder, images[rows], batch_size=batch_size)
    kept = [name for name in images.names[rows] if name in pixels]
    assert embeddings.names.tolist() == kept
    assert len(embeddings) + len(embeddings.skipped) == len(rows) + len(images.skipped)
    for name, vector in zip(embeddings.names, embeddings.vectors, strict=True):
        np.testing.assert_allclose(vector, alone(encoder, pixels[name]), rtol=1e-4, atol=1e-5)
    if embeddings.labels is not None:
        assert [f"class {int(name[-7:-4]) % 2}" for name in kept] == embeddings.labels.tolist()


def test_names_survive_a_split(encoder):
    digits = data.digits()
    for part in evaluation.split(digits):
        embeddings = barlow.embed(encoder, part)
        rows = embeddings.names.astype(int)
        np.testing.assert_array_equal(digits.labels[rows], embeddings.labels)
        expected = encoder.predict(digits.pixels[rows], verbose=0)
        np.testing.assert_allclose(embeddings.vectors, expected, rtol=1e-4, atol=1e-5)


def test_rows_are_indexed_together(encoder):
    embeddings = barlow.embed(encoder, data.digits()[:20])
    chosen = embeddings[embeddings.labels < 3]
    assert len(chosen) == np.sum(embeddings.labels < 3)
    assert (chosen.encoder, chosen.image_shape) == (embeddings.encoder, (SIZE, SIZE, 1))
    for vector, name, label in zip(chosen.vectors, chosen.names, chosen.labels, strict=True):
        np.testing.assert_array_equal(vector, embeddings.vectors[int(name)])
        assert label == embeddings.labels[int(name)] < 3


def test_a_run_a_file_and_the_model_give_the_same(encoder, tmp_path):
    digits = data.digits().pixels[:50]
    run = barlow.pretrain(digits, tmp_path / "run", barlow.Settings(epochs=1, projector=(8, 8)))
    model = barlow.runs.load_encoder(run)
    expected = barlow.embed(model, digits)
    for given_ in (run, str(run), run / barlow.runs.ENCODER):
        found = barlow.embed(given_, digits)
        np.testing.assert_allclose(found.vectors, expected.vectors, rtol=1e-4, atol=1e-5)
        assert found.encoder == expected.encoder
    assert barlow.embed(encoder, digits).encoder != expected.encoder
    assert expected.vectors.dtype == np.float32


def test_a_source_is_brought_to_the_size_and_the_channels_of_the_encoder(encoder, tmp_path):
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 30, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    embeddings = barlow.embed(encoder, tmp_path)
    assert embeddings.image_shape == (SIZE, SIZE, 1)
    assert embeddings.names.tolist() == ["0.png", "1.png", "2.png"]
    assert "stretch" in embeddings.resize
    assert barlow.embed(encoder, data.digits().pixels[:3]).resize == ""


def test_images_of_another_size_are_refused(encoder):
    with pytest.raises(ValueError, match=r"\(8, 8, 1\).*\(9, 9, 1\)"):
        barlow.embed(encoder, np.zeros((4, 9, 9)))
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        barlow.embed(encoder, np.zeros((4, 8, 8)), batch_size=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused_with_the_name_of_the_first_image(value):
    class Spoil(keras.layers.Layer):
        """NaN or Inf for images that begin with a white pixel."""

        def call(self, x):
            x = keras.ops.reshape(x, (-1, SIZE * SIZE))
            return keras.ops.where(x[:, :1] > 200, value, x)

    encoder = keras.Sequential([keras.Input((SIZE, SIZE, 1)), Spoil()])
    pixels = np.zeros((30, SIZE, SIZE, 1), "uint8")
    pixels[[17, 23], 0, 0] = 255
    with pytest.raises(FloatingPointError, match="NaN or Inf for the image 17 and 1 other"):
        barlow.embed(encoder, pixels, batch_size=8)


def test_bad_images_are_skipped_and_a_source_of_nothing_else_is_refused(encoder, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(ValueError, match="None of the 2 images can be read"):
        barlow.embed(encoder, tmp_path)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="nothing is compiled there")
def test_all_batches_have_one_size_so_that_one_is_compiled():
    sizes = set()

    class Watch(keras.layers.Layer):
        def call(self, x):
            sizes.add(x.shape[0])
            return x

    model = keras.Sequential([keras.Input((SIZE, SIZE, 1)), Watch(), keras.layers.Flatten()])
    sizes.clear()  # sizes with which Keras has inferred shapes
    embeddings = barlow.embed(model, data.digits(), batch_size=1000)
    assert sizes == {1000}
    assert embeddings.vectors.shape == (1797, 64)


@pytest.mark.parametrize("shape", [(50, 6), (8,)], ids=["signals", "rows"])
def test_signals_and_rows_are_embedded_too(shape):
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    inputs = np.random.default_rng(0).normal(size=(20, *shape)).astype("float32")
    embeddings = barlow.embed(model, inputs, batch_size=8)
    expected = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(embeddings.vectors, expected, rtol=1e-4, atol=1e-5)
    assert embeddings.names.tolist() == [str(row) for row in range(20)]
    with pytest.raises(ValueError, match="Received: images of shape"):
        barlow.embed(model, inputs[:, :-1])


@pytest.mark.once
def test_an_empty_set_is_refused_in_words():
    encoder = barlow.models.encoder("conv", (8, 8, 1))
    with pytest.raises(ValueError, match="the set is empty"):
        barlow.embed(encoder, data.digits()[:0])
