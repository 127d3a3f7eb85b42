import sys

import datasets
import numpy as np
import pytest
from PIL import Image

from barlow.data import load


def write(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), value).save(path)
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
    images = load([tree / "1.png", tree / "nowhere.png", tree / "a"])
    assert values(images) == [1]
    assert images.skipped == (
        (str(tree / "nowhere.png"), "No such file or directory"),
        (str(tree / "a"), "Is a directory"),
    )


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
