"""`barlow suggest` and `barlow label` as a new user meets them, from a folder of images on."""

import csv
import json
import pathlib
import shutil
import warnings

import keras
import numpy as np
import pytest
from lines import encoder_of, lines
from PIL import Image
from typer.testing import CliRunner

from barlow import backend, data, labelling, vectors
from barlow.cli import app

pytestmark = pytest.mark.once

FORMULAS = ("=1+1.png", "@a.png", "+b.png", "-c.png")
UNSURE = {"'+b.png", *(f"in/{number}.png" for number in range(0, 24, 5))}


def barlow(*arguments):
    """Exit code, output on one line, and warnings of a command."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    said = [str(each.message) for each in caught if each.category is UserWarning]
    return result.exit_code, " ".join(result.output.split()), said


def succeeds(*arguments):
    code, output, said = barlow(*arguments)
    assert code == 0, output
    assert not said
    return output


def table(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill(path, classes):
    """Write labels into a list, where there is none, but for the images that nobody can tell."""
    rows = table(path)
    for row in rows:
        row["label"] = row["label"] or ("" if row["path"] in UNSURE else classes[row["path"]])
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("path", "label"))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def state(folder):
    """Everything below a folder."""
    paths = sorted(folder.rglob("*"))
    return {path: path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Thirty images of two digits, some with odd names, as they were embedded."""
    place = tmp_path_factory.mktemp("labels")
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))).save(
        place / "pixels.keras"
    )
    digits = data.digits()
    names = [*FORMULAS, "café.png", "in/a, b.png"] + [f"in/{n}.png" for n in range(24)]
    (place / "photos" / "in").mkdir(parents=True)
    for number, name in enumerate(names):
        row = np.flatnonzero(digits.labels == number % 2)[number]
        Image.fromarray(digits.pixels[row, ..., 0]).save(place / "photos" / name)
    succeeds("embed", place / "pixels.keras", place / "photos", "--out", place / "x.parquet")
    return place


