"""Groups of copies, and which image is kept."""

import csv
import dataclasses
import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import draw

import barlow
from barlow import neighbours, vectors
from barlow.neighbours import grouping

pytestmark = pytest.mark.once


def embeddings(values, names=None, **facts):
    """A collection without images, with all facts."""
    rows = len(values)
    usual = {
        "width": np.full(rows, 8, "int32"),
        "height": np.full(rows, 8, "int32"),
        "bytes": np.full(rows, 64),
        "content": np.arange(rows).astype(str).astype(object),
        "modified": np.full(rows, np.datetime64("2026-01-01", "us")),
        "format": np.full(rows, "PNG", object),
        "exif": np.zeros(rows, bool),
    }
    names = np.arange(rows).astype(str) if names is None else np.array(names)
    facts = usual | {name: np.array(each) for name, each in facts.items()}
    values = np.asarray(values, "float32")
    return barlow.Embeddings(values, names.astype(object), None, "e", (8, 8, 1), "", facts=facts)


def at(*degrees):
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def groups_of(found):
    """Keeper, then copies, of every group."""
    numbers = dict.fromkeys(each.group for each in found.members)
    return [[each.path for each in found.members if each.group == number] for number in numbers]


def test_a_group_is_no_chain():
    """Each is like the next, but not like the one after."""
    found = barlow.duplicates(embeddings(at(0, 10, 20, 30, 40)), threshold=np.cos(np.radians(11)))
    assert groups_of(found) == [["0", "1"], ["2", "3"]]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 60), limit=st.floats(0.5, 1))
def test_every_copy_is_like_its_keeper_and_no_keeper_like_another(seed, rows, limit):
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 3)).astype("float32")
    content = random.integers(0, max(1, rows), rows).astype(str).astype(object)
    for row in range(rows):  # the same content is the same vector
        values[row] = values[np.flatnonzero(content == content[row])[0]]
    pixels = random.integers(1, 4, rows)
    collection = embeddings(values, content=content, width=pixels)
    found = barlow.duplicates(collection, threshold=limit)
    unit = values.astype("float64") / np.linalg.norm(values, axis=1, keepdims=True)
    alike = (unit @ unit.T >= limit - 1e-9) | (content[:, None] == content)
    paths = [each.path for each in found.members]
    assert len(paths) == len(set(paths))
    free = set(range(rows)) - {int(path) for path in paths}
    keepers = []
    for group in groups_of(found):
        keeper, *copies = map(int, group)
        keepers.append(keeper)
        assert copies
        for copy in copies:
            assert alike[keeper, copy]
            assert pixels[keeper] >= pixels[copy]
    surely = (unit @ unit.T >= limit + 1e-9) | (content[:, None] == content)
    rest = [*keepers, *sorted(free)]  # who stays when all copies are gone
    for place, row in enumerate(rest):
        assert not surely[row, rest[place + 1 :]].any()


def test_more_copies_than_the_graph_has_neighbours_are_one_group():
    values = np.concatenate([at(*np.linspace(0, 1, 100)), at(90, 180)])
    found = barlow.duplicates(embeddings(values), threshold=0.99)
    assert [len(group) for group in groups_of(found)] == [100]


@pytest.mark.parametrize(
    ("facts", "keeper", "reason"),
    [
        ({}, "0", "kept: the first"),
        ({"modified": np.array(["2026-02-01", "2026-01-01"], "datetime64[us]")}, "1", "oldest"),
        ({"modified": np.array(["NaT", "2026-01-01"], "datetime64[us]")}, "1", "oldest"),
        ({"exif": [False, True]}, "1", "has EXIF"),
        ({"format": ["JPEG", "PNG"], "exif": [True, False]}, "1", "lossless"),
        ({"format": ["PNG", "JPEG"], "width": [8, 9]}, "1", "most pixels"),
    ],
)
def test_the_keeper_is_the_best_of_the_group(facts, keeper, reason):
    found = barlow.duplicates(embeddings(at(0, 1), **facts), threshold=0.9)
    assert found.members[0].path == keeper
    assert found.members[0].keep
    assert reason in found.members[0].reason
    assert not found.members[1].keep


def test_a_folder_to_keep_always_wins():
    names, width = ["new/a.png", "old/a.png", "old b/a.png"], [10, 4, 20]
    collection = embeddings(at(0, 1, 2), names, width=width)
    found = barlow.duplicates(collection, threshold=0.9, keep_in=["old/"])
    assert (found.members[0].path, found.members[0].reason) == (
        "old/a.png",
        "kept: in a folder to keep",
    )
    with pytest.raises(ValueError, match="No image lies in nowhere/"):
        barlow.duplicates(collection, threshold=0.9, keep_in=["nowhere"])


def test_exact_copies_are_told_from_near_ones():
    collection = embeddings(at(0, 0.1, 0, 50, 90), content=["a", "b", "a", "c", "c"])
    near = barlow.duplicates(collection, threshold=0.99)
    assert [(each.path, each.reason) for each in near.members if not each.keep] == [
        ("2", "exact copy"),
        ("1", "near copy"),
        ("4", "exact copy"),
    ]
    exact = barlow.duplicates(collection, exact=True)
    assert groups_of(exact) == [["0", "2"], ["3", "4"]]
    assert exact.threshold is None


