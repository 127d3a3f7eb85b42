import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

import barlow
from barlow import lock, runs
from barlow.paths import free_path, replacing

pytestmark = pytest.mark.once

OWN = {"versions": {"barlow": "0.1.0"}}  # of every configuration that barlow has written


def test_a_run_may_be_made_where_there_is_nothing_and_nowhere_else(tmp_path):
    run = tmp_path / "a" / "b"
    assert runs.check_free(run) == run
    run.mkdir(parents=True)
    assert runs.check_free(run) == run  # an empty folder will do
    (run / ".config.partial.json").touch()
    (run / lock.NAME).touch()
    assert runs.check_free(run) == run  # and what a kill left of it
    (run / "file").write_text("precious")
    for taken in (run, run / "file"):
        with pytest.raises(FileExistsError, match="not a run"):
            runs.check_free(taken)
    runs.write_json(run / runs.CONFIG, OWN)
    with pytest.raises(FileExistsError, match=r"There is a run .*--resume.*--overwrite"):
        runs.check_free(run)


@pytest.mark.parametrize("folder", ["new", "new/and/deep", "empty", "empty/new"])
def test_a_place_is_tried_out_and_nothing_is_left_there(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / folder, f"{tmp_path / folder}/"):
        assert runs.check_place(path) == tmp_path / folder
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


@pytest.mark.parametrize("out", ["file/run", "/proc/run", "/sys/run", "/dev/null/run", "x" * 300])
@pytest.mark.parametrize("way", [{}, {"resume": True}, {"overwrite": True}], ids=str)
def test_a_place_that_cannot_be_written_is_refused_before_images_are_read(out, way, tmp_path):
    (tmp_path / "file").write_text("")
    if not (tmp_path / out).parent.exists():
        pytest.skip("this system has no such folder")
    message = f"No run can be written at .*{out[-9:]}: .*Choose another folder"
    for refuse in (
        runs.check_place,
        lambda *_, **way: barlow.pretrain(None, tmp_path / out, **way),
    ):
        with pytest.raises(OSError, match=message):
            refuse(tmp_path / out, **way)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_place_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="No run can be written at"):
        runs.check_place(tmp_path / "run")
    tmp_path.chmod(0o700)


def test_the_home_folder_may_be_written_as_in_a_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert runs.check_place("~/runs/x") == tmp_path / "runs" / "x"
    (tmp_path / "x").mkdir()
    runs.write_json(tmp_path / "x" / runs.CONFIG, {"image_shape": [1, 2, 3], **OWN})
    assert runs.is_run("~/x")
    assert runs.image_shape("~/x") == (1, 2, 3)


def test_clearing_takes_what_a_run_wrote_and_only_of_a_run(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(FileExistsError, match="not a run"):
        runs.clear(tmp_path)
    (tmp_path / runs.CHECKPOINTS).mkdir()
    (tmp_path / runs.CHECKPOINTS / "000000000001.npz").touch()
    (tmp_path / runs.REMOVED).mkdir()
    names = [
        runs.CONFIG,
        runs.IMAGES,
        runs.METRICS,
        runs.SKIPPED,
        runs.CORRELATION,
        runs.ENCODER,
        runs.MODEL,
    ]
    names += [
        runs.PICTURE,
        runs.EVALUATION,
        "evaluation-2.json",
        runs.CONFUSION,
        "confusion-2.png",
        ".model.partial.keras",
    ]
    for name in names:
        (tmp_path / name).write_text("{}")
    runs.write_json(tmp_path / runs.CONFIG, OWN)
    runs.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_is_never_complete_while_it_is_cleared(tmp_path, monkeypatch):
    """A kill may come between any two deletions."""
    runs.write_json(tmp_path / runs.CONFIG, OWN)
    (tmp_path / runs.MODEL).touch()
    for name in (runs.CHECKPOINTS, runs.TENSORBOARD):
        (tmp_path / name).mkdir()
    seen = []
    delete = shutil.rmtree

    def watched(*arguments, **options):
        delete(*arguments, **options)
        seen.append(runs.is_complete(tmp_path))

    monkeypatch.setattr(runs.shutil, "rmtree", watched)
    assert not runs.is_complete(tmp_path)
    runs.clear(tmp_path)
    assert seen
    assert not any(seen)


@pytest.mark.parametrize("text", ["{}", "[]", '{"versions": {"keras": "3"}}', "\0", "not JSON"])
def test_a_folder_of_another_program_is_no_run_and_stays(text, tmp_path):
    (tmp_path / runs.CONFIG).write_text(text)
    (tmp_path / runs.MODEL).write_text("precious")
    (tmp_path / runs.CHECKPOINTS).mkdir()
    for way in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(FileExistsError, match="exists and is not a run"):
            runs.check_place(tmp_path, **way)
    with pytest.raises(FileExistsError, match="exists and is not a run"):
        runs.clear(tmp_path)
    assert not runs.is_complete(tmp_path)
    assert runs.image_shape(tmp_path) == ()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {runs.CONFIG, runs.MODEL, runs.CHECKPOINTS}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.json"
    runs.write_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    with pytest.raises(TypeError):
        runs.write_json(path, {"a": object()})
    with contextlib.suppress(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_two_processes_that_write_one_file_each_write_it_whole(tmp_path):
    path = tmp_path / "labels.csv"
    program = (
        "import pathlib, sys, _barlow_command\nfrom barlow.paths import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1]), alone=False) as temporary:\n"
        "    temporary.write_text('two')\n"
    )
    with replacing(path, alone=False) as temporary:
        temporary.write_text("one")
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        assert path.read_text() == "two"
    assert path.read_text() == "one"  # which ended last
    assert [p.name for p in tmp_path.iterdir()] == ["labels.csv"]


def test_a_link_stays_one_and_a_mode_what_it_was(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "labels.csv", tmp_path / "labels.csv"
    real.write_text("before")
    real.chmod(0o664)
    link.symlink_to(real)
    with replacing(link) as temporary:
        temporary.write_text("after")
    assert (link.is_symlink(), real.read_text()) == (True, "after")
    assert real.stat().st_mode & 0o777 == 0o664


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left.*'.*file\.json'") as caught,
        replacing(tmp_path / "file.json"),
        open("/dev/full", "w") as full,  # noqa: PTH123 - the device that is always full
    ):
        full.write("x" * 100_000)
    assert caught.value.filename == str(tmp_path / "file.json")


def test_a_free_path_is_the_first_that_is_free(tmp_path):
    for name in ("x.json", "x-2.json", "x-3.json"):
        assert free_path(tmp_path / "x.json").name == name
        (tmp_path / name).touch()


def test_metrics_come_back_as_they_were_added(tmp_path):
    rows = [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.25}]
    for row in rows:
        runs.append_metrics(tmp_path, row)
    assert runs.read_metrics(tmp_path) == rows
    runs.write_metrics(tmp_path, rows[:1])
    runs.append_metrics(tmp_path, rows[1])
    assert runs.read_metrics(tmp_path) == rows


def test_a_folder_without_an_encoder_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"encoder\.keras.*barlow pretrain"):
        runs.load_encoder(tmp_path)
