"""A run is resumed with its images, and with no others."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import barlow
from barlow import data, runs

pytestmark = pytest.mark.once

SETTINGS = barlow.Settings(epochs=2, batch_size=8, encoder="small:network", projector=(4,))


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1)).astype("uint8")


@pytest.fixture
def folder(images, tmp_path):
    (tmp_path / "photos").mkdir()
    for i, pixels in enumerate(images):
        Image.fromarray(pixels[..., 0]).save(tmp_path / "photos" / f"{i:02}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("complete", [False, True], ids=["interrupted", "complete"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: 255 - x, r"24 with other content \(0, 1, 2, \.\.\.\)"),
        (lambda x: np.concatenate([x[:7], x[7:8] // 2, x[8:]]), r"1 with other content \(7\)"),
        (lambda x: x[::-1], "in another order"),
    ],
    ids=["all", "one", "order"],
)
def test_other_images_of_the_same_number_are_refused_and_nothing_changes(
    change, said, complete, images, tmp_path
):
    callbacks = [] if complete else [Stop()]
    run = barlow.pretrain(images, tmp_path / "run", SETTINGS, callbacks)
    assert runs.is_complete(run) == complete
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=said) as error:
        barlow.pretrain(change(images), run, SETTINGS, resume=True)
    assert "from_run" in str(error.value)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_folder_that_was_moved_and_read_in_another_way_is_the_same(folder, tmp_path):
    run = barlow.pretrain(folder, tmp_path / "run", SETTINGS, [Stop()])
    moved = shutil.copytree(folder, tmp_path / "moved")
    shutil.rmtree(folder)
    barlow.pretrain(data.load(moved, memory=0), run, SETTINGS, resume=True)
    assert runs.is_complete(run)


def test_a_run_that_has_no_fingerprint_gets_one_when_it_is_resumed(images, tmp_path):
    run = barlow.pretrain(images, tmp_path / "run", SETTINGS, [Stop()])
    (run / runs.IMAGES).unlink()  # as version 0.1.0 leaves it
    barlow.pretrain(images, run, SETTINGS, [Stop()], resume=True)
    with pytest.raises(ValueError, match="began with other images"):
        barlow.pretrain(images[::-1], run, SETTINGS, resume=True)
