"""Labels as people give them: lists of any dialect, class folders, mappings, arrays."""

import codecs
import dataclasses
import shutil
import string
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from clouds import collection
from marking import marked
from pyarrow import parquet

from barlow import labelling
from barlow.errors import InvalidInput
from barlow.labelling import given as reading
from barlow.vectors.facts import content_of_file

pytestmark = pytest.mark.once

NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/café.png", "b/4.png"]


@pytest.fixture
def images():
    return collection(np.eye(len(NAMES)), NAMES)


def read(images, labels):
    """Labels by name, and the names of what is listed without one."""
    found = reading.read(images, labels)
    assert found.rows.tolist() == np.flatnonzero(found.labels).tolist()
    by_name = dict(zip(images.names, found.labels, strict=True))
    empty = [name for name, listed in zip(images.names, found.listed, strict=True)
             if listed and not by_name[name]]  # fmt: skip
    return {name: label for name, label in by_name.items() if label}, empty


@pytest.mark.parametrize(
    "content",
    [
        "path,label\na/1.png,cat\nb/café.png,dög\na/2.png,\n".encode(),
        codecs.BOM_UTF8 + "PATH;Label\r\na/1.png;cat\r\nb/café.png;dög\r\na/2.png;\r\n".encode(),
        "sep=;\r\npath;label\r\na/1.png;cat\r\n;\r\nb/café.png;dög\r\na/2.png;".encode(),
        "path\tlabel\r\na/1.png\tcat\r\nb/café.png\tdög\r\na/2.png\t\r\n".encode("utf-16"),
        "path,label\r\na/1.png,cat\r\nb/café.png,dög\r\na/2.png,\r\n".encode("cp1252"),
        "label,note,path\n cat ,,a\\1.png\ndög,,b\\café.png\n,,a\\2.png\n , , \n ,x,\n".encode(),
        "file_name,label\n./a/1.png,cat\ncafé.png,dög\nD:\\old\\a\\2.png,\n".encode(),
        "path,label\na/1.png,cat\na/1.png,cat\na/1.png,\nb/cafe\u0301.png,dög\na/2.png,".encode(),
    ],
)
def test_a_list_is_read_in_every_dialect(content, images, tmp_path):
    (tmp_path / "labels.csv").write_bytes(content)
    found = read(images, tmp_path / "labels.csv")
    assert found == ({"a/1.png": "cat", "b/café.png": "dög"}, ["a/2.png"])
    assert read(images, str(tmp_path / "labels.csv")) == found


def test_other_lists_have_labels_too(images, tmp_path):
    expected = {"a/1.png": "3", "b/4.png": "1"}, ["a/2.png"]
    (tmp_path / "x.tsv").write_text("path\tlabel\na/1.png\t3\na/2.png\t\nb/4.png\t1\n")
    (tmp_path / "x.txt").write_text("a/1.png\t3\na/2.png\nb/4.png\t1\n")
    table = pa.table({"path": ["a/1.png", "a/2.png", "b/4.png"], "label": [3.0, None, 1.0]})
    parquet.write_table(table, tmp_path / "x.parquet")
    for name in ("x.tsv", "x.txt", "x.parquet"):
        assert read(images, tmp_path / name) == expected
    table = pa.table({"path": ["a/1.png", "a/2.png", "b/4.png"], "label": [3, -1, 1]})
    parquet.write_table(table, tmp_path / "x.parquet")
    assert read(images, tmp_path / "x.parquet") == expected  # -1 among numbers is none
    parquet.write_table(
        pa.table({"path": ["a/1.png", "z"], "label": ["3", None]}), tmp_path / "x.parquet"
    )
    with pytest.raises(InvalidInput, match=r"z in row 2 of "):
        read(images, tmp_path / "x.parquet")


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", None, "", "dog", float("nan")],
        ["cat", "", "", "dog", " "],
        ["cat", float("nan"), "", "dog", float("nan")],
        np.array(["cat", "", "", "dog", ""]),
        np.array(["cat", None, np.nan, "dog", ""], object),
        {"a/1.png": "cat", "b/café.png": "dog", "a/2.png": None, "b/4.png": float("nan")},
        {"a/1.png": " cat", "café.png": "dog"},
    ],
)
def test_a_label_for_every_image_or_a_mapping(labels, images):
    found, _ = read(images, labels)
    assert found == {"a/1.png": "cat", "b/café.png": "dog"}


