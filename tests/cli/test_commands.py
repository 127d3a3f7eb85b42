import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import barlow as library
from barlow import data, runs
from barlow.cli import app

COMMAND = pathlib.Path(sys.executable).with_name("barlow")


@pytest.fixture
def barlow():
    """Run the command in this process; returns its exit code and all that it printed."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, result.output

    return run


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Digits as image files: ``plain``, PNG and JPEG in no classes, and ``classes``."""
    path, digits = tmp_path_factory.mktemp("images"), data.digits()
    (path / "plain" / "more").mkdir(parents=True)
    for i in range(240):
        image, label = Image.fromarray(digits.pixels[i, ..., 0]), f"digit {digits.labels[i]}"
        folder = path / "plain" / ("more" if i % 3 else "")
        image.save(folder / f"{i}.{'jpg' if i % 2 else 'png'}")
        (path / "classes" / label).mkdir(parents=True, exist_ok=True)
        image.save(path / "classes" / label / f"{i}.png")
    return path


@pytest.fixture(scope="module")
def run(folders, tmp_path_factory):
    """A run on the folder without classes."""
    out = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["pretrain", folders / "plain", "--out", out, "--epochs", 2, "--batch-size", 64]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "240 grey images of 8 x 8 pixels, without labels" in result.output
    assert "sampling noise" in result.output
    return out


@pytest.mark.once
def test_the_demo_ends_with_a_table_a_picture_and_the_rows(barlow, tmp_path):
    code, output = barlow("demo", "--out", tmp_path / "demo", "--epochs", 2)
    assert code == 0, output
    for word in ("pixels", "random", "learned", "1 / class", "10 / class", "100 /", "5-NN"):
        assert word in output
    rows = json.loads((tmp_path / "demo" / "evaluation.json").read_text())["rows"]
    assert len(rows) == 18
    assert set(rows[0]) == {
        "features", "probe", "labels_per_class", "accuracy", "std", "balanced_accuracy",
        "regularization",
    }  # fmt: skip
    pixels = {
        (r["probe"], r["labels_per_class"]): r["accuracy"]
        for r in rows
        if r["features"] == "pixels"
    }
    assert pixels["linear", 5] == pytest.approx(0.84, abs=0.03)
    assert pixels["knn", None] == pytest.approx(0.973, abs=0.01)
    assert (tmp_path / "demo" / runs.PICTURE).exists()


@pytest.mark.once
def test_a_run_on_a_folder_without_classes_is_evaluated_on_one_with_classes(barlow, run, folders):
    for name in ("evaluation.json", "evaluation-2.json"):  # an earlier one is not overwritten
        code, output = barlow("evaluate", run, folders / "classes")
        assert code == 0, output
        assert "240 grey images of 8 x 8 pixels, with labels" in output
        assert json.loads((run / name).read_text())["rows"]


@pytest.mark.once
def test_the_command_and_the_function_give_the_same_run(run, folders, tmp_path):
    settings = library.Settings(epochs=2, batch_size=64)
    other = library.pretrain(folders / "plain", tmp_path / "run", settings)

    def files(run):
        return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}

    def kinds(run):  # names of logs have the time of day; other tests evaluate the run
        names = {re.sub(r"tfevents.*", "tfevents", name) for name in files(run)}
        return {name for name in names if not name.startswith(("evaluation", "confusion"))}

    assert kinds(other) == kinds(run)
    assert runs.read_config(other) == runs.read_config(run)
    for one, two in zip(runs.read_metrics(other), runs.read_metrics(run), strict=True):
        assert one.keys() == two.keys()
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)
    assert runs.summary(other).epochs == 2


@pytest.mark.once
def test_a_labelled_set_tells_how_good_the_encoder_is_while_it_learns(barlow, folders, tmp_path):
    arguments = ("pretrain", folders / "plain", "--out", tmp_path / "run", "--epochs", 2)
    code, output = barlow(*arguments, "--batch-size", 64, "--probe", folders / "classes")
    assert code == 0, output
    rows = runs.read_metrics(tmp_path / "run")
    assert all(0 <= row["probe_knn"] <= 1 < row["rank_me"] for row in rows)
    assert f"{rows[-1]['probe_knn']:.3f} by 20 nearest" in " ".join(output.split())
    assert f"worth {rows[-1]['rank_me']:.0f} independent" in " ".join(output.split())
    board = tmp_path / "run" / runs.TENSORBOARD
    assert list(board.glob("*tfevents*"))
    labels = next(board.rglob("metadata.tsv")).read_text().splitlines()
    assert len(labels) == 60  # of the quarter that is held out
    code, output = barlow("pretrain", folders / "plain", "--out", tmp_path / "other",
                          "--probe", folders / "plain")  # fmt: skip
    assert code == 2
    assert "needs labels" in output
    assert not (tmp_path / "other").exists()


