"""Images on fewer pixels: the baseline of large ones, and near-copies across a split."""

import functools
import io
import re
import tracemalloc
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from barlow import data, evaluation
from barlow.evaluation import split, thumbnails

pytestmark = pytest.mark.once

# Nothing here depends on the probes.
evaluate = functools.partial(evaluation.evaluate, labels_per_class=(1,), regularization=(1.0,))
WORDS = "test images have a near-copy among the training images"


def encoder_of(shape):
    """Two features, whatever the size. It takes bytes: NumPy makes no floats of them."""
    inputs = keras.Input(tuple(shape), dtype="uint8")
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(inputs))
    return keras.Model(inputs, keras.layers.Dense(2)(features))


def photos(count, side, seed=0):
    """Smooth random pictures with some noise, like photos; each of its own."""
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = random.uniform(0, 255, (6, 6, 3)).astype("uint8")
        smooth = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
        pictures.append(smooth + random.normal(0, 4, smooth.shape))
    return np.clip(pictures, 0, 255).astype("uint8")


def again(change):
    """A function that changes each of some images."""

    def changed(images):
        return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])

    return changed


def as_jpeg(quality):
    def change(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return again(change)


def resized(image):
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    return half.resize(image.size, Image.Resampling.BICUBIC)


COPIES = {
    "equal": lambda images: images,
    "JPEG 95": as_jpeg(95),
    "JPEG 75": as_jpeg(75),
    "resized": again(resized),
    "a grey level brighter": lambda images: np.minimum(images, 254) + np.uint8(1),
}


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), side=st.integers(1, 12),
    channels=st.sampled_from([1, 3]),
)  # fmt: skip
def test_each_pixel_is_the_mean_of_the_area_that_it_covers(height, width, side, channels):
    pixels = np.random.default_rng(height).integers(0, 256, (2, height, width, channels))
    rows, columns = min(height, side), min(width, side)
    fine = pixels.repeat(rows, axis=1).repeat(columns, axis=2)  # each part has whole pixels
    parts = fine.reshape(2, rows, height, columns, width, channels)
    found = thumbnails.shrink(pixels, side)
    np.testing.assert_allclose(found, parts.mean(axis=(2, 4)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("side", [32, 64, 150])
def test_near_copies_are_counted(name, side):
    """Fifteen of twenty test images are copies of training images."""
    train = photos(60, side)
    test = np.concatenate([COPIES[name](train[:15]), photos(5, side, seed=1)])
    note = thumbnails.note_of_copies(thumbnails.of(train), thumbnails.of(test))
    assert note.startswith(f"15 of 20 {WORDS}")


@pytest.mark.parametrize("lazy", [False, True])
def test_an_evaluation_counts_the_near_copies_of_any_images(lazy):
    pixels = photos(40, 16)
    sets = []
    for part in (pixels[:30], np.concatenate([as_jpeg(90)(pixels[:5]), pixels[30:]])):
        read = data.LazyPixels(range(len(part)), part.shape[1:], part.__getitem__)
        sets.append(data.Images(read if lazy else part, np.arange(len(part)) % 2))
    with pytest.warns(UserWarning, match=f"5 of 15 {WORDS}: accuracies are too high"):
        evaluate(encoder_of(pixels.shape[1:]), *sets)


def test_a_split_says_it_once_in_its_notes_and_as_a_warning():
    images = photos(40, 16)
    images = data.Images(np.repeat(images, 3, axis=0), np.arange(120) % 2)
    with pytest.warns(UserWarning, match=f"27 of 30 {WORDS}"):
        train, test = split(images)
    assert train.notes == test.notes
    assert WORDS in train.notes[-1]
    evaluate(encoder_of((16, 16, 3)), train, test)  # which would raise if it warned again


@pytest.mark.parametrize("pictures", [1, 2, 5])
def test_few_pictures_many_times_are_copies(pictures):
    images = thumbnails.of(np.repeat(photos(pictures, 32), 30, axis=0))
    rows = np.random.default_rng(0).permutation(len(images))
    note = thumbnails.note_of_copies(images[rows[10:]], images[rows[:10]])
    assert note.startswith(f"10 of 10 {WORDS}")


def blobs():
    labels = np.arange(200) % 3
    noise = np.random.default_rng(0).integers(-5, 6, (200, 8, 8, 1))
    return (40 + 60 * labels[:, None, None, None] + noise).astype("uint8")


def fixed_camera():
    """One scene, hundreds of times; only the noise of the sensor differs."""
    return np.clip(photos(1, 48) + np.random.default_rng(0).normal(0, 3, (200, 48, 48, 3)), 0, 255)


def tiles():
    """Parts of two large pictures, many of them of sky."""
    from sklearn.datasets import load_sample_images

    side, pictures = 32, load_sample_images().images
    return np.stack([
        picture[y : y + side, x : x + side] for picture in pictures
        for y in range(0, picture.shape[0] - side, side)
        for x in range(0, picture.shape[1] - side, side)
    ])  # fmt: skip


ALIKE = {
    "digits": lambda: data.digits().pixels,
    "black": lambda: np.zeros((60, 16, 16, 3), "uint8"),
    "white and black": lambda: np.repeat(np.uint8([0, 255]), 30)[:, None, None, None] * np.ones(
        (1, 16, 16, 1), "uint8"
    ),
    "black beside photos": lambda: np.concatenate([photos(60, 32), np.zeros((60, 32, 32, 3))]),
    "nearly black": lambda: np.random.default_rng(0).integers(0, 2, (80, 32, 32, 3)),
    "shades": blobs,
    "a fixed camera": fixed_camera,
    "parts of pictures": tiles,
    "photos": lambda: photos(300, 32),
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_images_that_are_merely_alike_are_no_copies(name):
    pixels = np.asarray(ALIKE[name]())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            train, _ = split(data.Images(pixels, np.arange(len(pixels)) % 2), seed=seed)
            assert train.notes == ()


def test_only_some_of_many_test_images_are_compared():
    random = np.random.default_rng(0)
    train, test = (random.normal(0, 20, (count, 64)).astype("float32") for count in (50, 6000))
    test[1::2] = train[0]
    found = re.match(f"(.*) of 5,000 {WORDS}", thumbnails.note_of_copies(train, test))
    assert 2_400 < int(found[1].replace(",", "")) < 2_600  # every other one is a copy


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((64, 64, 1), "pixels"),
        ((8, 300, 1), "pixels"),
        ((65, 64, 1), "pixels, 32 x 32"),
        ((224, 224, 3), "pixels, 32 x 32"),
        ((20, 300, 1), "pixels, 20 x 32"),
    ],
)
def test_pixels_of_large_images_are_reduced_and_their_name_says_so(shape, name):
    """Only the mean of the images tells their class, on few pixels as on many."""
    labels = np.arange(80) % 2
    pixels = (
        np.random.default_rng(0).integers(0, 100, (80, *shape)) + 100 * labels[:, None, None, None]
    )
    images = data.Images(pixels.astype("uint8"), labels)
    rows = evaluate(encoder_of(shape), *split(images))
    assert list(dict.fromkeys(row.features for row in rows)) == [name, "random", "learned"]
    assert all(row.accuracy == 1 for row in rows if row.features == name)


@pytest.mark.once
def test_the_memory_of_an_evaluation_grows_by_less_than_the_images():
    shape, peaks = (256, 256, 3), []

    def read(row):
        random = np.random.default_rng(row)
        return random.integers(0, 156, shape).astype("uint8") + np.uint8(100 * (row % 2))

    encoder = encoder_of(shape)
    for count in (100, 400):  # of a chunk, and of two
        images = data.Images(data.LazyPixels(range(count), shape, read), np.arange(count) % 2)
        tracemalloc.start()
        evaluate(encoder, *split(images))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    chunk = 256 * np.prod(shape)
    assert peaks[1] < 3 * chunk  # those that are read ahead, and what is made of them
