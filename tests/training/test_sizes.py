"""The size of images, and how they came to it, are written in the run and kept everywhere."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from pictures import draw
from PIL import Image
from tiny import TINY
from typer.testing import CliRunner

import barlow
from barlow import data, resizing, runs
from barlow.cli import app
from barlow.errors import InvalidInput
from barlow.training import inputs, planning

# Files become arrays of one size before any backend sees them.
pytestmark = pytest.mark.once

TALL = (40, 90)


def drawn(folder):
    folder.mkdir()
    for number in range(6):
        draw(number).resize(TALL).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pictures(tmp_path):
    return drawn(tmp_path / "pictures")


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


def test_a_run_of_before_there_was_a_choice_has_crops(colour_run, pictures):
    how, run = settings(image_size=24), colour_run
    config = runs.read_config(run)
    for name in ("resize", "image_size"):
        del config[name]
    (run / runs.CONFIG).write_text(json.dumps(config))
    assert resizing.of(run)["resize"] == "crop"
    barlow.pretrain(pictures, run, how, resume=True)
    padded = settings(image_size=24, resize="pad")
    with pytest.raises(InvalidInput, match=r"resize is 'crop' in the run and 'pad' now"):
        barlow.pretrain(pictures, run, padded, resume=True)


def test_a_file_of_a_run_and_its_export_resize_as_the_run(pictures, tmp_path):
    dark = data.load(pictures, (24, 24), resize="pad", background="black")
    run = barlow.pretrain(dark, tmp_path / "run", settings(resize="pad"))
    expected = barlow.embed(run, dark).vectors
    exported = barlow.export.write(run, format="keras")
    assert "'black'" in (exported.folder / "README.md").read_text()
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
        assert resizing.of(tmp_path / "encoder.keras") == resizing.RECOMMENDED


def test_images_that_were_read_already_keep_their_way(pictures, tmp_path):
    images = data.load(pictures, (24, 24), resize="stretch")
    run = barlow.pretrain(images, tmp_path / "run", settings())
    assert resizing.of(run)["resize"] == "stretch"
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
    monkeypatch.setattr(planning, "fitting", lambda costs, steps, seconds: 1)
    paths = sorted(pictures.iterdir())
    for path in paths:
        draw(0, 96).save(path)  # of which 64 pixels are recommended
    short = barlow.Settings(minutes=60, projector=(8, 8))
    learned = barlow.estimator.BarlowTransformer(settings=short).fit(paths[:2])
    assert learned.encoder_.input_shape[1:] == learned.input_shape_ == (64, 64, 3)
    assert len(learned.transform(paths)) == len(paths)


def test_the_background_is_part_of_the_run(pictures, tmp_path):
    how = settings(image_size=24, resize="pad")
    dark = data.load(pictures, (24, 24), resize="pad", background="black")
    run = barlow.pretrain(dark, tmp_path / "run", how)
    assert runs.read_config(run)["background"] == "black"
    assert runs.reading(run) == {
        "image_size": (24, 24),
        "channels": 3,
        "resize": "pad",
        "background": "black",
    }
    expected = barlow.embed(run, dark).vectors
    barlow.vectors.write(run, pictures, tmp_path / "x.parquet")
    found = barlow.vectors.read(tmp_path / "x.parquet")
    np.testing.assert_array_equal(found.vectors, expected)
    images = barlow.vectors.images_of(found, [0])
    np.testing.assert_array_equal(images.pixels[:], dark.pixels[:1])
    barlow.pretrain(pictures, run, how, resume=True)
    light = data.load(pictures, (24, 24), resize="pad")
    with pytest.raises(InvalidInput, match="background is 'black' in the run and 'white' now"):
        barlow.pretrain(light, run, how, resume=True)


def test_images_that_were_read_in_another_way_are_refused(pictures, tmp_path):
    run = barlow.pretrain(pictures, tmp_path / "run", settings(image_size=24, resize="pad"))
    for options in ({"resize": "crop"}, {"resize": "pad", "background": "black"}):
        others = data.load(pictures, (24, 24), **options)
        with pytest.raises(InvalidInput, match=r"Read them alike: .*runs.reading"):
            barlow.embed(run, others)
    how = settings(image_size=24, resize="crop")
    labelled = dataclasses.replace(data.load(pictures, (24, 24), resize="pad"), labels=[0, 1] * 3)
    with pytest.raises(InvalidInput, match=r"images of the probe .*Read them alike"):
        barlow.pretrain(pictures, tmp_path / "other", how, probe=labelled)
    assert not (tmp_path / "other").exists()


def test_an_open_size_stays_open_if_the_probe_can_follow(pictures):
    images = data.load(pictures)
    labels = [0, 1] * 3
    files = dataclasses.replace(images, labels=labels)
    arrays = data.Images(images.pixels[:], np.array(labels))
    for probe, is_open in ((files, True), (arrays, False)):
        found, read = inputs.with_probe(images, probe)
        assert found.size_is_open == is_open
        assert read.pixels.shape[1:] == found.pixels.shape[1:] == (40, 40, 3)


@pytest.mark.parametrize("length", [{"epochs": 1}, {"epochs": None, "minutes": 5}])
def test_a_probe_of_another_size_is_refused_before_the_training(length, pictures, tmp_path):
    labelled = data.Images(data.load(pictures, (32, 32)).pixels[:], np.array([0, 1] * 3))
    with pytest.raises(InvalidInput, match=r"probe have the shape \(32, 32, 3\).*\(24, 24, 3\)"):
        barlow.pretrain(
            pictures, tmp_path / "run", settings(image_size=24, **length), probe=labelled
        )
    assert not (tmp_path / "run").exists()


def test_what_a_recommendation_only_foresaw_is_open_again(pictures, tmp_path):
    for given, expected in (
        ({"epochs": 1}, ("auto", 1, 0)),
        ({"epochs": 1, "resize": "pad"}, ("pad", 1, 0)),
        ({"epochs": None, "minutes": 5}, ("auto", None, None)),
    ):
        how = inputs.reopened(barlow.recommend(6, (24, 24, 3), settings(**given)))
        assert (how.resize, how.epochs, how.warmup_epochs) == expected
        inputs.check_settings(how, None)
    pixels = data.load(pictures, (24, 24)).pixels[:]
    recommended = barlow.recommend(len(pixels), pixels.shape[1:], settings())
    run = barlow.pretrain(pixels, tmp_path / "run", recommended)
    assert runs.image_shape(run) == (24, 24, 3)


def test_images_of_an_open_size_get_that_of_the_encoder(colour_run, pictures, tmp_path):
    run = colour_run
    found = barlow.embed(run, data.load(pictures))  # 40 pixels
    np.testing.assert_array_equal(found.vectors, barlow.embed(run, pictures).vectors)
    with pytest.raises(InvalidInput, match=r"\(24, 24, 3\).*\(32, 32, 3\). Read them so: "):
        barlow.embed(run, data.load(pictures, (32, 32)))
    again = barlow.pretrain(data.load(pictures), tmp_path / "again", settings(image_size=24))
    assert runs.image_shape(again) == (24, 24, 3)


@pytest.mark.parametrize("start", ["from_run", "weights"])
def test_who_starts_from_weights_gets_images_of_their_size(start, pictures, tmp_path, monkeypatch):
    cheap = planning.Costs(1.0, 1.0, 0.0, 0.0)
    monkeypatch.setattr(planning, "measure", lambda *_: cheap)
    monkeypatch.setattr(planning, "_FEW_STEPS", 10**9)
    for path in pictures.iterdir():
        draw(0, 96).save(path)  # of which 64 pixels are recommended
    conv = {"encoder": "auto", "dtype_policy": "float32"}
    run = barlow.pretrain(pictures, tmp_path / "run", settings(**conv, image_size=72))
    ways = {"from_run": run} if start == "from_run" else {}
    given = {"weights": str(run / runs.ENCODER)} if start == "weights" else {}
    timed = settings(**conv, **given, epochs=None, minutes=0.1)  # two epochs
    for name, how, images in (
        ("epochs", settings(**conv, **given), pictures),
        ("minutes", timed, data.load(pictures)),
    ):
        barlow.pretrain(images, tmp_path / name, how, **ways)
        assert runs.image_shape(tmp_path / name) == (72, 72, 3)


def test_dark_image_files_are_what_they_say(tmp_path):
    folder = tmp_path / "dark"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(6):  # from 0 to 12 of 255: an array of these could be classes
        pixels = random.integers(0, 13, (24, 24, 3)).astype("uint8")
        Image.fromarray(pixels).save(folder / f"{number}.png")
    with pytest.warns(UserWarning, match="nearly black"):
        run = barlow.pretrain(folder, tmp_path / "run", settings())
    assert runs.is_complete(run)
    with pytest.raises(InvalidInput, match="classes, or few shades"):
        barlow.pretrain(data.load(folder).pixels, tmp_path / "other", settings())


@pytest.fixture(scope="module")
def a_colour_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colour")
    return barlow.pretrain(drawn(folder / "pictures"), folder / "run", settings(image_size=24))


@pytest.fixture
def colour_run(a_colour_run, tmp_path):
    """A copy of it."""
    return shutil.copytree(a_colour_run, tmp_path / "colour")


@pytest.fixture
def grey(tmp_path):
    (tmp_path / "grey").mkdir()
    for number in range(6):
        draw(number).resize(TALL).convert("L").save(tmp_path / "grey" / f"{number}.png")
    return tmp_path / "grey"


@pytest.mark.parametrize("start", ["from_run", "weights", "encoder"])
def test_grey_files_become_colour_ones_for_weights_of_these(start, colour_run, grey, tmp_path):
    ways = {"from_run": colour_run} if start == "from_run" else {}
    given = {} if ways else {start: str(colour_run / runs.ENCODER)}
    run = barlow.pretrain(grey, tmp_path / "run", settings(**given), **ways)
    assert runs.image_shape(run) == (24, 24, 3)
    assert barlow.pretrain(grey, run, settings(**given), **ways, resume=True) == run
    images = data.load(grey, (24, 24), 1)
    with pytest.raises(InvalidInput, match=r"barlow\.data\.load\(\.\.\., channels=\.\.\.\)"):
        barlow.pretrain(images, tmp_path / "other", settings(**given), **ways)


@pytest.mark.parametrize("start", ["from_run", "weights", "encoder"])
def test_a_run_is_not_replaced_by_what_starts_from_it(start, colour_run, pictures):
    before = {path: path.read_bytes() for path in colour_run.rglob("*") if path.is_file()}
    ways = {"from_run": colour_run} if start == "from_run" else {}
    given = {} if ways else {start: str(colour_run / runs.ENCODER)}
    with pytest.raises(InvalidInput, match=r"would overwrite them.*Choose another folder"):
        barlow.pretrain(pictures, colour_run, settings(**given), **ways, overwrite=True)
    assert before == {path: path.read_bytes() for path in colour_run.rglob("*") if path.is_file()}


def test_a_way_to_resize_is_for_files_alone(pictures, tmp_path):
    pixels = data.load(pictures, (24, 24)).pixels
    with pytest.raises(InvalidInput, match=r"not of files. Received: resize='pad'. Leave it out"):
        barlow.pretrain(pixels, tmp_path / "run", settings(resize="pad"))
    assert not (tmp_path / "run").exists()


def test_what_is_recommended_has_the_size_of_the_weights(colour_run, pictures):
    command = ["recommend", str(pictures), "--encoder", "conv"]
    for more, size in (([], 40), (["--weights", str(colour_run / runs.ENCODER)], 24)):
        done = CliRunner().invoke(app, command + more)
        assert done.exit_code == 0, done.output
        assert re.search(rf"image_size +│ +{size} ", done.output)


def test_a_probe_has_the_size_of_the_weights(colour_run, pictures, tmp_path):
    classes, run = tmp_path / "classes", tmp_path / "run"
    for number in range(6):
        place = classes / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        draw(number).save(place / f"{number}.png")
    command = ["pretrain", pictures, "--out", run, "--weights", colour_run / runs.ENCODER]
    how = ["--encoder", "small:network", "--epochs", 1, "--batch-size", 4, "--projector", "8,8"]
    done = CliRunner().invoke(app, [str(each) for each in (*command, *how, "--probe", classes)])
    assert done.exit_code == 0, done.output
    assert "6 colour images of 24 x 24 pixels, with labels" in done.output
    assert runs.image_shape(run) == (24, 24, 3)


def test_images_in_memory_that_would_take_too_much_there_are_read_when_needed(
    pictures, monkeypatch
):
    monkeypatch.setattr("barlow.data.reading.MEMORY", 6 * 40 * 40 * 3)
    images = data.load(pictures, (32, 32))
    for side, kind in ((16, np.ndarray), (40, np.ndarray), (41, data.LazyPixels)):
        found = data.at_size(images, (side, side))
        assert type(found.pixels) is kind
        np.testing.assert_array_equal(found.pixels[:], data.load(pictures, (side, side)).pixels)