@pytest.mark.once
def test_images_are_brought_to_the_channels_of_the_encoder(barlow, run, folders, tmp_path):
    for path in (folders / "classes").rglob("*.png"):
        copy = tmp_path / "colour" / path.relative_to(folders / "classes")
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert("RGB").save(copy)
    code, output = barlow("evaluate", run, tmp_path / "colour")
    assert code == 0, output
    assert "240 grey images of 8 x 8 pixels, with labels" in output
    assert "made grey" in output


@pytest.mark.once
def test_bad_files_are_named_and_nothing_else_is_lost(barlow, folders, tmp_path):
    images, out = tmp_path / "images", tmp_path / "run"
    shutil.copytree(folders / "plain", images)
    good = sorted(path for path in images.rglob("*") if path.is_file())
    whole = max(good, key=lambda path: path.stat().st_size).read_bytes()
    (images / "empty.png").touch()
    (images / "text.jpg").write_text("not an image")
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "nowhere.png").symlink_to(images / "gone.png")
    Image.new("L", (400, 300)).save(images / "gigantic.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(images / "transparent.png")
    (images / "loop").symlink_to(images)

    options = ("--out", out, "--epochs", 1, "--batch-size", 32, "--image-size", 8)
    code, output = barlow("pretrain", images, *options, "--max-pixels", 100_000)
    assert code == 0, output
    assert f"{len(good) + 1} colour images" in output
    assert "5 more could not be read" in output
    skipped = json.loads((out / runs.SKIPPED).read_text())
    bad = ["cut.png", "empty.png", "gigantic.png", "nowhere.png", "text.jpg"]
    assert sorted(pathlib.Path(path).name for path in skipped) == bad
    assert all(skipped.values())
    assert "--max-pixels" in skipped[str(images / "gigantic.png")]
    assert json.loads((out / runs.CONFIG).read_text())["images"] == len(good) + 1


@pytest.mark.once
def test_a_run_is_resumed_overwritten_and_begun_from_another(barlow, run, folders, tmp_path):
    training = ("pretrain", folders / "plain", "--epochs", 2, "--batch-size", 64)
    out, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run, out)
    third, weights = tmp_path / "third", ("--weights", out / runs.ENCODER)
    for arguments in (
        ("--out", out, "--resume"),
        ("--out", other, "--from", out),
        ("--out", third, *weights),
    ):
        code, output = barlow(*training, *arguments)
        assert code == 0, output
        assert "Trained 2 epochs" in output
    assert runs.read_config(other)["from_run"] == str(out)
    assert runs.read_config(third)["weights"] == str(out / runs.ENCODER)
    code, output = barlow("recommend", folders / "plain", *weights)
    assert code == 0, output
    assert re.search(r"learning_rate +│ +0\.000194 +│ a tenth", output)
    code, output = barlow(
        "pretrain", folders / "plain", "--epochs", 1, "--out", out, "--overwrite",
        "--micro-batch-size", 120,
    )  # fmt: skip
    assert code == 0, output
    assert runs.read_config(out)["micro_batch_size"] == 120
    assert runs.read_config(out)["epochs"] == 1


@pytest.mark.once
def test_arrays_and_idx_files_train_too(barlow, tmp_path):
    digits = data.digits()
    pixels = digits.pixels[:80, ..., 0]
    np.savez(tmp_path / "x.npz", images=pixels, labels=digits.labels[:80])
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in pixels.shape)
    (tmp_path / "x-idx3-ubyte").write_bytes(header + pixels.tobytes())
    for name in ("x.npz", "x-idx3-ubyte"):
        out = tmp_path / f"run of {name}"
        code, output = barlow("pretrain", tmp_path / name, "--out", out, "--epochs", 1)
        assert code == 0, output
        assert (out / runs.ENCODER).exists()
        assert ("Their labels play no part" in output) == (name == "x.npz")


@pytest.mark.once
def test_patterns_files_lists_and_archives_train_too(barlow, run, folders, tmp_path):
    classes = sorted((folders / "classes").rglob("*.png"))
    lines = [f"{path}\t{path.parent.name}\n" for path in classes]
    (tmp_path / "x.txt").write_text("".join(lines))
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(folders / "plain", "plain")
    for i, (sources, words) in enumerate(
        (
            ([f"{folders}/**/*.jpg"], "120 grey images of 8 x 8 pixels, without labels, from"),
            (classes[:50], "50 grey images of 8 x 8 pixels, without labels, from 50 files"),
            ([tmp_path / "x.tar"], "240 grey images of 8 x 8 pixels, without labels"),
            ([tmp_path / "x.txt"], "Their labels play no part"),
        )
    ):
        out = tmp_path / f"run {i}"
        code, output = barlow("pretrain", *sources, "--out", out, "--epochs", 1)
        assert code == 0, output
        assert words in output
        assert (out / runs.ENCODER).exists()
    code, output = barlow("evaluate", run, tmp_path / "x.txt")
    assert code == 0, output
    assert "240 grey images of 8 x 8 pixels, with labels" in output


