import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from barlow import data, models
from barlow.evaluation import LABELS_PER_CLASS, as_json, evaluate, probe, split


def blobs(images=120, classes=3, seed=0):
    """Grey images whose brightness is their class, but for a little noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    pixels = 40 + 60 * labels[:, None, None] + rng.integers(-5, 6, (images, 8, 8))
    return data.from_array(pixels, labels)


class MeanBrightness(keras.layers.Layer):
    def call(self, images):
        return keras.ops.mean(images, axis=(1, 2))


@pytest.fixture
def encoder():
    return keras.Sequential([keras.Input((8, 8, 1)), MeanBrightness()])


@pytest.mark.once
def test_a_split_is_stratified_and_shares_no_image():
    images = data.from_array(np.arange(100).reshape(100, 1, 1) * np.ones((1, 8, 8)), [0, 1] * 50)
    train, test = split(images, test_fraction=0.3, seed=1)
    assert (len(train), len(test)) == (70, 30)
    assert np.bincount(test.labels).tolist() == [15, 15]
    seen, held_out = (set(part.pixels[:, 0, 0, 0]) for part in (train, test))
    assert len(seen | held_out) == 100
    for part in (train, test):
        np.testing.assert_array_equal(part.pixels[:, 0, 0, 0] % 2, part.labels)
    assert set(split(images, 0.3, seed=2)[1].pixels[:, 0, 0, 0]) != held_out


def test_rows_are_those_of_every_kind_of_features_probe_and_number_of_labels(encoder):
    train, test = split(blobs(images=450))
    rows = evaluate(encoder, train, test)
    probes = [*(("linear", count) for count in LABELS_PER_CLASS), ("linear", None), ("knn", None)]
    assert [(row.features, row.probe, row.labels_per_class) for row in rows] == [
        (features, *probe) for features in ("pixels", "random", "learned") for probe in probes
    ]
    linear, knn = as_json(rows)["rows"][0], as_json(rows)["rows"][-1]
    assert linear.keys() == {
        "features", "probe", "labels_per_class", "accuracy", "std", "balanced_accuracy",
        "regularization",
    }  # fmt: skip
    assert knn.keys() == {*linear, "neighbours"} - {"regularization"}
    assert knn["neighbours"] == 5
    learned = [row for row in rows if row.features == "learned"]
    assert all(row.accuracy == 1.0 for row in learned)  # the brightness is the class
    assert all(row.std == 0 for row in rows if row.labels_per_class is None)


@pytest.mark.once
def test_chunks_and_probes_are_steps_of_the_progress(encoder):
    steps = []

    def track(items, description):
        for item in items:
            yield item
            steps.append(description)

    rows = evaluate(encoder, *split(blobs()), track=track)
    # Of each set one chunk.
    assert steps == ["Computing features"] * 2 + ["Evaluating"] * len(rows)


@pytest.mark.once
def test_labels_that_say_nothing_about_the_images_are_guessed_at_chance(encoder):
    images = blobs(images=1200)
    labels = np.random.default_rng(5).integers(0, 3, 1200)
    train, test = split(data.from_array(images.pixels, labels))
    for row in evaluate(encoder, train, test, regularization=(1.0,)):
        assert row.accuracy == pytest.approx(1 / 3, abs=0.12)


@pytest.mark.once
def test_neighbours_by_cosine_vote_with_what_wu_et_al_give_them():
    rng = np.random.default_rng(0)
    labels, test_labels = rng.integers(0, 3, 300), rng.integers(0, 3, 100)
    x, x_test = (rng.normal(2 + y[:, None], 3, (len(y), 4)) for y in (labels, test_labels))
    a, b = ((z - x.mean(axis=0)) / x.std(axis=0) for z in (x, x_test))
    cosine = (b @ a.T) / np.outer(np.linalg.norm(b, axis=1), np.linalg.norm(a, axis=1))
    nearest = np.argsort(-cosine, axis=1)[:, :7]
    weights = np.exp(np.take_along_axis(cosine, nearest, axis=1) / 0.07)
    votes = [np.where(labels[nearest] == label, weights, 0).sum(axis=1) for label in range(3)]
    expected = np.mean(np.argmax(votes, axis=0) == test_labels)

    def accuracy(how):
        rows = probe(
            {"x": (x, x_test)}, labels, test_labels,
            labels_per_class=(), neighbours=7, weights=how,
        )  # fmt: skip
        return rows[-1].accuracy

    assert accuracy("cosine") == pytest.approx(expected)
    assert accuracy("uniform") != pytest.approx(expected)  # the two can be told apart


@pytest.mark.once
def test_few_labels_are_on_the_scale_of_all_images():
    rng = np.random.default_rng(0)
    classes = rng.normal(size=(3, 4))  # images of one class are alike: every draw is the same
    labels = np.repeat([0, 1, 2], [2, 20, 200])
    test_labels = rng.integers(0, 3, 500)
    x, x_test = classes[labels], classes[test_labels] + rng.normal(size=(500, 4))

    def expected(scale):
        train, test = ((z - scale.mean(axis=0)) / scale.std(axis=0) for z in (classes, x_test))
        return LogisticRegression(max_iter=2000).fit(train, [0, 1, 2]).score(test, test_labels)

    rows = probe({"x": (x, x_test)}, labels, test_labels, labels_per_class=(1,))
    assert rows[0].accuracy == pytest.approx(expected(x))
    assert rows[0].accuracy != pytest.approx(expected(classes))  # the two can be told apart


@pytest.mark.once
def test_labels_of_the_test_set_do_not_change_what_is_learned(encoder):
    train, test = split(blobs())
    wrong = data.from_array(test.pixels, (test.labels + 1) % 3)
    assert all(row.accuracy == 0 for row in evaluate(encoder, train, wrong)[-5:])


def test_the_random_encoder_has_other_weights_and_the_learned_one_keeps_its_own():
    keras.utils.set_random_seed(0)
    learned = models.encoder("conv", (8, 8, 1))
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in learned.weights]
    train, test = split(data.digits())
    train, test = (data.from_array(part.pixels[:200], part.labels[:200]) for part in (train, test))
    rows = evaluate(learned, train, test, regularization=(1.0,))
    for weight, value in zip(learned.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    accuracy = {
        name: [r.accuracy for r in rows if r.features == name] for name in ("random", "learned")
    }
    assert accuracy["random"] != accuracy["learned"]


@pytest.mark.once
def test_numbers_of_labels_that_a_class_does_not_have_are_left_out_and_named(encoder):
    train = blobs(images=20)
    with pytest.warns(UserWarning, match="on 10 and 100 labels per class. The class 2 has 6 tr"):
        rows = evaluate(encoder, train, blobs(seed=1), regularization=(1.0,))
    counts = {row.labels_per_class for row in rows}
    assert counts == {1, 5, None}


def test_what_cannot_be_evaluated_is_refused(encoder):
    images = blobs()
    with pytest.raises(ValueError, match="needs labels"):
        split(data.from_array(images.pixels))
    with pytest.raises(ValueError, match="needs labels"):
        evaluate(encoder, images, data.from_array(images.pixels))
    with pytest.raises(ValueError, match="all labels are"):
        evaluate(encoder, data.from_array(images.pixels, np.ones(120)), images)
    with pytest.raises(ValueError, match=r"\(8, 8, 1\).*\(9, 9, 1\)"):
        evaluate(encoder, data.from_array(np.zeros((4, 9, 9)), [0, 1, 0, 1]), images)
    with pytest.raises(ValueError, match="cannot be split"):
        split(data.from_array(images.pixels, np.arange(120)))
