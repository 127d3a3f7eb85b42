"""Copies stay on one side of a split."""

import keras
import numpy as np
import pytest
from pictures import draw
from typer.testing import CliRunner

import barlow
from barlow import evaluation, neighbours
from barlow.cli import app

pytestmark = pytest.mark.once


def test_no_group_is_in_both_sets_and_classes_keep_their_proportion():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), random.integers(1, 5, 100))
    labels = (groups % 4 == 0).astype(int)
    images = barlow.data.Images(
        random.integers(0, 255, (len(groups), 8, 8, 1)).astype("uint8"), labels
    )
    train, test = evaluation.split(images, seed=1, groups=groups)
    rows = [np.array(part.names.astype(int)) for part in (train, test)]
    assert not set(groups[rows[0]]) & set(groups[rows[1]])
    assert len(train) + len(test) == len(images)
    assert 0.15 < len(test) / len(images) < 0.35
    assert abs(test.labels.mean() - labels.mean()) < 0.1


def test_a_class_whose_images_are_one_group_is_set_aside():
    groups = np.array([0, 0, 0, 0, *range(1, 21)])
    labels = np.array([7] * 4 + [1, 2] * 10)
    images = barlow.data.Images(
        np.random.default_rng(0).integers(0, 255, (24, 8, 8, 1)).astype("uint8"), labels
    )
    with pytest.warns(UserWarning, match="lie in too few groups are set aside.*: 7"):
        train, test = evaluation.split(images, groups=groups)
    assert set(train.labels) == set(test.labels) == {1, 2}
    with pytest.raises(ValueError, match="only 1 groups of copies"):
        evaluation.split(images, groups=np.zeros(24, int))


def test_copies_are_found_and_stay_together(encoder, tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
    for number in range(40):
        folder = tmp_path / "photos" / ("cat" if number % 2 else "dog")
        draw(number, 48).save(folder / f"{number}.png")
        if number < 20:
            draw(number, 48).save(folder / f"{number}.jpg", quality=80)
    images = barlow.data.load(tmp_path / "photos", (32, 32))
    groups, _ = neighbours.linked(keras.models.load_model(encoder), images)
    of = dict(zip(images.names, groups, strict=True))
    copies = [name for name in images.names if name.endswith(".jpg")]
    together = [of[name] == of[name.replace(".jpg", ".png")] for name in copies]
    assert np.mean(together) > 0.9
    assert len(set(groups)) > 35
    result = CliRunner().invoke(
        app, ["evaluate", str(encoder), str(tmp_path / "photos"), "--group-duplicates"]
    )
    assert result.exit_code == 0, result.output
    assert "of 60 images are copies of others" in " ".join(result.output.split())