def test_of_two_collections_the_second_has_the_copies():
    first = embeddings(at(0, 90), ["a", "b"], content=["x", "y"])
    second = embeddings(at(1, 45, 91, 20), ["a", "c", "d", "e"], content=["p", "q", "r", "y"])
    found = barlow.duplicates(first, second, threshold=0.99)
    assert [(each.group, each.path, each.keep, each.reason) for each in found.members] == [
        (1, "b", True, "kept: of the first file"),
        (1, "e", False, "exact copy"),
        (1, "d", False, "near copy"),
        (2, "a", True, "kept: of the first file"),
        (2, "a", False, "near copy"),
    ]


def test_a_plan_is_a_csv_of_every_image_in_a_group(tmp_path):
    names = ["a, b.png", 'quote".png', "line\nbreak.png"]
    found = barlow.duplicates(embeddings(at(0, 1, 2), names), threshold=0.9)
    path = found.write(tmp_path / "plan.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == grouping.COLUMNS
    assert [row["path"] for row in rows] == names
    assert [row["keep"] for row in rows] == ["yes", "no", "no"]


def test_vectors_that_cannot_be_compared_are_refused():
    collection = embeddings(at(0, 1))
    other = dataclasses.replace(collection, encoder="f")
    with pytest.raises(ValueError, match="different encoders"):
        barlow.duplicates(collection, other, threshold=0.9)
    with pytest.raises(ValueError, match=r"between -1 and 1\. Received: 2"):
        barlow.duplicates(collection, threshold=2)
    with pytest.raises(ValueError, match="vectors alone"):
        barlow.duplicates(dataclasses.replace(collection, facts={}), threshold=0.9)
    with pytest.raises(ValueError, match="where the encoder of these vectors is"):
        barlow.duplicates(collection)


def test_files_of_photos_have_what_decides(encoder, photos, tmp_path):
    """Through `write`: pixels, format, EXIF and age of real files."""
    picture = draw(0)
    picture.save(photos / "b" / "0.jpg", quality=95)
    exif = picture.getexif()
    exif[271] = "camera"
    picture.save(photos / "b" / "1.png", exif=exif)
    picture.save(photos / "b" / "2.png", compress_level=1)
    picture.save(photos / "b" / "3.png", compress_level=9)
    for name, day in (("a/0.png", 4), ("b/2.png", 3), ("b/3.png", 5)):
        os.utime(photos / name, (86400 * day, 86400 * day))
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    found = barlow.duplicates(tmp_path / "x.parquet", threshold=0.99)
    keeper, *copies = groups_of(found)[0]
    assert keeper == "b/1.png"
    assert set(copies) == {"a/0.png", "b/0.jpg", "b/2.png", "b/3.png"}
    (photos / "b" / "1.png").unlink()
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    assert groups_of(barlow.duplicates(tmp_path / "x.parquet", threshold=0.99))[0][0] == "b/2.png"


def test_images_that_differ_only_where_the_encoder_does_not_look_are_no_copies(encoder, tmp_path):
    """The encoder sees the middle square of wide pictures; these differ at their ends."""
    (tmp_path / "photos").mkdir()
    wide = [draw(1000 + number, 192).crop((0, 64, 192, 128)) for number in range(60)]
    for number, picture in enumerate(wide):
        picture.paste(draw(number // 2, 64), (64, 0))
        picture.save(tmp_path / "photos" / f"{number:02}.png")
    wide[-1].save(tmp_path / "photos" / "copy.jpg", quality=90)
    vectors.write(encoder, tmp_path / "photos", tmp_path / "x.parquet", resize="crop")
    by_similarity = barlow.duplicates(tmp_path / "x.parquet", threshold=0.999)
    assert len(groups_of(by_similarity)) == 30
    found = barlow.duplicates(tmp_path / "x.parquet")
    assert groups_of(found) == [["59.png", "copy.jpg"]]
    assert found.calibration.false_alarms.value < 0.05


def test_an_edited_plan_and_any_other_file_stay(encoder, photos, tmp_path):
    shutil.copy(photos / "a" / "0.png", photos / "b" / "copy.png")
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    found = barlow.duplicates(tmp_path / "x.parquet", exact=True)
    plan = found.write(tmp_path / "plan.csv")
    assert found.write(plan) == plan
    text = plan.read_text()
    plan.write_text(text.replace("yes", "?").replace("no,", "yes,").replace("?", "no"))
    edited = plan.read_text()
    with pytest.raises(FileExistsError, match="may have been edited"):
        found.write(plan)
    assert plan.read_text() == edited != text
    for other in ("path,label\na.png,cat\n", "", "\0\0"):
        plan.write_text(other)
        with pytest.raises(FileExistsError, match="is no plan"):
            neighbours.check_plan(plan)
        assert plan.read_text() == other
