"""What every run has, and what it lacks without the packages of the extras."""

import subprocess
import sys

import numpy as np
import pytest

from barlow import callbacks, data

WITHOUT_EXTRAS = """
import sys, warnings
for name in ("tensorboardX", "matplotlib", "sklearn", "PIL", "pyarrow", "datasets"):
    sys.modules[name] = None  # as if it were not installed
import numpy as np
import barlow
from barlow import runs
images = np.random.default_rng(0).integers(0, 256, (32, 8, 8))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    run = barlow.pretrain(images, sys.argv[1], barlow.Settings(epochs=1, projector=(8, 8)))
print([str(each.message) for each in caught if "barlow[" in str(each.message)])
assert runs.is_complete(run)
assert "rank_me" in runs.read_metrics(run)[0]
assert not (run / runs.PICTURE).exists() and not (run / runs.TENSORBOARD).exists()
assert barlow.embed(run, images).vectors.shape == (32, 128)

def refused(call):
    try:
        call()
    except ModuleNotFoundError as error:
        print(error)

refused(lambda: barlow.evaluation.split)
refused(lambda: barlow.callbacks.Probe(barlow.data.Images(images[..., None], np.arange(32) % 2), 0))
refused(lambda: barlow.callbacks.TensorBoard)
refused(lambda: barlow.report.draw_training(run))
refused(lambda: barlow.data.load(sys.argv[2]))
refused(barlow.data.digits)
"""


@pytest.mark.once
def test_without_the_extras_a_training_ends_well_and_says_what_is_missing(tmp_path):
    (tmp_path / "photos").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS, tmp_path / "run", tmp_path / "photos"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    warned, *errors = done.stdout.splitlines()
    assert "no logs for TensorBoard" in warned
    assert "no picture" in warned
    missing = ("sklearn", "sklearn", "matplotlib", "matplotlib", "PIL", "sklearn")
    for error, name in zip(errors, missing, strict=True):
        assert f"needs {name}. Install it with: pip install 'barlow[cli]'" in error


def test_a_labelled_set_adds_probes_which_are_tested_where_nothing_was_learned(tmp_path):
    digits = data.digits()
    kinds = [type(each).__name__ for each in callbacks.usual(tmp_path, digits, 10, probe=digits)]
    assert kinds == ["Probe", "Rank", "TensorBoard"]
    with pytest.raises(ValueError, match="needs labels"):
        callbacks.usual(tmp_path, digits, 10, probe=data.Images(digits.pixels))


def test_lazy_images_are_sampled_without_reading_the_others(tmp_path):
    read = []

    def pixels(i):
        read.append(i)
        return np.full((8, 8, 1), i % 256, "uint8")

    images = data.Images(data.LazyPixels(range(100_000), (8, 8, 1), pixels))
    callbacks.usual(tmp_path, images, epochs=1)
    assert len(read) <= 512


def gone(count=40, labels=None):
    """Lazy images none of which can be read any more."""

    def read(row):
        raise data.BadImage(row, "the share is offline")

    return data.Images(data.LazyPixels(range(count), (8, 8, 1), read), labels)


@pytest.mark.parametrize("probe", [None, gone(labels=np.arange(40) % 2)])
def test_images_that_cannot_be_looked_at_leave_the_other_callbacks(probe, tmp_path):
    with pytest.warns(UserWarning, match="no rank of the features.*the share is offline"):
        watching = callbacks.usual(tmp_path, gone(), 10, probe=probe)
    kinds = [type(each).__name__ for each in watching]
    assert kinds == (["TensorBoard"] if probe is None else ["Probe", "TensorBoard"])


def test_a_labelled_set_of_many_rare_classes_is_probed(tmp_path):
    digits = data.digits()
    rows = np.flatnonzero(digits.labels < 3)[:200]
    labels = digits.labels[rows].astype(object)
    labels[:3] = "one", None, 7.5
    labelled = data.Images(digits.pixels[rows], labels)
    with pytest.warns(UserWarning, match="3 classes with a single image are set aside"):
        watching = callbacks.usual(tmp_path, digits, 10, probe=labelled)
    assert [type(each).__name__ for each in watching] == ["Probe", "Rank", "TensorBoard"]