@pytest.fixture
def work(collection, tmp_path, monkeypatch):
    """A folder to work in, with the file of vectors."""
    shutil.copy(collection / "x.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def names(collection):
    return vectors.read(collection / "x.parquet").names.tolist()


@pytest.fixture(scope="module")
def classes(names):
    """The class of every image: of odd and of even digits in the order of the fixture."""
    order = [*FORMULAS, "café.png", "in/a, b.png"] + [f"in/{n}.png" for n in range(24)]
    return {name: ("zero", "one")[order.index(name) % 2] for name in names}


def test_the_round_trip_of_a_new_user(work, classes):
    output = succeeds("suggest", "x.parquet", "-n", 10)
    assert "10 images to label (10 typical): fill in the column label of labels.csv." in output
    assert "barlow label x.parquet --labels labels.csv --out classifier" in output
    assert (work / "labels.html").stat().st_size > 1000
    marked = {"'" + name for name in FORMULAS}
    plain = {f"'{name}" if name in FORMULAS else name: label for name, label in classes.items()}
    assert [row["label"] for row in table(work / "labels.csv")] == [""] * 10
    seen = {}
    for total in (10, 20, 30):
        rows = fill(work / "labels.csv", plain)
        assert len(rows) == total == len({row["path"] for row in rows})
        assert {row["path"]: row["label"] for row in rows}.items() >= seen.items()
        seen = {row["path"]: row["label"] for row in rows}
        if total < 30:
            succeeds("suggest", "x.parquet", "-n", 10, "--labels", "labels.csv")
    assert marked <= seen.keys() == plain.keys()
    assert sum(not label for label in seen.values()) == 6

    output = succeeds("label", "x.parquet", "--labels", "labels.csv", "--out", "classifier")
    assert "24 labels of 2 classes for 30 images." in output
    assert "Accuracy on 24 labels held out: 1.000" in output
    found = table(work / "classifier" / "predictions.csv")
    assert {row["path"]: row["label"] for row in found} == {
        name: plain[name] for name, label in seen.items() if not label
    }
    output = succeeds("label", "x.parquet", "--labels", "labels.csv", "--check")
    assert "None of the 24 labels is contradicted by the others." in output
    code, output, _ = barlow("suggest", "x.parquet", "--labels", "labels.csv")
    assert (code, "there is none to suggest" in output) == (2, True)


def test_where_images_are_gone_there_is_a_list_and_only_its_sheet_is_missing(work, collection):
    shutil.copytree(collection / "photos", work / "photos")
    succeeds("embed", collection / "pixels.keras", "photos", "--out", "y.parquet")
    (work / "photos").rename(work / "moved")
    code, output, said = barlow("suggest", "y.parquet", "-n", 3)
    assert (code, len(said)) == (0, 1)
    assert "There is no contact sheet. FileNotFoundError: There is nothing at" in said[0]
    assert "Then: barlow label y.parquet --labels labels.csv" in output
    assert len(table(work / "labels.csv")) == 3
    code, output, _ = barlow("suggest", "y.parquet", "-n", 3, "--sheet", "mine.html")
    assert (code, "There is nothing at" in output) == (2, True)
    succeeds("suggest", "y.parquet", "-n", 3, "--images", "moved")
    assert (work / "labels.html").exists()


def test_a_page_of_the_user_beside_the_list_stays(work):
    (work / "labels.html").write_text("mine")
    for _ in range(2):  # its own page is replaced
        output = succeeds("suggest", "x.parquet", "-n", 3)
        assert "labels-2.html" in output
    assert (work / "labels.html").read_text() == "mine"
    (work / "labels.html").unlink()
    succeeds("suggest", "x.parquet", "-n", 3)
    succeeds("suggest", "x.parquet", "-n", 3)
    assert [path.name for path in sorted(work.glob("*.html"))] == ["labels-2.html", "labels.html"]


def test_no_cell_is_a_formula_and_all_are_read_back(work, classes):
    given = {name: f"={label}" for name, label in classes.items() if name != "in/0.png"}
    given = dict([*given.items()][:20])
    rows = [f'"{name}",{label}' for name, label in given.items()]
    (work / "mine.csv").write_text("\n".join(["path,label", *rows]))
    succeeds("suggest", "x.parquet", "--labels", "mine.csv", "--out", "labels.csv", "-n", 3)
    succeeds("label", "x.parquet", "--labels", "labels.csv", "--out", "classifier")
    for file in (work / "labels.csv", work / "classifier" / "predictions.csv"):
        cells = [cell for row in table(file) for cell in row.values()]
        assert not any(cell.startswith(tuple("=+-@")) for cell in cells)
    assert labelling.fit("x.parquet", work / "labels.csv").given.labels.tolist() == [
        given.get(name, "") for name in vectors.read("x.parquet").names
    ]
    assert {row["label"] for row in table(work / "classifier" / "predictions.csv")} <= {
        "'=zero",
        "'=one",
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,label\n\nin/0.png,a\nin/1.png,b\nin/22.pgn,b\n",
         "1 of 3 images of labels.csv are not in the collection: in/22.pgn in line 5 of "
         "labels.csv. Did you mean 'in/22.png'?"),
        ("sep=;\npath;label\nin/0.png;a\nin/99.jpg;b\n", "in/99.jpg in line 4 of labels.csv"),
        ("path,label\nin/0.png,a\nin/1.png,a\n", "2 labels; all are 'a'. `barlow suggest` says"),
        ("path,label\nin/0.png,\nin/1.png,\n", "0 labels; there are none."),
        ("path,label\n", "names no files"),
        ("", "must name a column `path`"),
        ("path,label\nin/0.png,a\nin/1.png,b\nin/0.png,b\n",
         "in/0.png has two labels: 'a' in line 2 of labels.csv and 'b' in line 4 of labels.csv."),
        ("path,label\nin/0.png,a\n,b\n", "the path is empty in line 3 of labels.csv"),
        ("path,class\nin/0.png,a\nin/1.png,b\n",
         "labels.csv has no labels: it needs a column that is called `label`"),
        ("path,label;\nin/0.png,;a\nin/1.png,;b\n",
         "Its first line is 'path,label;', with two delimiters"),
        ("image,label\nin/0.png,a\n", "must name a column `path`"),
        ("PK\3\4\0\0\0", "it is not a text file"),
    ],
)  # fmt: skip
def test_a_broken_list_is_one_error_and_changes_nothing(content, said, work):
    (work / "labels.csv").write_text(content)
    before = state(work)
    code, output, warned = barlow(
        "label", "x.parquet", "--labels", "labels.csv", "--out", "classifier"
    )
    assert code == 2
    assert (output.count("Error: "), warned) == (1, [])
    assert said in output
    assert state(work) == before

    if "labels; " not in said:  # that there are too few is no fault of a list to add to
        code, output, _ = barlow("suggest", "x.parquet", "--labels", "labels.csv")
        assert (code, said in output) == (2, True)
        assert state(work) == before