@pytest.mark.once
def test_the_help_tells_what_can_be_learned_from(barlow):
    _, output = barlow("pretrain", "--help")
    for word in ("Folder", "pattern", ".txt", ".csv", ".tsv", ".parquet", ".tar", ".npy", "IDX"):
        assert word in output


@pytest.mark.once
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(barlow, run, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cat.png").write_bytes(b"not a picture")
    (tmp_path / "table.csv").write_text("file\ncat.png\n")
    np.save(tmp_path / "flat.npy", np.zeros((5, 4)))
    np.save(tmp_path / "square.npy", np.zeros((5, 8, 8)))
    plain, new, square = folders / "plain", tmp_path / "new", tmp_path / "square.npy"
    for arguments, words in (
        (("pretrain", tmp_path / "nowhere", "--out", new), "nowhere"),
        (("pretrain", tmp_path / "empty", "--out", new), "no image files"),
        (("pretrain", f"{tmp_path}/*.jpg", "--out", new), "No image file matches"),
        (("pretrain", tmp_path / "table.csv", "--out", new), "column `path`"),
        (("pretrain", tmp_path / "broken", "--out", new), "cat.png"),
        (("pretrain", tmp_path / "flat.npy", "--out", new), "[images, height, width]"),
        (("pretrain", plain, "--out", run), "--resume"),
        (("pretrain", plain, "--out", run, "--resume"), "epochs is 2 in the run and 1200 now"),
        (("pretrain", plain, "--out", run, "--resume", "--overwrite"), "both"),
        (("pretrain", plain, "--out", folders, "--overwrite"), "not a run"),
        (("pretrain", plain, "--out", new, "--from", tmp_path / "nowhere"), "not a finished run"),
        (("pretrain", plain, "--out", new, "--encoder", "vgg"), "Known: conv"),
        (("pretrain", plain, "--out", new, "--weights", "imagenet"), "such as MobileNetV2"),
        (("pretrain", plain, "--out", new, "--weights", tmp_path / "x.h5"), "no file of weights"),
        (
            ("pretrain", plain, "--out", new, "--from", run, "--weights", run / "encoder.keras"),
            "Received: both",
        ),
        (("pretrain", plain, "--out", new, "--views", "vgg"), "one of auto, glyphs, grey"),
        (("pretrain", plain, "--out", new, "--projector", "a,b"), "numbers with commas"),
        (("pretrain", plain, "--out", new, "--epochs", 0), "`epochs` must be at least 1"),
        (("pretrain", plain, "--out", new, "--image-size", 0), "`image_size` must be at least 1"),
        (("pretrain", square, "--out", new, "--image-size", 16), "only image files"),
        (("recommend", square, "--resize", "crop"), "not of files. Received: resize='crop'"),
        (("views", square, "--out", tmp_path / "x.png", "--resize", "crop"), "resize='crop'"),
        (("demo", "--out", run), "already"),
        (("evaluate", tmp_path / "nowhere", folders / "classes"), "not a finished run"),
        (("evaluate", run, plain), "needs labels"),
        (("evaluate", run, tmp_path / "nowhere"), "nowhere"),
    ):
        before = sorted(run.iterdir())
        code, output = barlow(*arguments)
        assert code == 2, (arguments, output)
        assert words in output, (arguments, output)
        assert not new.exists()
        assert sorted(run.iterdir()) == before


@pytest.mark.once
def test_settings_are_shown_with_their_reasons_and_kept_in_the_run(barlow, folders, tmp_path):
    code, output = barlow("recommend", folders / "plain", "--batch-size", 64)
    assert code == 0, output
    for row in (r"views +│ +glyphs", r"batch_size +│ +64 +│ +given", r"lambda +│ +0\.0051"):
        assert re.search(row, output)
    options = ("--out", tmp_path / "run", "--epochs", 1, "--projector", "32,16", "--lambda", 0.01)
    how = ("--ema", 0.9, "--dtype-policy", "mixed_bfloat16", "--no-jit-compile")
    code, output = barlow("pretrain", folders / "plain", *options, *how)
    assert code == 0, output
    assert re.search(r"projector +│ +32,16 +│ +given", output)
    config = runs.read_config(tmp_path / "run")
    assert (config["projector"], config["lambda_"]) == ([32, 16], 0.01)
    assert config["reasons"]["projector"] == "given"
    found = [config[name] for name in ("ema", "dtype_policy", "jit_compile", "steps_per_execution")]
    assert found == [0.9, "mixed_bfloat16", False, 1]
    assert config["reasons"]["batch_size"] == "all the images"


@pytest.mark.once
def test_encoders_are_listed_with_their_sizes(barlow):
    code, output = barlow("encoders")
    assert code == 0, output
    assert re.search(r"resnet50 +│ +2048 +│ +23\.56", output)
    assert "EfficientNetV2B0" in output
    code, output = barlow("encoders", "--image-size", "100")  # that no transformer takes
    assert code == 0, output
    assert re.search(r"resnet50 +│ +2048", output)
    assert re.search(r"vit_tiny +│ +- +│ +not for 100 pixels", output)


@pytest.mark.once
def test_an_encoder_of_the_user_trains_and_is_evaluated(folders, tmp_path):
    """One with a layer of its own, from where the command runs."""
    (tmp_path / "ours.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('ours')\n"
        "class Half(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return x / 2\n"
        "def small(image_shape):\n"
        "    layers = [keras.Input(image_shape), keras.layers.Rescaling(1 / 255), Half(),\n"
        "              keras.layers.Flatten(), keras.layers.Dense(8, activation='tanh')]\n"
        "    return keras.Sequential(layers)\n"
    )
    for arguments in (
        ("pretrain", folders / "plain", "--out", "run", "--epochs", "1", "--encoder", "ours:small"),
        ("evaluate", "run", folders / "classes"),
    ):
        done = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.once
def test_without_a_command_the_help_is_shown(barlow):
    _, output = barlow()
    for command in ("demo", "pretrain", "evaluate"):
        assert command in output


@pytest.mark.once
def test_ctrl_c_leaves_a_usable_run(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [COMMAND, "demo", "--epochs", "10000", "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (out / runs.METRICS).exists():  # until it has learned for an epoch
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, output
    assert "Interrupted in epoch" in output
    assert runs.load_encoder(out).predict(data.digits().pixels[:2], verbose=0).shape == (2, 128)
    assert (out / runs.PICTURE).exists()


@pytest.mark.once
def test_a_contact_sheet_shows_images_and_their_views(barlow, folders, tmp_path):
    sheet = tmp_path / "sheet.png"
    code, output = barlow(
        "views", folders / "plain", "--out", sheet, "--images", 4, "--pairs", 2, "--image-size", 12
    )
    assert code == 0, output
    assert "Recipe glyphs: Recipe(scale=(0.64, 1.44)" in output
    with Image.open(sheet) as picture:
        width, height = picture.size
        assert len(np.unique(np.asarray(picture.convert("L")))) > 100
    assert width > height  # five columns, four rows
    code, output = barlow("views", folders / "plain", "--out", sheet, "--views", "cifar")
    assert code == 2
    assert "`views` must be one of auto, glyphs, grey, photos, imagenet" in output
    code, output = barlow("views", folders / "plain", "--out", sheet)  # replaces its own
    assert code == 0, output
    with Image.open(sheet) as picture:
        assert picture.size != (width, height)
    photo = shutil.copy(folders / "plain" / "0.png", tmp_path / "photo.png")
    before = photo.read_bytes()
    code, output = barlow("views", folders / "plain", "--out", photo)
    assert code == 2
    assert "it would be lost" in output
    assert photo.read_bytes() == before


@pytest.mark.once
@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("photo.png", "is no picture or page of barlow: it would be lost"),
        ("more", "A picture is ."),
        ("sheet.html", "A picture is ."),
        ("nowhere/sheet.png", "There is no folder"),
    ],
)
def test_where_no_picture_of_views_can_be_is_said_before_images_are_read(
    out, words, barlow, tmp_path
):
    (tmp_path / "more").mkdir()
    photo = tmp_path / "photo.png"
    Image.fromarray(data.digits().pixels[0, ..., 0]).save(photo)
    before = photo.read_bytes()
    code, output = barlow("views", tmp_path / "absent", "--out", tmp_path / out)
    assert code == 2, output
    assert words in " ".join(output.split())
    assert output.startswith("Error: ")
    assert "absent" not in output
    assert photo.read_bytes() == before


@pytest.mark.once
@pytest.mark.parametrize(
    "given",
    [["--minutes", 1, "--epochs", 3], ["--encoder", "conv", "--weights", "w.h5", "--from", "run"]],
)
def test_settings_that_contradict_each_other_are_refused_before_images_are_read(
    given, barlow, tmp_path
):
    (tmp_path / "w.h5").touch()
    given = [tmp_path / each if each == "w.h5" else each for each in given]
    code, output = barlow("pretrain", tmp_path / "absent", "--out", tmp_path / "out", *given)
    assert code != 0
    assert "Received: " in output
    assert "absent" not in output