@pytest.mark.parametrize(
    "labels",
    [
        [7, -1, -1, 0, -1],
        np.array([7, -1, -1, 0, -1]),
        np.array([7, -1, -1, 0, -1], "int8"),
        np.array([7, np.nan, np.nan, 0, np.nan]),
        [7, None, None, 0, None],
        [7, None, -1, 0, ""],
    ],
)
def test_numbers_are_labels_and_minus_one_is_none(labels, images):
    found, _ = read(images, labels)
    assert found == {"a/1.png": "7", "b/café.png": "0"}


def test_columns_of_pandas_are_labels(images):
    pandas = pytest.importorskip("pandas")
    for kind in (object, "string", "category"):
        column = pandas.Series(["cat", None, "", "dog", None], dtype=kind)
        assert read(images, column)[0] == {"a/1.png": "cat", "b/café.png": "dog"}
    for kind in (float, "Int64"):
        column = pandas.Series([7, None, -1, 0, None], dtype=kind)
        assert read(images, column)[0] == {"a/1.png": "7", "b/café.png": "0"}


def test_minus_one_among_texts_is_a_label(images):
    assert read(images, ["-1", "1", "", "", ""])[0] == {"a/1.png": "-1", "a/2.png": "1"}


@pytest.mark.parametrize(
    "names", [("café.png", "cafe\u0301.png"), ("a.png", " a.png"), ("a", "./a")]
)
def test_a_name_to_the_character_comes_before_other_forms_of_it(names):
    for order in (names, names[::-1]):
        found, _ = read(collection(np.eye(2), [*order]), {names[0]: "one", names[1]: "two"})
        assert found == {names[0]: "one", names[1]: "two"}


def test_a_label_is_the_same_however_its_accents_are_encoded(images):
    labels = [unicodedata.normalize(form, "dög") for form in ("NFC", "NFD")]
    assert {*read(images, [*labels, "", "", ""])[0].values()} == {"dög"}
    assert read(images, {"4.png": labels[0], "b/4.png": labels[1]})[0] == {"b/4.png": "dög"}


def test_without_labels_those_of_the_collection_are_taken(images):
    assert read(images, None) == ({}, [])
    own = dataclasses.replace(images, labels=np.array([1, 2, -1, 2, 1]))
    assert len(read(own, None)[0]) == 4


def test_several_lists_are_one_and_may_not_contradict_each_other(images, tmp_path):
    (tmp_path / "x.csv").write_text("path,label\na/1.png,cat\na/2.png,\n")
    (tmp_path / "y.csv").write_text("path,label\na/1.png,cat\nb/4.png,dog\n")
    (tmp_path / "z.csv").write_text("path,label\nb/4.png,cat\n")
    paths = [tmp_path / name for name in ("x.csv", "y.csv", "z.csv")]
    assert read(images, paths[:2]) == ({"a/1.png": "cat", "b/4.png": "dog"}, ["a/2.png"])
    with pytest.raises(InvalidInput, match=r"b/4\.png has two labels: 'dog' in line 3 of .*y\.csv"):
        read(images, paths)


@pytest.fixture
def photos(tmp_path):
    """Files in one folder, and their collection, which knows their content."""
    (tmp_path / "photos").mkdir()
    names = [f"{number}.png" for number in range(6)]
    for number, name in enumerate(names):
        marked(40 * number).save(tmp_path / "photos" / name)
    content = [content_of_file(tmp_path / "photos" / name) for name in names]
    return collection(np.eye(6), names, {"content": np.array(content, object)})


def test_images_in_class_folders_are_found_by_name_or_by_content(photos, tmp_path):
    for label, copies in {"cat": {"0.png": "0.png", "1.png": "renamed.png"},
                          "dög": {"2.png": "5.png", "3.png": "3.png"}}.items():  # fmt: skip
        (tmp_path / "sorted" / label).mkdir(parents=True)
        for name, copy in copies.items():
            shutil.copy(tmp_path / "photos" / name, tmp_path / "sorted" / label / copy)
    found, empty = read(photos, tmp_path / "sorted")
    assert empty == []
    assert found == {"0.png": "cat", "1.png": "cat", "2.png": "dög", "3.png": "dög"}


def test_another_image_of_the_same_last_name_in_class_folders_gets_no_label(photos, tmp_path):
    for label, name in (("cat", "0.png"), ("dog", "1.png")):
        (tmp_path / "sorted" / label).mkdir(parents=True)
        shutil.copy(tmp_path / "photos" / name, tmp_path / "sorted" / label)
    marked(255).save(tmp_path / "sorted" / "cat" / "4.png")  # of another camera
    with pytest.warns(UserWarning, match=r"1 of 3 images in .* are left out, such as .*4\.png"):
        found, _ = read(photos, tmp_path / "sorted")
    assert found == {"0.png": "cat", "1.png": "dog"}