def test_what_is_no_list_is_one_error(work):
    (work / "labels.xlsx").write_bytes(b"PK")
    (work / "empty").mkdir()
    before = state(work)
    for given, said in (
        ("labels.xlsx", "a list (.txt, .csv, .tsv, .parquet) with the columns path and label"),
        ("gone.csv", "There is no gone.csv. `barlow suggest VECTORS"),
        ("empty", "no image files in empty"),
    ):
        code, output, _ = barlow("label", "x.parquet", "--labels", given, "--out", "classifier")
        assert (code, said in output) == (2, True), output
    for rest in ([], ["--out", "classifier", "--check"]):
        code, output, _ = barlow("label", "x.parquet", *rest)
        assert (code, "or --check alone" in output) == (2, True)
    code, output, _ = barlow("label", "x.parquet", "--out", "classifier", "--method", "grpah")
    assert (code, "Did you mean 'graph'?" in output) == (2, True)
    code, output, _ = barlow("suggest", "x.parquet", "--out", "labels.txt")
    assert (code, "is called *.csv" in output) == (2, True)
    assert state(work) == before


def test_a_list_that_would_lose_labels_is_not_replaced(work):
    (work / "labels.csv").write_text("path,label\nin/0.png,a\n")
    (work / "others.csv").write_text("path,label\nin/1.png,b\nin/2.png,a\n")
    (work / "notes.csv").write_text("path,label,note\nin/1.png,b,with a hat\n")
    before = state(work)
    for given, out in (([], "labels.csv"), (["others.csv"], "labels.csv"),
                       (["notes.csv"], "notes.csv")):  # fmt: skip
        options = [part for each in given for part in ("--labels", each)]
        code, output, _ = barlow("suggest", "x.parquet", *options, "--out", out)
        assert (code, "hoose another name" in output) == (2, True), output
        assert state(work) == before
    options = ["--labels", "labels.csv", "--labels", "others.csv", "--out", "labels.csv"]
    succeeds("suggest", "x.parquet", *options, "-n", 2)
    labels = {row["path"]: row["label"] for row in table(work / "labels.csv") if row["label"]}
    assert labels == {"in/0.png": "a", "in/1.png": "b", "in/2.png": "a"}


def test_a_misspelt_class_is_asked_about(work, names):
    rows = [f'"{name}",{"dog" if number % 2 else "cat"}' for number, name in enumerate(names)]
    rows[2] = rows[2].replace("cat", "catt")
    (work / "labels.csv").write_text("\n".join(["path,label", *rows[:20]]))
    code, _, said = barlow("label", "x.parquet", "--labels", "labels.csv", "--check")
    assert (code, len(said)) == (0, 1)
    assert "Only one image is labelled 'catt', and 9 'cat'. Is it another class, or" in said[0]


def test_labels_that_are_contradicted_are_shown(work, classes):
    given = classes | {"in/3.png": "zero"}
    assert classes["in/3.png"] == "one"
    rows = [f'"{name}",{label}' for name, label in given.items()]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    output = succeeds("label", "x.parquet", "--labels", "labels.csv", "--check")
    assert "Look again at these" in output
    assert "in/3.png" in output
    assert sum(name in output for name in classes) == 1
    output = succeeds("label", "x.parquet", "--labels", "labels.csv", "--out", "c")
    assert "1 labels are contradicted by the others" in output
    assert [each["path"] for each in json.loads((work / "c" / "labelling.json").read_text())[
        "look_again"]] == ["in/3.png"]  # fmt: skip


def test_a_classifier_is_replaced_only_if_that_is_said(work, classes):
    rows = [f'"{name}",{label}' for name, label in [*classes.items()][:20]]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    command = ["label", "x.parquet", "--labels", "labels.csv", "--out"]
    succeeds(*command, "c")
    (work / "c" / "mine.txt").write_text("mine")
    before = state(work)
    code, output, _ = barlow(*command, "c")
    assert (code, "--overwrite" in output, state(work) == before) == (2, True, True)
    succeeds(*command, "c", "--overwrite", "--method", "graph")
    after = state(work)
    assert after.keys() == before.keys()
    changed = {path.name for path in after if after[path] != before[path]}
    assert changed == {"classifier.keras", "predictions.csv", "labelling.json"}
    (work / "taken").mkdir()
    (work / "taken" / "mine.txt").write_text("mine")
    for overwrite in ([], ["--overwrite"]):
        code, output, _ = barlow(*command, "taken", *overwrite)
        assert (code, "is no classifier" in output) == (2, True)
    code, output, _ = barlow(*command, "c.keras")
    assert (code, "A classifier is a folder" in output) == (2, True)
    assert [path.name for path in pathlib.Path("taken").iterdir()] == ["mine.txt"]


