import csv
import tempfile
from pathlib import Path

import hypothesis
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from marking import marked
from pyarrow import parquet

from barlow.data import load
from barlow.data.manifest import list_manifest
from barlow.spreadsheets import from_cell


@pytest.fixture
def images(tmp_path):
    """Images 1 .. 3 in a folder beside the manifests."""
    for value in (1, 2, 3):
        path = tmp_path / "photos" / f"{value}.png"
        path.parent.mkdir(exist_ok=True)
        marked(value).save(path)
    return tmp_path


def values(images):
    return images.pixels[:, 0, 0, 0].tolist()


def write_table(path, rows):
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows(rows)


def write_parquet(manifest, **columns):
    parquet.write_table(pa.table(columns), manifest)


def test_paths_start_from_the_folder_of_the_manifest(images, monkeypatch):
    names = ["photos/3.png", str(images / "photos" / "1.png")]
    (images / "x.txt").write_text("\n".join(names))
    write_table(images / "x.csv", [["path"], *([name] for name in names)])
    write_parquet(images / "x.parquet", path=names)
    monkeypatch.chdir(images / "photos")
    for name in ("x.txt", "x.csv", "x.parquet"):
        found = load(images / name)
        assert values(found) == [3, 1]
        assert found.labels is None
        assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "photos/1.png\nphotos/2.png\n",
        "photos/1.png\r\nphotos/2.png\r\n",
        "\ufeffphotos/1.png\n\n  \nphotos/2.png",
    ],
    ids=["lines", "lines of Windows", "byte order mark and empty lines"],
)
def test_text_files_come_from_anywhere(text, images):
    (images / "x.txt").write_bytes(text.encode())
    assert values(load(images / "x.txt")) == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nphotos/1.png,cat\nphotos/2.png,dog\n",
        "\ufefflabel,path\r\ncat,photos/1.png\r\n\r\ndog,photos/2.png",
        'id, label ,"path"\n7,cat,"photos/1.png"\n8,dog,photos/2.png,more\n',
    ],
    ids=["plain", "byte order mark, Windows, other order", "spaces, quotes, other columns"],
)
def test_tables_come_from_anywhere(text, images):
    for name, content in (("x.csv", text), ("x.TSV", text.replace(",", "\t"))):
        (images / name).write_bytes(content.encode())
        found = load(images / name)
        assert values(found) == [1, 2]
        assert found.labels.tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["0", "1", "-12"], [0, 1, -12]),
        (["0", "1", "cat"], ["0", "1", "cat"]),
        (["007", "1", "2"], ["007", "1", "2"]),  # else two classes could become one
        (["1.5", "1", "2"], ["1.5", "1", "2"]),
        (["1" * 30, "1", "2"], ["1" * 30, "1", "2"]),
    ],
    ids=["whole numbers", "texts", "leading zeros", "fractions", "more than 64 bits"],
)
def test_labels_are_whole_numbers_where_all_are(labels, expected, images):
    names = [f"photos/{i}.png" for i in (1, 2, 3)]
    lines = [f"{name}\t{label}" for name, label in zip(names, labels, strict=True)]
    (images / "x.txt").write_text("\n".join(lines))
    write_table(images / "x.csv", [("path", "label"), *zip(names, labels, strict=True)])
    write_parquet(images / "x.parquet", path=names, label=labels)
    for name in ("x.txt", "x.csv", "x.parquet"):
        assert load(images / name).labels.tolist() == expected


def test_labels_of_parquet_are_numbers_or_texts_of_any_kind(images):
    names = [f"photos/{i}.png" for i in (1, 2, 3)]
    numbers, texts = pa.array([0, 1, 0], "uint8"), pa.array(["a", "b", "a"]).dictionary_encode()
    for labels, expected in ((numbers, [0, 1, 0]), (texts, ["a", "b", "a"])):
        write_parquet(images / "x.parquet", path=names, label=labels)
        assert load(images / "x.parquet").labels.tolist() == expected
    write_parquet(images / "x.parquet", path=names, label=[0.5, 1.0, 2.0])
    found = load(images / "x.parquet")
    assert found.labels is None
    assert found.notes == ("Labels are left out: they are neither texts nor whole numbers.",)


def test_labels_that_only_some_images_have_are_left_out_and_it_is_said(images):
    (images / "x.txt").write_text("photos/1.png\tcat\nphotos/2.png\nphotos/3.png\t\n")
    write_table(images / "x.csv", [["path", "label"], ["photos/1.png", "cat"], ["photos/2.png"]])
    write_parquet(images / "x.parquet", path=["photos/1.png", "photos/2.png"], label=[0, None])
    for name, count in (("x.txt", 3), ("x.csv", 2), ("x.parquet", 2)):
        found = load(images / name)
        assert found.labels is None
        some = f"1 of {count} images have one; photos/2.png has none."
        assert found.notes == (f"Labels are left out: {some}",)


