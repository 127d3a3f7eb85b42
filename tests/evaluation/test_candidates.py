"""Several encoders, and vectors of a file, on the same images."""

import dataclasses
import warnings

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.preprocessing import StandardScaler

from barlow import data, embedding, vectors
from barlow.errors import InvalidInput
from barlow.evaluation import Candidate, compare, lidar, rank_me, retrieval, split, split_alike
from barlow.views import ImageViews

HOW = {"labels_per_class": (1,), "regularization": (1.0,)}


def network(features, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(features, "relu")])


@pytest.fixture(scope="module")
def digits():
    return data.digits()[:500]


def test_an_evaluation_is_what_its_parts_are_alone(digits):
    train, test = split(digits)
    encoder, views = network(16), ImageViews("glyphs", seed=0)
    compared = compare({"one": Candidate(train, test, encoder, views)}, **HOW)
    found = compared.evaluations["one"]
    x, x_test = (embedding.embed(encoder, part).vectors for part in (train, test))
    assert found.retrieval["learned"] == retrieval(x, train.labels, x_test, test.labels)
    assert list(found.retrieval) == ["pixels", "random", "learned"]
    assert found.rank_me == pytest.approx(rank_me(x))
    assert (found.features, found.class_sizes.sum()) == (16, len(test))
    scaler = StandardScaler().fit(x)
    model = LogisticRegression(max_iter=2000).fit(scaler.transform(x), train.labels)
    said = model.predict(scaler.transform(x_test))
    np.testing.assert_array_equal(found.confusion.counts, confusion_matrix(test.labels, said))
    assert found.confusion.classes == tuple("0123456789")
    np.testing.assert_array_equal(found.right, said == test.labels)
    learned = [row for row in found.rows if row.features == "learned"]
    assert found.right.mean() == learned[1].accuracy
    # Other views are drawn, and other images chosen; a thousand images have nearly the same rank.
    several = [np.asarray(view) for _ in range(5) for view in views(train.pixels)]
    expected = lidar(np.stack([encoder.predict(view, verbose=0) for view in several], axis=1))
    assert found.lidar == pytest.approx(expected, rel=0.1)
    assert (compared.differences, compared.verdict) == ([], "")
    content = compared.as_json("one")
    assert content["retrieval"][2]["recall"] == found.retrieval["learned"].recall
    assert np.sum(content["confusion"]["counts"]) == content["test_images"] == len(test)
    assert "comparison" not in content


@pytest.mark.once
def test_two_encoders_and_the_vectors_of_one_are_beside_each_other(digits):
    good, bad = network(64), network(2)
    sides = split_alike([digits, digits, embedding.embed(good, digits)])
    assert sides[0][0] is sides[1][0]
    names = ("good", "bad", "file")
    candidates = {
        name: Candidate(*both, encoder)
        for name, both, encoder in zip(names, sides, (good, bad, None), strict=True)
    }
    compared = compare(candidates, **HOW)
    one, two, file = (compared.evaluations[name] for name in names)
    assert {row.features for row in file.rows} == {"learned"}
    assert file.rows == [row for row in one.rows if row.features == "learned"]
    assert file.lidar is one.lidar is None
    kinds = [[row for row in each.rows if row.features == "pixels"] for each in (one, two)]
    assert kinds[0] == kinds[1] != []
    assert {each.second: each.is_chance for each in compared.differences} == {
        "file": True, "bad": False,
    }  # fmt: skip
    assert compared.differences[0][2:4] != (0, 0)
    assert "difference between good and file is within chance" in compared.verdict
    content = compared.as_json("bad")["comparison"]
    assert content["this"] == "bad"
    assert [each["second"] for each in content["differences"]] == ["file", "bad"]


@pytest.mark.once
def test_the_same_images_are_on_the_same_side_whatever_else_a_set_has(digits):
    order = np.random.default_rng(0).permutation(500)
    other = dataclasses.replace(digits[order[:450]], labels=None)
    with pytest.warns(UserWarning, match="50 images are not in all sets"):
        (train, test), (train_2, test_2) = split_alike([digits, other])
    for one, two in ((train, train_2), (test, test_2)):
        assert one.names.tolist() == two.names.tolist()
        assert one.labels.tolist() == two.labels.tolist()
        np.testing.assert_array_equal(one.pixels, two.pixels)
    assert len(train) + len(test) == 450
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((alone, _),) = split_alike([digits])
    assert alone.names.tolist() == split(digits)[0].names.tolist()


@pytest.mark.once
def test_names_and_labels_that_are_no_utf8_are_those_of_a_file_of_vectors(digits, tmp_path):
    names = [f"caf\udce9/{name}.png" for name in digits.names]
    labels = np.array([f"{label}\udce9" for label in digits.labels], dtype=object)
    latin = dataclasses.replace(digits, names=names, labels=labels)
    vectors.write(network(64), latin, tmp_path / "x.parquet")
    sides = split_alike([latin, vectors.read(tmp_path / "x.parquet")])
    candidates = {
        "run": Candidate(*sides[0], network(64)),
        "file": Candidate(*sides[1], None),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compared = compare(candidates, **HOW)
    assert {*compared.evaluations} == {"run", "file"}


@pytest.mark.once
def test_images_of_other_names_or_labels_are_refused(digits):
    renamed = dataclasses.replace(digits, names=[f"{name}.png" for name in digits.names])
    with pytest.raises(InvalidInput, match=r"No image is in all of the sets.*: 0, 0\.png"):
        split_alike([digits, renamed])
    twice = digits[[0, 1, 2, 0]]
    with pytest.raises(InvalidInput, match="several of the name 0"):
        split_alike([digits, twice])
    wrong = dataclasses.replace(digits, labels=digits.labels + 1)
    with pytest.raises(InvalidInput, match="The image 0 has the label 0 in one set and 1 in"):
        split_alike([digits, wrong])
    with pytest.raises(InvalidInput, match="the same images with the same labels"):
        compare(
            {"a": Candidate(*split(digits), network(2)), "b": Candidate(*split(wrong), network(2))},
            **HOW,
        )
    with pytest.raises(InvalidInput, match="at least one candidate"):
        compare({})
    with pytest.raises(InvalidInput, match="must have an encoder and images"):
        compare({"a": Candidate(*split(digits))})


@pytest.mark.once
def test_images_that_one_encoder_cannot_read_are_left_out_of_all(digits):
    def read(row):
        if row == 3:
            raise data.BadImage("3.png", "it is cut short")
        return digits.pixels[row]

    broken = dataclasses.replace(digits, pixels=data.LazyPixels(range(500), (8, 8, 1), read))
    sides = split_alike([digits, broken])
    candidates = {str(i): Candidate(*both, network(4)) for i, both in enumerate(sides)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compared = compare(candidates, **HOW)
    assert "1 images that one cannot read are left out of all." in [str(e.message) for e in caught]
    one, two = compared.evaluations.values()
    assert [row for row in one.rows if row.features == "learned"] == [
        row for row in two.rows if row.features == "learned"
    ]


@pytest.mark.once
def test_an_encoder_of_nan_is_named(digits):
    broken = network(4)
    broken.set_weights([np.full_like(weight, np.nan) for weight in broken.get_weights()])
    sides = split(digits)
    with pytest.raises(FloatingPointError, match="bad: The encoder returns NaN"):
        compare({"good": Candidate(*sides, network(4)), "bad": Candidate(*sides, broken)}, **HOW)