def test_predictions_that_cannot_be_replaced_leave_the_classifier_before(
    work, classes, monkeypatch
):
    rows = [f'"{name}",{label}' for name, label in [*classes.items()][:20]]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    command = ["label", "x.parquet", "--labels", "labels.csv", "--out", "c"]
    succeeds(*command)
    before = state(work)
    replace = pathlib.Path.replace

    def refuse(path, target):  # as Windows does while a spreadsheet has the file open
        if target.name == "predictions.csv":
            raise PermissionError(13, "The file is in use", str(target))
        return replace(path, target)

    monkeypatch.setattr(pathlib.Path, "replace", refuse)
    code, output, _ = barlow(*command, "--overwrite", "--method", "linear")
    assert (code, "in use" in output, state(work) == before) == (2, True, True)


def test_what_a_kill_has_left_is_no_classifier(work, classes):
    rows = [f'"{name}",{label}' for name, label in [*classes.items()][:20]]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    (work / "c").mkdir()
    for name in (".lock", ".classifier.partial.keras"):
        (work / "c" / name).touch()
    succeeds("label", "x.parquet", "--labels", "labels.csv", "--out", "c")


def test_options_that_contradict_each_other_are_refused(work):
    for option in ("--fine-tune", "--overwrite"):
        code, output, _ = barlow("label", "x.parquet", "--check", option)
        assert (code, "--check only lists labels" in output) == (2, True)
    for seed in (-1, 2**32):
        code, output, _ = barlow("suggest", "x.parquet", "--seed", seed)
        assert (code, "4294967295" in output, str(seed) in output) == (2, True, True)


def test_images_that_have_changed_since_are_said(work, collection):
    shutil.copytree(collection / "photos", work / "photos")
    shutil.copy(work / "photos" / "in" / "3.png", work / "photos" / "in" / "5.png")
    (work / "photos" / "in" / "6.png").touch()
    code, output, said = barlow("suggest", "x.parquet", "-n", "50", "--images", "photos")
    assert code == 0, output
    (text,) = said
    assert text.startswith("1 of 30 images have changed since they were embedded, such as in/5.png")


def test_a_name_between_colons_is_printed_as_it_is(work, classes):
    rows = [f'"{name}",:{label}:' for name, label in [*classes.items()][:20]]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]).replace(":one:", ":cat:"))
    output = succeeds("label", "x.parquet", "--labels", "labels.csv", "--out", "c")
    assert ":cat:" in output


def test_fine_tuning_says_what_it_is_worth_and_writes_what_is_taken(work, classes):
    rows = [f'"{name}",{label}' for name, label in classes.items()]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows]))
    before = state(work)
    command = ["label", "x.parquet", "--labels", "labels.csv", "--out", "c", "--fine-tune"]
    code, output, _ = barlow(*command)
    assert (code, "at least 40 labels" in output) == (2, True)
    assert state(work) == before

    images, numbers = lines(500)
    (work / "photos").mkdir()
    for number, pixels in enumerate(images.pixels):
        Image.fromarray(pixels[..., 0]).save(work / "photos" / f"{number}.png")
    encoder_of(2).save(work / "blind.keras")
    succeeds("embed", "blind.keras", "photos", "--out", "y.parquet")
    rows = [f"{number}.png,{('upright', 'across')[each]}" for number, each in enumerate(numbers)]
    (work / "labels.csv").write_text("\n".join(["path,label", *rows[:400]]))
    encoder = (work / "blind.keras").read_bytes()
    output = succeeds(*[part.replace("x.parquet", "y.parquet") for part in command])
    assert "points: it is taken." in output
    assert "Method: linear (fine-tuned, and plainly better" in output
    assert (work / "blind.keras").read_bytes() == encoder
    model = keras.saving.load_model("c/classifier.keras")
    found = backend.predict(model, images.pixels[400:].astype("float32"))
    said = {row["path"]: row for row in table(work / "c" / "predictions.csv")}
    for number, row in enumerate(found, 400):
        assert abs(float(said[f"{number}.png"]["probability"]) - row.max()) < 1e-4
