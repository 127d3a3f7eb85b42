import gzip
import os
import subprocess
import sys

import datasets
import numpy as np
import pytest
from marking import marked

from barlow.data import load


def write(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    marked(value).save(path)
    return path


def values(images):
    return images.pixels[:, 0, 0, 0].tolist()


@pytest.fixture
def tree(tmp_path):
    for value, name in enumerate(
        ("1.png", "a/2.png", "a/3.bmp", "a/b/4.png", "ab/5.png", ".hidden/6.png")
    ):
        write(tmp_path / name, value + 1)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "a.png").mkdir()  # a folder, whatever its name says
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", [1]),
        ("*.png", [1]),
        ("*/*", [2, 3, 5]),
        ("a*/*.png", [2, 5]),
        ("?/[2-9].*", [2, 3]),
        ("**", [1, 2, 3, 4, 5]),
        ("**/*", [1, 2, 3, 4, 5]),
        ("**/*.png", [1, 2, 4, 5]),
        ("a/**/*.png", [2, 4]),
        ("*/**/4.png", [4]),
        ("**/b/**", [4]),
        ("**/a/**/*.png", [2, 4]),
        ("a**/*.png", [2, 5]),  # not alone between slashes, it is a `*`
        (".hidden/*.png", [6]),
    ],
)
def test_patterns_find_image_files_in_the_order_of_their_names(pattern, expected, tree):
    images = load(f"{tree}/{pattern}")
    assert values(images) == expected
    assert images.labels is None


def test_patterns_start_from_the_current_folder(tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert values(load("**/*.bmp")) == [3]
    assert values(load("a/*.bmp")) == [3]


def test_a_path_that_exists_is_no_pattern(tmp_path):
    write(tmp_path / "[12]" / "x.png", 7)
    write(tmp_path / "1" / "x.png", 8)
    assert values(load(tmp_path / "[12]")) == [7]
    assert values(load(tmp_path / "[12]" / "*.png")) == [8]


def test_any_depth_follows_links_but_not_in_circles(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "9.png", 9)
    (tree / "link").symlink_to(elsewhere)
    (tree / "a" / "circle").symlink_to(tree)
    (tree / "a" / "second circle").symlink_to(tree)
    assert values(load(f"{tree}/**/*.png")) == [1, 2, 4, 5, 9]


def test_a_link_that_leads_nowhere_is_skipped_and_listed(tree):
    (tree / "gone.png").symlink_to(tree / "nowhere.png")
    for pattern in ("*.png", "**/*.png"):
        ((where, reason),) = load(f"{tree}/{pattern}").skipped
        assert (where, reason) == (str(tree / "gone.png"), "No such file or directory")


def test_a_pattern_that_nothing_matches_is_refused(tree):
    for pattern in ("*.jpg", "a.png/**", "*.txt", "nowhere/**/*.png"):
        with pytest.raises(
            FileNotFoundError, match=r"No image file matches the pattern.*JPEG, PNG"
        ):
            load(f"{tree}/{pattern}")


def test_a_list_is_read_in_its_order_and_as_often_as_a_path_is_in_it(tree):
    names = ["a/3.bmp", "1.png", "a/3.bmp"]
    assert values(load([tree / name for name in names])) == [3, 1, 3]
    assert values(load(tuple(f"{tree}/{name}" for name in names))) == [3, 1, 3]


def test_what_is_no_file_in_a_list_is_skipped_and_listed(tree):
    images = load([tree / "1.png", tree / "nowhere.png"])
    assert values(images) == [1]
    assert images.skipped == ((str(tree / "nowhere.png"), "No such file or directory"),)


def test_a_folder_in_a_list_stands_for_the_images_below_it(tree):
    """As a shell gives them for ``photos/*``."""
    (tree / "a" / "notes.txt").write_text("no image")
    images = load([tree / "1.png", tree / "a"])
    assert values(images) == [1, 2, 3, 4]
    assert images.names[1] == str(tree / "a" / "2.png")
    assert images.passed_over == {"other files": 1}


def test_lists_without_paths_are_refused(tree):
    with pytest.raises(ValueError, match="empty"):
        load([])
    with pytest.raises(TypeError, match=r"must hold paths. Received: 3"):
        load([tree / "1.png", 3])
    with pytest.raises(ValueError, match=r"not both.*2 paths, 1 of them.*x\.tar"):
        load([tree / "1.png", tree / "x.tar"])


@pytest.mark.parametrize("source", [3, None, b"photos", {"a": 1}, np.zeros((2, 4, 4))], ids=str)
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError, match=rf"datasets.Dataset.*{type(source).__name__}"):
        load(source)


def test_a_folder_of_images_that_is_called_as_a_file_is_a_folder(tmp_path):
    for name in ("x.tar", "x.csv"):
        write(tmp_path / name / "1.png", 5)
        assert values(load(tmp_path / name)) == [5]


def test_libraries_are_needed_only_where_they_are(tree, monkeypatch):
    """As without them: an entry of None makes their import fail."""
    dataset = datasets.Dataset.from_dict({"path": ["1.png"]})
    dataset.to_parquet(str(tree / "x.parquet"))
    dataset.save_to_disk(str(tree / "saved"))
    for name in ("datasets", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    assert len(load(tree)) == len(load(f"{tree}/**")) == 5
    for source, name in ((tree / "x.parquet", "pyarrow"), (tree / "saved", "datasets")):
        with pytest.raises(ModuleNotFoundError, match=rf"{name}.*pip install 'barlow\[data\]'"):
            load(source)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{1,a/2}.png", [1, 2]),
        ("a/{2..3}.*", [2, 3]),
        ("{a,ab}/*.png", [2, 5]),
        ("a/{002..003}.png", None),
    ],
)
def test_braces_are_those_of_a_shell(pattern, expected, tree):
    if expected is None:
        with pytest.raises(ValueError, match=r"None of the 2 images.*002\.png: No such file"):
            load(tree / pattern)
    else:
        assert values(load(f"{tree}/{pattern}")) == expected


def test_home_spaces_and_trailing_slashes(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    (tree / "a").rename(tree / "my photos")
    for source in ("~/my photos", "~/my photos/", f"{tree}/my photos//"):
        assert values(load(source)) == [2, 3, 4]
    assert values(load("~/my photos/*.png")) == [2]
    assert values(load(["~/1.png"])) == [1]
    (tree / "list.txt").write_text("~/1.png\nmy photos/2.png\n")
    assert values(load("~/list.txt")) == [1, 2]


def test_a_single_image_is_a_source(tree):
    assert values(load(tree / "1.png")) == [1]


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match="is a pipe or a device"):
        load(tmp_path / "pipe.txt")


def test_a_large_file_that_is_no_data_is_refused_by_its_first_bytes(tmp_path):
    """Measured: its content is not read."""
    program = """
import resource, sys, _barlow_command  # which imports no Keras
from barlow import data
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    data.load(sys.argv[1])
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)
"""
    for name, first, reason in (
        ("film.mp4", b"\0\0\0\x18ftypmp42", "it is a film"),
        ("film", b"\0\0\0\x18ftypmp42", "it is a film"),
        ("list.csv", b"\0" * 99, "not a text file"),
        ("imagenet.tar.gz", gzip.compress(b"\0" * 99), "gzip archive"),
    ):
        with (tmp_path / name).open("wb") as file:
            file.write(first)
            file.truncate(2**31)
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path / name],
            capture_output=True,
            text=True,
            check=True,
        )
        *said, mebibytes = done.stdout.splitlines()
        assert reason in said[-1]
        assert int(mebibytes) < 100
        (tmp_path / name).unlink()
