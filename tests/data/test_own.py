"""What barlow itself has written is never an image, a class or a change of the data."""

import pathlib
import shutil
import tarfile

import keras
import numpy as np
import pytest
from PIL import Image

import barlow
from barlow import callbacks, data, evaluation, report
from barlow.views import ImageViews

SUFFIXES = (".png", ".jpg", ".webp", ".tiff")
pytestmark = pytest.mark.once
PHOTOS = ("cat/1.png", "cat/2.png", "dog/3.png")
SETTINGS = barlow.Settings(epochs=1, batch_size=8, encoder="small:network", projector=(8, 8))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run, logs for TensorBoard, and pictures of views in every format."""
    place = tmp_path_factory.mktemp("written")
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype("uint8")
    run = barlow.pretrain(images, place / "run", SETTINGS)
    for suffix in SUFFIXES:
        report.draw_views(images[:2], ImageViews("photos"), place / f"views{suffix}", pairs=1)
    shutil.copy(run / "training.png", place / "copied.png")
    confusion = evaluation.Confusion(("cat", "dog"), np.eye(2, dtype=int))
    report.draw_confusion(confusion, place / "confusion.png")
    model = keras.models.load_model(run / "model.keras")
    model.compile("adamw", jit_compile=False)
    board = callbacks.TensorBoard(place / "logs", images)
    model.fit(images, callbacks=[board], batch_size=8, verbose=0)
    return place


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(PHOTOS):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype("uint8")
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"


def as_folder(folder):
    return folder


def as_pattern(folder):
    return f"{folder}/**/*"


def as_list(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


def as_manifest(folder):
    lines = [str(path) for path in as_list(folder)]
    (folder.parent / "list.txt").write_text("\n".join(lines))
    return folder.parent / "list.txt"


def as_archive(folder):
    with tarfile.open(folder.parent / "photos.tar", "w") as archive:
        archive.add(folder, "photos")
    return folder.parent / "photos.tar"


@pytest.mark.parametrize("make", [as_folder, as_pattern, as_list, as_manifest, as_archive])
@pytest.mark.parametrize("where", ["", "cat", "mine"])
def test_what_barlow_wrote_is_no_image_wherever_it_lies(make, where, folder, written):
    before = data.load(make(folder), (8, 8))
    shutil.copytree(written, folder / where, dirs_exist_ok=True)
    after = data.load(make(folder), (8, 8))
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert [str(name) for name in after.names] == [str(name) for name in before.names]
    assert after.skipped == ()
    assert after.notes == before.notes
    if make is as_folder:
        assert after.labels.tolist() == ["cat", "cat", "dog"]
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(after) + sum(after.passed_over.values()) == len(files)


def test_runs_of_earlier_versions_left_no_mark_and_are_known_by_their_names(folder):
    earlier = pathlib.Path(__file__).parents[1]
    shutil.copytree(earlier / "runs_0_1_0" / "complete", folder / "cat" / "run")
    Image.new("RGB", (8, 8)).save(folder / "cat" / "run" / "training.png")
    assert data.load(folder).names.tolist() == list(PHOTOS)
    listed = [*(folder / name for name in PHOTOS), folder / "cat" / "run" / "training.png"]
    assert len(data.load(listed)) == len(PHOTOS)


def test_photos_in_the_folder_of_a_run_are_images_and_others_may_be_called_like_its_files(folder):
    """Only what barlow wrote is left out: not what lies beside it, nor what looks like it."""
    (folder / "config.json").write_text('{"versions": {"keras": "3"}}')
    shutil.copy(folder / "cat" / "1.png", folder / "cat" / "training.png")
    shutil.copy(folder / "cat" / "1.png", folder / "cat" / "sprite.png")
    assert len(data.load(folder)) == len(PHOTOS) + 2


def test_a_folder_of_nothing_else_has_no_images(written, tmp_path):
    shutil.copy(written / "views.png", tmp_path)
    with pytest.raises(ValueError, match="no images but those that barlow has written"):
        data.load(tmp_path)