def test_files_that_are_missing_and_entries_without_one_are_skipped_and_listed(images):
    names, labels = ["photos/1.png", "gone.png", "", "photos/3.png"], ["a", "b", "c", "d"]
    write_table(images / "x.csv", [("path", "label"), *zip(names, labels, strict=True)])
    write_table(images / "x.tsv", [("path", "label"), *zip(names, labels, strict=True)])
    write_parquet(images / "x.parquet", path=[name or None for name in names], label=labels)
    for name in ("x.csv", "x.tsv", "x.parquet"):
        found = load(images / name)
        assert values(found) == [1, 3]
        assert found.labels.tolist() == ["a", "d"]
        assert dict(found.skipped) == {
            f"{images / name}, entry 3": "it names no file",
            str(images / "gone.png"): "No such file or directory",
        }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"", "names no files"),
        ("x.txt", b"\n \n", "names no files"),
        ("x.txt", b"gone.png", r"None of the 1 images can be read.*gone\.png"),
        ("x.csv", b"", "column `path`.*Received: an empty file"),
        ("x.csv", b"path,label\n", "names no files"),
        ("x.csv", b"file,class\n1.png,cat\n", "column `path`.*`label`.*Received: file, class"),
        ("x.csv", b"path\n" + b"x" * 200_000, "field larger than field limit"),
        ("x.tsv", b"path,label\n1.png,cat\n", "column `path`.*Received: path,label"),
        ("x.parquet", b"", r"x\.parquet"),
        ("x.parquet", b"PAR1 no parquet PAR1", r"x\.parquet"),
    ],
)
def test_manifests_that_name_nothing_are_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)


def test_parquet_files_with_other_columns_are_refused(tmp_path):
    write_parquet(tmp_path / "x.parquet", file=["1.png"])
    with pytest.raises(ValueError, match=r"column `path`.*Received: file"):
        load(tmp_path / "x.parquet")
    write_parquet(tmp_path / "x.parquet", path=[1])
    with pytest.raises(ValueError, match=r"must hold texts\. Received: int64"):
        load(tmp_path / "x.parquet")


# Names in any script, with what a table has to quote. A surrogate is a byte of a name that is no
# UTF-8; Parquet cannot hold it, and a NUL no name can.
NAME = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1
).filter(lambda name: from_cell(name) == name)  # no formula that was marked by an apostrophe
BYTES = (
    st.binary(min_size=1)
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
    .filter(lambda name: from_cell(name) == name)
)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(st.tuples(NAME, NAME), min_size=1))
def test_every_name_and_label_comes_back_from_parquet(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        write_parquet(path, path=[row[0] for row in rows], label=[row[1] for row in rows])
        check(path, rows)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
@hypothesis.settings(deadline=None)
@hypothesis.given(
    rows=st.lists(
        st.tuples(NAME | BYTES.filter(lambda name: not set(name) & set("/\0")), NAME), min_size=1
    )
)
def test_every_name_and_label_comes_back_from_a_table(suffix, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        write_table(path, [("path", "label"), *rows])
        check(path, rows)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.lists(
        st.tuples(
            (NAME | BYTES).filter(lambda n: not set(n) & set("/\0\t\n\r") and n.strip()),
            NAME.filter(lambda n: not set(n) & set("\n\r")),
        ),
        min_size=1,
    )
)
def test_every_name_and_label_without_ends_of_lines_comes_back_from_a_text(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.txt"
        text = "".join(f"{name}\t{label}\n" for name, label in rows)
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        hypothesis.assume(not text.startswith("\ufeff"))
        check(path, rows)


def check(manifest, rows):
    entries = list_manifest(manifest).entries
    assert [entry.name for entry in entries] == [name for name, _ in rows]
    assert [entry.file for entry in entries] == [manifest.parent / name for name, _ in rows]
    assert [str(entry.label) for entry in entries] == [label for _, label in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("space.txt", b"photos/1.png 0\nphotos/2.png 1\n"),
        ("tab.txt", b"photos/1.png\t0\nphotos/2.png\t1\n"),
        ("utf16.csv", "path,label\nphotos/1.png,0\nphotos/2.png,1\n".encode("utf-16")),
        ("semicolon.csv", b"path;label\nphotos/1.png;0\nphotos/2.png;1\n"),
        ("tabs.csv", b"path\tlabel\nphotos/1.png\t0\nphotos/2.png\t1\n"),
        ("metadata.csv", b"file_name,label\nphotos/1.png,0\nphotos/2.png,1\n"),
        ("windows.csv", b"path,label\r\nphotos\\1.png,0\r\nphotos\\2.png,1\r\n"),
    ],
)
def test_lists_of_other_tools_are_read(name, content, images):
    (images / name).write_bytes(content)
    found = load(images / name)
    assert values(found) == [1, 2]
    assert found.labels.tolist() == [0, 1]


def test_a_name_with_spaces_has_no_label_if_it_is_a_file(images):
    (images / "photos" / "1.png").rename(images / "photos" / "my 1.png")
    (images / "x.txt").write_text("photos/my 1.png\nphotos/2.png\n")
    found = load(images / "x.txt")
    assert (found.names.tolist(), found.labels) == (["photos/my 1.png", "photos/2.png"], None)