def test_an_image_of_class_folders_that_was_edited_there_keeps_its_label(tmp_path):
    names = ["cat/0.png", "dog/1.png"]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir()
        marked(40 * number).save(tmp_path / name)
    content = np.array([content_of_file(tmp_path / name) for name in names], object)
    marked(99).save(tmp_path / "cat" / "0.png")
    images = collection(np.eye(2), names, {"content": content})
    assert read(images, tmp_path)[0] == {"cat/0.png": "cat", "dog/1.png": "dog"}


def test_strangers_in_class_folders_are_left_out_and_counted(photos, tmp_path):
    for label, name in (("cat", "0.png"), ("dog", "1.png")):
        (tmp_path / "sorted" / label).mkdir(parents=True)
        shutil.copy(tmp_path / "photos" / name, tmp_path / "sorted" / label)
    marked(7).save(tmp_path / "sorted" / "dog" / "new.png")
    with pytest.warns(UserWarning, match=r"1 of 3 images in .* are left out, such as .*new\.png"):
        found, _ = read(photos, tmp_path / "sorted")
    assert found == {"0.png": "cat", "1.png": "dog"}
    for name in ("cat/0.png", "dog/1.png"):
        (tmp_path / "sorted" / name).unlink()
    marked(8).save(tmp_path / "sorted" / "cat" / "newer.png")
    with pytest.raises(InvalidInput, match=r"None of the 2 images in .* neither by name nor by"):
        read(photos, tmp_path / "sorted")
    marked(9).save(tmp_path / "sorted" / "loose.png")
    with pytest.raises(InvalidInput, match="needs one subfolder per class"):
        read(photos, tmp_path / "sorted")


def test_one_image_in_two_class_folders_is_refused(photos, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "sorted" / label).mkdir(parents=True)
        shutil.copy(tmp_path / "photos" / "0.png", tmp_path / "sorted" / label / f"{label}.png")
    with pytest.raises(InvalidInput, match=r"0\.png has two labels: 'cat' by .* and 'dog' by "):
        read(photos, tmp_path / "sorted")


def test_a_name_that_could_be_two_images_is_none(images):
    for name in ("1.png", "z/1.png"):
        with pytest.raises(InvalidInput, match="are not in the collection: " + name):
            read(images, {name: "cat"})
    assert read(images, {"z/a/1.png": "cat", "4.png": "dog"})[0] == {
        "a/1.png": "cat",
        "b/4.png": "dog",
    }


@pytest.mark.parametrize("labels", [["cat", "dog"], [["cat"] * 5], "cat.txt.gz", 3])
def test_what_is_no_label_of_every_image_is_refused(labels, images):
    with pytest.raises((InvalidInput, FileNotFoundError), match=r"Labels are|There is no"):
        read(images, labels)


@pytest.mark.parametrize(
    ("few", "many", "asks"),
    [("catt", "cat", True), ("Cat", "cat", True), ("dog", "cat", False), ("12", "123", False),
     ("cat", "cat", False), ("species 12", "species 21", False)],
)  # fmt: skip
def test_a_class_of_one_image_that_is_nearly_called_like_another_is_asked_about(few, many, asks):
    labels = [few, *[many] * 4, "horse", ""]
    images = collection(np.eye(len(labels)))
    if not asks:
        read(images, labels)
        return
    with pytest.warns(UserWarning, match=f"'{few}', and 4 '{many}'. Is it another class"):
        read(images, labels)


def test_classes_of_one_image_are_not_asked_about_where_they_are_many():
    labels = [f"cat{letter}" for letter in string.ascii_lowercase] + ["cat"] * 4
    assert len(read(collection(np.eye(len(labels))), labels)[0]) == 30


def test_what_a_classifier_predicted_is_not_taken_for_labels(images, tmp_path):
    (tmp_path / "predictions.csv").write_text(
        "path,label,probability,second,margin\na/1.png,cat,1,dog,1\n"
    )
    with pytest.raises(InvalidInput, match="has what a classifier predicted, no labels of yours"):
        reading.read(images, tmp_path / "predictions.csv")


