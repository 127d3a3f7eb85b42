"""The same images have the same fingerprint, and others another, wherever they come from."""

import os
import pathlib
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from barlow import data
from barlow.data.fingerprint import differences, fingerprint

LARGE = 3 * 2**16  # bytes; the middle of a larger file is not read


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(12):
        pixels = rng.integers(0, 256, (8, 8, 3)).astype("uint8")
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i:02}.png")
    return tmp_path / "photos"


def assert_same(images, others):
    assert differences(images, fingerprint(others)) == ""
    assert differences(others, fingerprint(images)) == ""


def test_lazy_images_and_those_in_memory_have_the_same(folder):
    lazy = data.load(folder, memory=0)
    assert isinstance(lazy.pixels, data.LazyPixels)
    for one, other in zip(fingerprint(lazy), fingerprint(data.load(folder)), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == "uint64"
        assert len(set(one.tolist())) == 12


def test_a_copy_elsewhere_with_other_times_is_the_same(folder, tmp_path):
    before = data.load(folder)
    copy = pathlib.Path(shutil.copytree(folder, tmp_path / "copy"))
    for path in copy.iterdir():
        os.utime(path, (1, 1))
    assert_same(before, data.load(copy))
    listed = data.load(sorted(copy.iterdir()))  # has other names
    assert_same(before, listed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "03.png").write_bytes((f / "04.png").read_bytes()), "another order"),
        (lambda f: Image.new("RGB", (8, 8)).save(f / "03.png"), "1 with other content (03.png)"),
        (
            lambda f: ((f / "03.png").unlink(), Image.new("RGB", (8, 8)).save(f / "x.png")),
            "1 new (x.png)",
        ),
        (lambda f: (f / "03.png").rename(f / "13.png"), "all the same, in another order"),
    ],
    ids=["a copy of another", "changed", "replaced", "renamed"],
)
def test_what_differs_is_said_with_names(change, said, folder):
    before = fingerprint(data.load(folder))
    change(folder)
    assert said in differences(data.load(folder), before)


def test_files_that_are_gone_are_said(folder):
    images = data.load(folder, memory=0)
    before = fingerprint(images)
    for i in range(5):
        (folder / f"{i:02}.png").unlink()
    expected = "5 that cannot be read (00.png, 01.png, 02.png, ...)"
    assert differences(images, before) == expected
    assert fingerprint(images).content[:5].tolist() == [0] * 5


@given(
    st.integers(1, 2 * LARGE), st.floats(0, 1, exclude_max=True), st.integers(1, 255), st.booleans()
)
def test_a_byte_at_either_end_of_a_file_or_another_size_makes_a_difference(
    tmp_path_factory, size, where, change, cut
):
    path = tmp_path_factory.mktemp("files") / "file"
    content = bytearray(np.random.default_rng(0).bytes(size))
    path.write_bytes(content)
    pixels = np.zeros((1, 2, 2, 1), "uint8")
    images = data.Images(pixels, files=np.array([path], dtype=object))
    before = fingerprint(images)
    place = int(where * size)
    if cut:
        del content[place]
    else:
        content[place] ^= change
    path.write_bytes(content)
    seen = cut or place < 2**16 or place >= size - 2**16
    assert (differences(images, before) != "") == seen


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("side", [4, 300])
def test_images_that_come_from_no_file_are_taken_for_their_pixels(dtype, side):
    pixels = np.random.default_rng(0).integers(0, 256, (6, side, side, 1)).astype(dtype)
    before = fingerprint(data.Images(pixels))
    assert differences(data.Images(pixels.copy()), before) == ""
    strided = np.repeat(pixels, 2, axis=2)[:, :, ::2]
    assert differences(data.Images(strided), before) == ""
    other = pixels.copy()
    other[4, 0, 0] = 255 - other[4, 0, 0]
    assert differences(data.Images(other), before) == "1 with other content (4)"


def test_of_images_that_a_function_makes_a_thousand_are_compared():
    read = []

    def images(offset):
        def make(i):
            read.append(i)
            if i == 0:
                raise data.BadImage("0", "it is empty")
            return np.full((2, 2, 1), (i + offset) % 256, "uint8")

        return data.Images(data.LazyPixels(range(5000), (2, 2, 1), make))

    before = fingerprint(images(0))
    assert len(read) == 1024
    assert differences(images(0), before) == ""
    assert differences(images(1), before) != ""
