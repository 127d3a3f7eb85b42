"""Whatever source the images come from and however they are chosen, names keep to their images."""

import csv
import io
import os
import pathlib
import shutil
import tarfile
import tempfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from barlow.data import from_array, in_memory, load, read_in_order
from barlow.data.decoding import decode

SIZE = (5, 4)
GOOD, CUT, EMPTY, TEXT = "good", "cut short", "empty", "text"
"""An image that is cut short is found to be bad when its pixels are read, not before."""


def png(number):
    """An image like no other."""
    pixels = np.random.default_rng(number).integers(0, 256, (9 + number % 3, 8, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.astype("uint8")).save(file, "png")
    return file.getvalue()


def write(folder, files):
    """Files of the names and states given; by name the pixels of each good one, read alone."""
    alone = {}
    for number, (name, state) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {EMPTY: b"", TEXT: b"no image", CUT: png(number)[:-60]}.get(state, png(number))
        path.write_bytes(content)
        if state == GOOD:
            alone[name] = decode(path, SIZE, channels=3)
    return alone


# Each returns a source, the file of every name in its order, and whether it has labels.


def a_folder(folder, place):
    names = sorted(
        (path.relative_to(folder) for path in folder.rglob("*") if path.is_file()),
    )
    return folder, {name.as_posix(): name.as_posix() for name in names}, True


def a_pattern(folder, place):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {str(path): path.relative_to(folder).as_posix() for path in paths}
    return f"{folder}/**/*.png", names, False


def a_list(folder, place):
    names = dict(reversed(a_pattern(folder, place)[1].items()))
    return list(names), names, False


def a_text(folder, place):
    names = dict(reversed(a_folder(folder, place)[1].items()))
    lines = [f"{name}\t{label(name)}\n" for name in names]
    (folder / "x.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "x.txt", names, True


def a_table(folder, place):
    names = {f"./{folder.name}/{name}": name for name in a_folder(folder, place)[1]}
    with (place / "x.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("path", "label"), *((name, label(own)) for name, own in names.items())]
        )
    return place / "x.csv", names, True


def an_archive(folder, place):
    names = dict(reversed(a_folder(folder, place)[1].items()))
    with tarfile.open(place / "x.tar", "w") as archive:
        add(archive, folder, names)
    return place / "x.tar", names, True


def two_archives(folder, place):
    names = list(a_folder(folder, place)[1])
    paths, found = [place / "y.tar", place / "x.tar"], {}
    for path, own in zip(paths, (names[::2], names[1::2]), strict=True):
        with tarfile.open(path, "w") as archive:
            add(archive, folder, own)
        found |= {f"{path}/{name}": name for name in own}
    return paths, found, True


def add(archive, folder, names):
    for name in names:
        text = label(name).encode()
        member = tarfile.TarInfo(str(pathlib.PurePosixPath(name).with_suffix(".cls")))
        member.size = len(text)
        archive.add(folder / name, name)
        archive.addfile(member, io.BytesIO(text))


def label(name):
    return name.partition("/")[0]


SOURCES = [a_folder, a_pattern, a_list, a_text, a_table, an_archive, two_archives]
STATES = st.sampled_from([GOOD, GOOD, GOOD, CUT, EMPTY, TEXT])
FILES = st.dictionaries(
    st.builds("{}/{}.png".format, st.sampled_from(["cat", "Hund ä", "cat/x"]), st.integers(0, 9)),
    STATES,
    min_size=1,
    max_size=9,
).filter(lambda files: GOOD in files.values())


def choices(data, count):
    """An index of any kind into so many images."""
    rows = st.integers(-count, count - 1) if count else st.nothing()
    bound = st.none() | st.integers(-count - 1, count + 1)
    return data.draw(
        st.builds(slice, bound, bound, st.sampled_from([None, 1, 2, -1]))
        | st.lists(rows, max_size=12 if count else 0)
        | st.lists(st.booleans(), min_size=count, max_size=count).map(lambda x: np.array(x, bool))
        | st.permutations(range(count)).map(lambda x: np.array(x, int)),
        label="index",
    )


@pytest.mark.parametrize("make", SOURCES)
@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(files=FILES, lazy=st.booleans(), data=st.data())
def test_the_pixels_and_the_label_of_a_name_are_those_of_its_file_alone(make, files, lazy, data):
    place = pathlib.Path(tempfile.mkdtemp())
    try:
        alone = write(place / "images", files)
        source, own, labelled = make(place / "images", place)
        images = load(source, SIZE, channels=3, memory=0 if lazy else 2**30)
        labelled &= make is not a_folder or len({label(name) for name in files}) > 1
        there = [GOOD, CUT] if lazy else [GOOD]  # of those cut short only the pixels are bad
        expected = np.array([name for name in own if files[own[name]] in there], dtype=object)
        assert images.names.tolist() == expected.tolist()
        assert len(images.skipped) == len(files) - len(expected)
        for _ in range(data.draw(st.integers(0, 3), label="times")):
            index = choices(data, len(expected))
            images, expected = images[index], expected[np.arange(len(expected))[index]]
        if data.draw(st.booleans(), label="in memory") and any(own[n] in alone for n in expected):
            images = in_memory(images)
        batch_size = data.draw(st.integers(1, 12), label="batch size")
        found = [
            (name, chunk.pixels[row], None if chunk.labels is None else chunk.labels[row])
            for chunk, _ in read_in_order(images, batch_size)
            for row, name in enumerate(chunk.names)
        ]
        assert [name for name, *_ in found] == [name for name in expected if own[name] in alone]
        for name, pixels, found_label in found:
            np.testing.assert_array_equal(pixels, alone[own[name]])
            assert found_label == (label(own[name]) if labelled else None)
    finally:
        shutil.rmtree(place)


@hypothesis.settings(deadline=None)
@hypothesis.given(count=st.integers(1, 12), data=st.data())
def test_the_pixels_and_the_label_of_a_row_number_are_those_of_the_row(
    count, data, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / "rows.npz"
    pixels = 100 + np.arange(count * 6, dtype="uint8").reshape(count, 2, 3)
    np.savez(path, images=pixels, labels=100 + np.arange(count))
    for source in (load(path), from_array(pixels, 100 + np.arange(count))):
        images, rows = source, np.arange(count)
        for _ in range(data.draw(st.integers(0, 3), label="times")):
            index = choices(data, len(rows))
            images, rows = images[index], rows[index]
        assert images.names.tolist() == [str(row) for row in rows]
        np.testing.assert_array_equal(images.labels, 100 + rows)
        np.testing.assert_array_equal(images.pixels[..., 0], pixels[rows])


def test_an_image_of_a_dataset_is_named_by_its_row_before_bad_ones_are_left_out():
    datasets = pytest.importorskip("datasets")
    images = [{"bytes": png(i) if i != 1 else b"no image", "path": None} for i in range(3)]
    data = datasets.Dataset.from_dict({"image": images}).cast_column("image", datasets.Image())
    assert load(data, SIZE).names.tolist() == ["0", "2"]


def test_a_path_that_is_listed_twice_names_two_images(tmp_path):
    write(tmp_path, {"1.png": GOOD, "2.png": GOOD})
    paths = [f"{tmp_path}/{name}" for name in ("2.png", "./1.png", "2.png")]
    assert load(paths).names.tolist() == paths  # as they were given


def test_a_list_or_a_pattern_names_the_archive_even_where_it_is_one_alone(tmp_path):
    write(tmp_path / "images", {"a/1.png": GOOD})
    path, names, _ = an_archive(tmp_path / "images", tmp_path)
    assert load(path).names.tolist() == list(names) == ["a/1.png"]
    for source in ([path], f"{tmp_path}/*.tar"):
        assert load(source).names.tolist() == [f"{path}/a/1.png"]


@pytest.mark.parametrize("make", SOURCES)
def test_a_name_that_is_not_utf_8_leads_back_to_its_file(make, tmp_path):
    name = os.fsdecode(b"cat/caf\xe9.png")
    try:
        alone = write(tmp_path / "images", {name: GOOD, "dog/1.png": GOOD})
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    if make in (a_text, a_table):
        source = tmp_path / "images" / "x.txt"
        source.write_bytes(b"cat/caf\xe9.png\ndog/1.png\n")
        own = {name: name, "dog/1.png": "dog/1.png"}
    else:
        source, own, _ = make(tmp_path / "images", tmp_path)
    images = load(source, SIZE, channels=3)
    assert sorted(images.names) == sorted(own)
    for its_name, pixels in zip(images.names, images.pixels, strict=True):
        np.testing.assert_array_equal(pixels, alone[own[its_name]])


def test_the_files_of_images_are_kept_through_reading_and_indexing(tmp_path):
    write(tmp_path, {"0.png": GOOD, "1.png": GOOD, "2.png": CUT, "3.png": GOOD})
    for memory in (0, 2**20):
        images = load(tmp_path, memory=memory)
        read = in_memory(images)[[2, 0]]
        assert [file.name for file in read.files] == ["3.png", "0.png"]
    assert from_array(np.zeros((2, 8, 8))).files is None