def test_labels_in_another_encoding_stay_apart_and_are_asked_about(images, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes("path,label\na/1.png,秋\na/2.png,食\nb/4.png,犬\n".encode("cp932"))
    with pytest.warns(UserWarning, match="is not UTF-8.* save the list as CSV UTF-8"):
        found, _ = read(images, path)
    assert len({*found.values()}) == 3
    path.write_bytes("path,label\na/1.png,кот\nb/4.png,пёс\n".encode("cp1251"))
    with pytest.warns(UserWarning, match="a label is 'êîò'"):
        read(images, path)


def test_a_label_with_a_comma_is_not_cut(images, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\na/1.png,dog\na/2.png,dog, black\n")
    with pytest.raises(InvalidInput, match=r"Line 3 of .* more cells .*: ' black'. Put a text"):
        read(images, path)
    path.write_text(',path,label\n0,a/1.png,dog\n1,a/2.png,"dog, black"\n')  # as pandas writes it
    assert read(images, path)[0] == {"a/1.png": "dog", "a/2.png": "dog, black"}


def test_of_two_columns_of_labels_the_first_counts(images, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label,label\na/1.png,dog,\na/2.png,cat,dog\n")
    assert read(images, path)[0] == {"a/1.png": "dog", "a/2.png": "cat"}


def test_whole_numbers_are_the_same_however_a_program_wrote_them(images, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\na/1.png,1.0\na/2.png,0.0\nb/1.png,1\nb/4.png,\na/1.png,1\n")
    assert read(images, path)[0] == {"a/1.png": "1", "a/2.png": "0", "b/1.png": "1"}
    path.write_text("path,label\na/1.png,1.0\na/2.png,1.1\n")  # versions, not numbers
    assert read(images, path)[0] == {"a/1.png": "1.0", "a/2.png": "1.1"}


@pytest.mark.parametrize(
    "labels",
    [
        np.array([b"cat", b"", b"dog", b"", b""]),
        np.array(["cat", np.nan, "dog", np.nan, np.nan]),  # NumPy makes texts of them
        ["cat", None, "dog", float("nan"), ""],
        pd.Series(["cat", None, "dog", None, None], index=NAMES).sample(frac=1, random_state=3),
        pd.Series({"b/1.png": "dog", "a/1.png": "cat"}),
        pd.Series(["cat", None, "dog", None, None], index=[7, 3, 1, 0, 2]),
        {"a/1.png": b"cat", "b/1.png": "dog"},
    ],
)
def test_labels_of_programs_are_those_that_were_meant(labels, images):
    assert read(images, labels)[0] == {"a/1.png": "cat", "b/1.png": "dog"}


def test_minus_one_is_no_label_in_a_mapping_either(images):
    labels = {"a/1.png": 0, "a/2.png": 1, "b/1.png": -1}
    assert read(images, labels) == ({"a/1.png": "0", "a/2.png": "1"}, ["b/1.png"])


@pytest.mark.parametrize("labels", ["", zip("ab", "cd", strict=True), {"a", "b"}, 3])
def test_what_cannot_be_labels_is_shown(labels, images):
    with pytest.raises(InvalidInput, match=r"one for every image. Received: "):
        read(images, labels)


def test_a_path_of_another_folder_is_not_the_image_of_its_last_name():
    images = collection(np.eye(4), ["1.png", "2.png", "sub/a/3.png", "4.png"])
    expected = {"1.png": "cat", "2.png": "dog"}
    assert read(images, {"/home/me/1.png": "cat", "/home/me/2.png": "dog"})[0] == expected
    assert read(images, {"/home/me/1.png": "cat", "2.png": "dog"})[0] == expected
    for strange in ({"sub/a/1.png": "cat", "2.png": "dog"}, {"x/1.png": "cat", "y/2.png": "dog"}):
        with pytest.raises(InvalidInput, match=f"not in the collection: {next(iter(strange))}"):
            read(images, strange)


def test_images_of_one_name_are_refused_where_labels_are_given_by_name():
    images = collection(np.eye(4), ["a.png", "b.png", "a.png", "c.png"])
    for ask in (lambda: labelling.suggest(images, 2), lambda: read(images, {"b.png": "cat"})):
        with pytest.raises(InvalidInput, match=r"2 images of the collection are called a\.png"):
            ask()
    assert labelling.fit(images, ["cat", "cat", "dog", ""]).classes == ("cat", "dog")


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
def test_minus_one_among_numbers_of_any_kind_is_none(dtype, images):
    labels = np.array([0, 1, -1, -1, 1], dtype)
    assert read(images, labels) == ({"a/1.png": "0", "a/2.png": "1", "b/4.png": "1"}, [])


def test_classes_that_differ_in_capitals_or_spaces_alone_are_asked_about(images):
    labels = ["red fox", "Red  fox", "red fox", "Red  fox", "dog 1"]
    with pytest.warns(UserWarning, match=r"alone.*: 2 'red fox' and 2 'Red  fox'") as caught:
        read(images, labels)
    assert len(caught) == 1
