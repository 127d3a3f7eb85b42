"""Fine-tuning is kept only if it is plainly better; the encoder it begins with never changes."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from drawing import draws
from lines import encoder_of, lines

import barlow
from barlow import backend, embedding, labelling
from barlow.errors import InvalidInput
from barlow.labelling import tuning


def fitted_of(encoder, images, numbers, labels):
    given = [str(number) if row < labels else "" for row, number in enumerate(numbers)]
    return labelling.fit(barlow.embed(encoder, images), given)


@pytest.mark.once  # how much an encoder learns differs between backends
def test_an_encoder_that_sees_little_is_tuned_and_is_plainly_better():
    images, numbers = lines(500)
    encoder = encoder_of(2)
    fitted = fitted_of(encoder, images, numbers, 400)
    tuned = labelling.fine_tune(fitted, encoder, images)
    assert tuned.before < 0.8  # a fifth of the images is missed
    assert 0 < tuned.low < tuned.accuracy - tuned.before < tuned.high
    assert tuned.verdict.endswith("points: it is taken.")
    assert f"gets {tuned.accuracy:.3f} right, the frozen one {tuned.before:.3f};" in tuned.verdict
    free = np.arange(400, 500)
    right, frozen = (
        np.mean(each.probabilities[free].argmax(axis=1) == numbers[free])
        for each in (tuned.fitted, fitted)
    )
    assert right > frozen + 0.1  # on images without labels, too


def test_a_tuned_classifier_is_consistent_and_the_encoder_stays(tmp_path, monkeypatch):
    images, numbers = lines(200)
    encoder_of(4).save(tmp_path / "encoder.keras")
    before = (tmp_path / "encoder.keras").read_bytes()
    fitted = fitted_of(tmp_path / "encoder.keras", images, numbers, 100)
    monkeypatch.setattr("barlow.labelling.tuning.paired_interval", lambda *_: (0.1, 0.2))  # take it
    tuned = labelling.fine_tune(fitted, tmp_path / "encoder.keras", images)
    assert (tmp_path / "encoder.keras").read_bytes() == before
    found = tuned.fitted
    assert found.choice.method == "linear"
    assert found.embeddings.encoder == embedding.weights_hash(tuned.encoder)
    assert found.embeddings.encoder != fitted.embeddings.encoder
    assert found.scores.accuracy == tuned.accuracy
    written = labelling.write(found, tmp_path / "c", tuned.encoder)
    model = keras.saving.load_model(written.file)
    pixels = images.pixels[:].astype("float32")
    np.testing.assert_allclose(backend.predict(model, pixels), found.probabilities, atol=1e-4)
    assert json.loads((tmp_path / "c" / "labelling.json").read_text())["method"] == "linear"


@pytest.mark.once
def test_what_is_not_plainly_better_is_not_taken_and_nothing_changes():
    images, numbers = lines(300)
    encoder = encoder_of(16)
    weights = encoder.get_weights()
    fitted = fitted_of(encoder, images, numbers, 100)
    keras.utils.set_random_seed(3)
    expected = draws()
    keras.utils.set_random_seed(3)
    tuned = labelling.fine_tune(fitted, encoder, images)
    assert draws() == expected
    assert tuned.low <= 0
    assert tuned.verdict.endswith("not plainly better, so it is not taken.")
    assert tuned.encoder is None
    assert tuned.fitted is fitted
    for found, before in zip(encoder.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, before)


@pytest.mark.once
def test_the_encoder_in_memory_stays_as_it_is_where_the_tuned_one_is_taken(tmp_path):
    images, numbers = lines(500)
    encoder = encoder_of(2)
    fitted = fitted_of(encoder, images, numbers, 400)
    tuned = labelling.fine_tune(fitted, encoder, images)
    assert tuned.encoder is not None
    assert embedding.weights_hash(encoder) == fitted.embeddings.encoder
    labelling.write(fitted, tmp_path / "before", encoder)
    labelling.write(tuned.fitted, tmp_path / "after", tuned.encoder)


@pytest.mark.once
def test_every_class_trains_and_no_label_is_in_two_parts():
    from barlow.labelling import tuning
    from barlow.labelling.given import Given

    labels = np.array([*"abcdefghij"] * 3 + ["z"] + [*"aaaaaaaaab"], object)
    given = Given(labels, np.ones(len(labels), bool))
    for seed in range(5):
        train, stop, test = tuning._parts(given, seed)
        assert {*labels[train]} == {*labels}
        assert sorted([*train, *stop, *test]) == [*range(len(labels))]
        assert abs(len(stop) - len(test)) <= 1


@pytest.mark.once
def test_too_few_labels_and_lost_images_are_refused(tmp_path):
    images, numbers = lines(100)
    encoder = encoder_of(4)
    with pytest.raises(InvalidInput, match=r"at least 40 labels.* Received: 39 of 2 classes"):
        labelling.fine_tune(fitted_of(encoder, images, numbers, 39), encoder, images)
    many = labelling.fit(
        barlow.embed(encoder, images), [str(row // 2) for row in range(45)] + [""] * 55
    )
    with pytest.raises(InvalidInput, match=r"two for each class.* Received: 45 of 23 classes"):
        labelling.fine_tune(many, encoder, images)
    fitted = fitted_of(encoder, images, numbers, 60)
    with pytest.raises(InvalidInput, match="not known where the images"):
        labelling.fine_tune(fitted, encoder)
    with pytest.raises(InvalidInput, match="not known where the encoder"):
        labelling.fine_tune(fitted, None, images)
    with pytest.raises(FileNotFoundError, match="no longer where they were"):
        labelling.fine_tune(fitted, encoder, images[:50])


@pytest.mark.once
def test_the_interval_counts_how_sure_it_is_of_the_images_without_labels():
    images, numbers = lines(200)
    fitted = fitted_of(encoder_of(4), images, numbers, 100)
    logits, true = np.tile([0.0, 1.0], (60, 1)), (np.arange(60) % 3 > 0).astype(int)
    intervals = {}
    for sure in (0.6, 1.0):
        said = dataclasses.replace(fitted, probabilities=np.full((200, 2), [1 - sure, sure]))
        said = dataclasses.replace(said, choice=fitted.choice._replace(method="linear"))
        found = tuning._scored(said, logits, true)
        intervals[sure] = found.scores.low, found.scores.high
    assert intervals[1.0][1] > intervals[0.6][1]
