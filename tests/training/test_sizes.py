"""The size of images, and how they came to it, are written in the run and kept everywhere."""

import json

import numpy as np
import pytest
from pictures import draw
from tiny import TINY

import barlow
from barlow import data, resizing, runs
from barlow.errors import InvalidInput
from barlow.training import planning

TALL = (40, 90)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        draw(number).resize(TALL).save(folder / f"{number}.png")
    return folder


def settings(**changes):
    return barlow.Settings(**{**vars(TINY), "batch_size": 4, "projector": (8, 8), **changes})


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_vectors_are_of_images_that_are_resized_as_those_of_the_training(
    resize, pictures, tmp_path
):
    run = barlow.pretrain(pictures, tmp_path / "run", settings(resize=resize, image_size=24))
    config = runs.read_config(run)
    assert (config["resize"], config["image_size"]) == (resize, 24)
    assert config["reasons"]["resize"] == config["reasons"]["image_size"] == "given"
    found = barlow.embed(run, pictures)
    same = barlow.embed(runs.load_encoder(run), data.load(pictures, (24, 24), resize=resize))
    np.testing.assert_array_equal(found.vectors, same.vectors)
    assert found.resize == same.resize


def test_a_run_of_before_there_was_a_choice_has_crops(pictures, tmp_path):
    how = settings(image_size=24)
    run = barlow.pretrain(pictures, tmp_path / "run", how)
    config = runs.read_config(run)
    for name in ("resize", "image_size"):
        del config[name]
    (run / runs.CONFIG).write_text(json.dumps(config))
    assert resizing.of(run) == "crop"
    barlow.pretrain(pictures, run, how, resume=True)
    padded = settings(image_size=24, resize="pad")
    with pytest.raises(InvalidInput, match=r"resize is 'crop' in the run and 'pad' now"):
        barlow.pretrain(pictures, run, padded, resume=True)


def test_a_file_of_a_run_and_its_export_resize_as_the_run(pictures, tmp_path):
    run = barlow.pretrain(pictures, tmp_path / "run", settings(image_size=24, resize="pad"))
    expected = barlow.embed(run, pictures).vectors
    exported = barlow.export.write(run, format="keras")
    for file in (run / runs.ENCODER, exported.file):
        found = barlow.embed(file, pictures)
        assert found.resize == resizing.RESIZES["pad"]
        np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
    lone = exported.file.rename(tmp_path / "lone.keras")
    assert barlow.embed(lone, pictures).resize == resizing.RESIZES[resizing.RESIZE]


def test_what_other_programs_wrote_beside_an_encoder_says_nothing(tmp_path):
    (tmp_path / "encoder.keras").touch()
    for text in ("", "[]", "{}", "3", '{"resize": 32}', '{"resize": ["pad"]}', '{"resize": "x"}'):
        (tmp_path / "export.json").write_text(text)
        assert resizing.of(tmp_path / "encoder.keras") == resizing.RESIZE


def test_images_that_were_read_already_keep_their_way(pictures, tmp_path):
    images = data.load(pictures, (24, 24), resize="stretch")
    run = barlow.pretrain(images, tmp_path / "run", settings())
    assert resizing.of(run) == "stretch"
    with pytest.raises(InvalidInput, match=r"read by stretched.*wants them by padded.*'pad'"):
        barlow.pretrain(images, tmp_path / "other", settings(resize="pad"))
    with pytest.raises(InvalidInput, match=r"image_size=32, and images of 24 x 24"):
        barlow.pretrain(images, tmp_path / "other", settings(image_size=32))


def test_a_size_is_recommended_with_its_reason(pictures):
    images = data.load(pictures)
    recommended = barlow.recommend(len(images), images.pixels.shape[1:])
    assert recommended.image_size == 40
    assert "median of the shorter sides" in recommended.reasons["image_size"]
    assert recommended.resize in ("crop", "pad", "stretch")
    assert barlow.recommend(10, (20, 30, 3)).image_size is None


def test_an_estimator_resizes_paths_as_its_settings_say(pictures):
    paths = sorted(pictures.iterdir())
    learned = barlow.estimator.BarlowTransformer(settings=settings(resize="pad", image_size=24))
    vectors = learned.fit(paths).transform(paths)
    images = data.load(paths, (24, 24), resize="pad")
    np.testing.assert_array_equal(vectors, barlow.embed(learned.encoder_, images).vectors)


def test_an_estimator_keeps_its_size_whatever_fits_into_the_minutes(pictures, monkeypatch):
    monkeypatch.setattr(planning, "_ENOUGH", 0.01)
    monkeypatch.setattr(planning, "_FEW_STEPS", 10**9)
    paths = sorted(pictures.iterdir())
    for path in paths:
        draw(0, 96).save(path)  # of which 64 pixels are recommended
    short = barlow.Settings(minutes=0.5, projector=(8, 8))
    learned = barlow.estimator.BarlowTransformer(settings=short).fit(paths[:2])
    assert learned.encoder_.input_shape[1:] == learned.input_shape_ == (64, 64, 3)
    assert len(learned.transform(paths)) == len(paths)
