"""An evaluation gives what it can, and names what it cannot."""

import functools
import re
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barlow import callbacks, data, evaluation
from barlow.errors import InvalidInput
from barlow.evaluation import split

SHAPE = (8, 8, 1)
COUNTS = (1, 5, 10)  # labels per class

# Nothing here depends on the regularisation; to choose one takes the time of all the rest.
evaluate = functools.partial(evaluation.evaluate, labels_per_class=COUNTS, regularization=(1.0,))
probe = functools.partial(evaluation.probe, labels_per_class=COUNTS)


def images_of(labels, seed=0):
    """Noise, labelled."""
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), *SHAPE)).astype("uint8")
    return data.Images(pixels, labels)


def make_encoder():
    layers = [keras.Input(SHAPE), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(4)])


def said(call):
    """Result of a call, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = call()
    return result, [str(each.message) for each in caught if each.category is UserWarning]


classes = st.lists(st.integers(1, 12), min_size=1, max_size=40)
kinds = st.sampled_from(["int", "str", "object", "mixed", "float"])


def labels_of(sizes, kind, seed):
    numbers = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    if kind == "mixed":  # which cannot be ordered
        values = [None, 3, "three", b"3", (3,), *range(100, 200)]
        labels = np.empty(len(numbers), object)
        labels[:] = [values[number] for number in numbers]
        return numbers, labels
    return numbers, numbers.astype(kind)


@pytest.mark.once
@settings(deadline=None, max_examples=60)
@given(sizes=classes, kind=kinds, fraction=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_a_split_has_every_class_of_two_images_on_both_sides(sizes, kind, fraction, seed):
    numbers, labels = labels_of(sizes, kind, seed)
    images = images_of(labels, seed)
    rare = {number for number, size in enumerate(sizes) if size == 1}
    if len(rare) == len(sizes):
        with pytest.raises(InvalidInput, match="no class has two images"):
            split(images, fraction, seed)
        return
    parts, messages = said(lambda: split(images, fraction, seed))
    rows = [part.names.astype(int) for part in parts]
    assert len({*rows[0], *rows[1]}) == len(rows[0]) + len(rows[1]) == len(labels) - len(rare)
    for part, found in zip(parts, rows, strict=True):
        assert set(numbers[found]) == set(range(len(sizes))) - rare
        assert list(part.labels) == list(labels[found])
        assert part.notes == tuple(messages)
    sides = [np.bincount(numbers[found], minlength=len(sizes)) for found in rows]
    # In proportion: of what is asked for, or of what scikit-learn takes, which rounds the number of
    # test images up before it divides it among the classes.
    of_two = np.array([size for size in sizes if size > 1])
    taken = sides[1][np.array(sizes) > 1]
    rounded = np.ceil(fraction * of_two.sum()) / of_two.sum()
    expected = [np.clip(each * of_two, 1, of_two - 1) for each in (fraction, rounded)]
    assert any((np.abs(taken - each) <= 1).all() for each in expected)
    assert bool(messages) == bool(rare)
    if rare:
        named = sorted(rare)[:1] if kind == "mixed" else []
        assert "single image" in messages[0]
        assert all(str(labels[numbers == number][0]) for number in named)


@pytest.mark.once
def test_classes_with_one_image_are_set_aside_by_name():
    labels = ["ant"] * 8 + ["rare\nmoth"] + ["bee"] * 8
    (train, _), (message,) = said(lambda: split(images_of(labels)))
    assert message in train.notes
    assert message.startswith("One class with a single image is set aside")
    assert message.endswith(r": rare\nmoth.")
    many = ["ant"] * 8 + [f"moth {number}" for number in range(7)]
    _, (message,) = said(lambda: split(images_of(many)))
    assert message.startswith("7 classes with a single image are set aside")
    assert message.endswith("moth 0, moth 1, moth 2, moth 3, moth 4 and 2 more.")


@pytest.mark.once
@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(InvalidInput, match="`test_fraction` must be between 0 and 1"):
        split(images_of([0, 1] * 10), fraction)


@pytest.mark.once
def test_many_classes_of_few_images_are_evaluated():
    train, test = split(images_of(np.arange(90) % 30))
    assert (len(train), len(test)) == (60, 30)
    rows, messages = said(lambda: evaluate(make_encoder(), train, test))
    assert {row.labels_per_class for row in rows} == {1, None}
    assert len(messages) == 1
    assert "5 and 10 labels per class. The class 0 has 2 training images" in messages[0]


@pytest.mark.once
@settings(deadline=None, max_examples=30)
@given(
    train=st.integers(2, 9), test=st.integers(1, 9), neighbours=st.integers(1, 30),
    weights=st.sampled_from(["uniform", "cosine"]),
)  # fmt: skip
def test_there_are_never_more_neighbours_than_images(train, test, neighbours, weights):
    random = np.random.default_rng(train)
    x, x_test = random.normal(size=(train, 3)), random.normal(size=(test, 3))
    rows = evaluation.probe(
        {"x": (x, x_test)}, np.arange(train) % 2, np.arange(test) % 2,
        labels_per_class=(), neighbours=neighbours, weights=weights,
    )  # fmt: skip
    assert [row.neighbours for row in rows] == [None, min(neighbours, train)]


@pytest.mark.once
@pytest.mark.parametrize("kind", ["int", "str", "object", "float", "mixed"])
def test_test_images_of_unknown_classes_are_errors_and_named(kind):
    _, labels = labels_of([10, 10, 10], kind, 0)
    known = labels[labels != labels[0]]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    features = [np.eye(3)[[numbers[each] for each in part]] for part in (known, labels)]
    rows, messages = said(lambda: probe({"x": tuple(features)}, known, labels))
    assert [row.accuracy for row in rows] == pytest.approx([2 / 3] * 5)
    assert len(messages) == 1
    assert messages[0].startswith("10 of 30 test images count as errors")
    assert messages[0].endswith(f": {labels[0]}.")


@pytest.mark.once
def test_a_probe_that_fails_is_named_with_its_reason_and_the_others_stay():
    labels = np.arange(40) % 2
    good, bad = labels[:, None].astype(float), np.full((40, 1), np.inf)
    features = {"bad": (bad, bad), "good": (good, good)}
    rows, messages = said(lambda: probe(features, labels, labels))
    assert {row.features for row in rows} == {"good"}
    assert len(rows) == 5
    assert len(messages) == 1
    for words in ("linear on bad with 5 / class", "knn on bad", "Input X contains infinity"):
        assert words in messages[0]


@pytest.mark.once
@pytest.mark.parametrize(
    "shapes", [((40, 3), (9, 3)), ((9, 3), (40, 3)), ((40,), (40,)), ((40, 2, 2), (40, 2, 2))]
)
def test_features_of_other_images_are_refused(shapes):
    labels = np.arange(40) % 2
    with pytest.raises(InvalidInput, match=re.escape("[40, features]")):
        probe({"x": tuple(map(np.zeros, shapes))}, labels, labels)


def test_an_encoder_that_cannot_be_copied_is_evaluated_without_random_weights():
    class Mean(keras.layers.Layer):
        def __init__(self, axes):
            super().__init__()
            self.axes = axes

        def call(self, x):
            return keras.ops.mean(x, axis=self.axes)

    encoder = keras.Sequential([keras.Input(SHAPE), Mean((1, 2))])
    rows, messages = said(lambda: evaluate(encoder, *split(images_of(np.arange(80) % 2))))
    assert list(dict.fromkeys(row.features for row in rows)) == ["pixels", "learned"]
    assert len(messages) == 1
    assert messages[0].startswith("Features of random weights are left out. ")


def lazy(images, bad=(), read=None):
    """The same images, each read when it is needed; some cannot be."""

    def pixels(row):
        if read is not None:
            read.append(row)
        if row in bad:
            raise data.BadImage(f"{row}.png", "it is cut short")
        return images.pixels[row]

    rows = range(len(images))
    return data.Images(data.LazyPixels(rows, images.pixels.shape[1:], pixels), images.labels)


def test_bad_images_are_named_and_drop_out_of_all_features_alike():
    keras.utils.set_random_seed(0)
    encoder, images = make_encoder(), images_of(np.arange(600) % 2)
    train, test = images[:400], images[400:]
    bad = {3, 17, 399}
    rows, messages = said(lambda: evaluate(encoder, lazy(train, bad), lazy(test, {0})))
    assert [re.findall(r"\d+ images|\w+\.png: [\w ]+", text) for text in messages] == [
        ["3 images", *(f"{row}.png: it is cut short" for row in sorted(bad))],
        ["1 images", "0.png: it is cut short"],
    ]
    good = np.setdiff1d(np.arange(400), list(bad))
    expected = evaluate(encoder, train[good], test[1:])
    for row, other in zip(rows, expected, strict=True):
        if row.features != "random":
            assert (row.features, row.probe) == (other.features, other.probe)
            assert row.accuracy == pytest.approx(other.accuracy, abs=0.011)


@pytest.mark.once
def test_a_set_of_bad_images_alone_is_refused():
    images = images_of(np.arange(20) % 2)
    with pytest.raises(InvalidInput, match="None of the 20 images can be read"):
        evaluate(make_encoder(), images, lazy(images, range(20)))


def test_lazy_images_are_read_once_by_an_evaluation_and_not_by_a_split_or_a_callback():
    read = []
    images = lazy(images_of(np.arange(300) % 2), read=read)
    train, test = split(images)
    callbacks.Probe(train, test)
    assert not read
    evaluate(make_encoder(), train, test)
    assert sorted(read) == list(range(300))


@pytest.mark.parametrize("shape", [(None, None, 1), (None, 8, 1), (None, None, None)])
def test_an_encoder_of_open_sizes_is_evaluated_as_any_other(shape):
    inputs = keras.Input(shape)
    features = keras.layers.Rescaling(1 / 255)(inputs)
    if shape[-1]:
        features = keras.layers.Conv2D(4, 3)(features)
    encoder = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(features))
    rows = evaluate(encoder, *split(images_of(np.arange(80) % 2)))
    assert {row.features for row in rows} == {"pixels", "random", "learned"}
