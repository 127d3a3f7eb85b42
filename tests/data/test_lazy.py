import concurrent.futures
import functools
import multiprocessing
import pickle

import numpy as np
import pytest
from PIL import Image

from barlow.data import BadImage, Images, LazyPixels, in_memory, load

NAMES = [f"{i}.png" for i in range(12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    for seed, name in enumerate(NAMES):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype("uint8")
        Image.fromarray(pixels).save(path / name)
    return path


@pytest.fixture
def array(folder):
    return load(folder).pixels


@pytest.fixture
def lazy(folder):
    return load(folder, memory=0).pixels


def test_the_memory_asked_for_decides_whether_pixels_are_read_when_asked_for(folder):
    size = len(NAMES) * 8 * 8 * 3
    assert isinstance(load(folder, memory=size).pixels, np.ndarray)
    lazy = load(folder, memory=size - 1).pixels
    assert isinstance(lazy, LazyPixels)
    assert lazy.nbytes == size


@pytest.mark.parametrize(
    "index",
    [3, -1, np.int64(2), slice(2, 7, 2), slice(None), [5, 0, 5], np.arange(0), np.arange(12) > 8],
    ids=str,
)
def test_lazy_pixels_are_indexed_as_the_array_would_be(index, lazy, array):
    assert (len(lazy), lazy.shape, lazy.dtype, lazy.ndim) == (12, array.shape, array.dtype, 4)
    found = lazy[index]
    assert found.dtype == "uint8"
    np.testing.assert_array_equal(found, array[index])
    found[...] = 0  # it is the caller's own
    np.testing.assert_array_equal(lazy[index], array[index])
    with pytest.raises(IndexError):
        lazy[12]


def test_threads_and_processes_read_the_same(lazy, array):
    places = [9, 3, 3, 0, 11, 7]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for i, found in zip(20 * places, pool.map(lazy.__getitem__, 20 * places), strict=True):
            np.testing.assert_array_equal(found, array[i])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy))[:], array)  # noqa: S301
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        np.testing.assert_array_equal(pool.submit(lazy.__getitem__, places).result(), array[places])


def read_unless(bad, i):
    if i in bad:
        raise BadImage(f"image {i}", "it is bad")
    return np.full((2, 2, 1), i, "uint8")


def test_a_bad_image_is_raised_when_it_is_asked_for_and_left_out_of_memory_with_its_label():
    lazy = LazyPixels(range(5), (2, 2, 1), functools.partial(read_unless, {1, 4}))
    assert lazy[[0, 2]].shape == (2, 2, 2, 1)
    for index in (1, [0, 1], slice(None)):
        with pytest.raises(BadImage, match="image 1: it is bad"):
            lazy[index]
    images = load_with(lazy, list("abcde"))
    read = in_memory(images)
    assert read.pixels[:, 0, 0, 0].tolist() == [0, 2, 3]
    assert read.labels.tolist() == ["a", "c", "d"]
    assert read.skipped == (("earlier", "gone"), ("image 1", "it is bad"), ("image 4", "it is bad"))
    assert read.notes == images.notes


def load_with(lazy, labels):
    return Images(lazy, np.array(labels), ("A note.",), (("earlier", "gone"),))


def test_images_that_are_all_bad_are_refused_with_the_first_reason():
    lazy = LazyPixels(range(3), (2, 2, 1), functools.partial(read_unless, {0, 1, 2}))
    with pytest.raises(ValueError, match=r"None of the 4 images.*earlier: gone"):
        in_memory(load_with(lazy, list("abc")))
