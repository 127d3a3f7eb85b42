import threading
import time
from collections.abc import Generator

import numpy as np
import pytest
from PIL import Image

from barlow.data import (
    BadImage,
    Images,
    LazyPixels,
    as_images,
    at_size,
    from_array,
    in_memory,
    load,
    sample,
)
from barlow.data import read_in_order as chunks
from barlow.data.reading import read_all
from barlow.errors import InvalidInput
from barlow.progress import silent


def lazy(count, bad=(), seen=None):
    """Images 0 .. count, each of its own number; reading notes the number in ``seen``."""

    def read(i):
        if seen is not None:
            seen.append(i)
        if i in bad:
            raise BadImage(f"{i}.png", "it is bad")
        return np.full((2, 2, 1), i % 256, "uint8")

    return Images(LazyPixels(range(count), (2, 2, 1), read), np.arange(count))


def numbers(images):
    return images.pixels[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
@pytest.mark.parametrize("bad", [(), (0, 4, 5, 19)], ids=["all good", "some bad"])
def test_chunks_come_in_order_with_their_names_and_labels_and_without_bad_images(batch_size, bad):
    images, read, found = lazy(20, bad), [], []
    for start, (chunk, its_bad) in enumerate(chunks(images, batch_size)):
        expected = range(20)[start * batch_size :][:batch_size]
        assert isinstance(chunk.pixels, np.ndarray)
        assert numbers(chunk) == chunk.labels.tolist() == [i for i in expected if i not in bad]
        assert chunk.names.tolist() == [str(i) for i in numbers(chunk)]
        assert [image.source for image in its_bad] == [f"{i}.png" for i in expected if i in bad]
        read += numbers(chunk)
        found += its_bad
    assert len(read) == 20 - len(bad)
    assert len(found) == len(bad)


def test_chunks_of_an_array_are_views_of_it():
    array = np.arange(10 * 6, dtype="uint8").reshape(10, 2, 3)
    images = from_array(array, np.arange(10))
    read = [chunk for chunk, bad in chunks(images, 4) if not bad]
    assert [chunk.labels.tolist() for chunk in read] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [name for chunk in read for name in chunk.names] == [str(i) for i in range(10)]
    assert all(np.shares_memory(chunk.pixels, array) for chunk in read)
    np.testing.assert_array_equal(np.concatenate([c.pixels for c in read])[..., 0], array)


def test_the_next_chunk_is_read_meanwhile_and_no_more():
    seen = []
    for count, (chunk, _) in enumerate(chunks(lazy(100, seen=seen), 10), start=1):
        ahead = min(100, 10 * (count + 1))
        deadline = time.monotonic() + 30
        while len(seen) < ahead and time.monotonic() < deadline:
            time.sleep(1e-3)  # nobody asks for more
        time.sleep(5e-3)
        assert len(seen) == ahead
        assert len(chunk) == 10


def test_who_stops_asking_stops_the_threads():
    seen, before = [], threading.active_count()
    reading = chunks(lazy(1000, seen=seen), 10)
    next(reading)
    assert isinstance(reading, Generator)
    reading.close()
    assert len(seen) <= 20
    assert threading.active_count() == before


def test_errors_that_are_not_about_an_image_are_raised():
    def broken(i):
        raise KeyError("a mistake in the program")

    images = Images(LazyPixels(range(5), (2, 2, 1), broken))
    with pytest.raises(KeyError, match="a mistake"):
        next(chunks(images, 2))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_1_is_refused_at_once(batch_size):
    with pytest.raises(ValueError, match=f"at least 1. Received: {batch_size}"):
        chunks(lazy(3), batch_size)


def test_reading_into_memory_shows_every_image_in_the_progress():
    shown = []

    def track(items, description):
        for item in items:
            yield item
            shown.append(description)

    images = in_memory(lazy(600, bad=(3, 400)), track)
    assert shown == 600 * ["Reading images"]
    assert images.labels.tolist() == [i for i in range(600) if i not in (3, 400)]
    assert images.names.tolist() == list(map(str, images.labels))
    np.testing.assert_array_equal(images.pixels[:, 1, 1, 0], images.labels.astype("uint8"))


def test_no_images_are_read_as_none():
    nothing = in_memory(lazy(5, bad=(1,))[:0])
    assert nothing.pixels.shape == (0, 2, 2, 1)
    assert nothing.labels.tolist() == nothing.names.tolist() == []
    assert list(chunks(lazy(0), 3)) == []


def test_files_are_read_ahead_up_to_a_bound():
    seen, lock = [], threading.Lock()

    def read(i):
        with lock:
            seen.append(i)
        return i

    results = read_all(read, range(1000), silent, "Reading", ahead=5)
    for i, result in enumerate(results):
        assert result == i
        assert len(seen) <= i + 6


def test_images_arrays_and_sources_become_images(tmp_path):
    array = np.arange(5 * 12, dtype="uint8").reshape(5, 4, 3)
    np.save(tmp_path / "x.npy", array)
    images = from_array(array)
    assert as_images(images) is images
    for source in (array, tmp_path / "x.npy", str(tmp_path / "x.npy")):
        np.testing.assert_array_equal(as_images(source).pixels, images.pixels)
    with pytest.raises(ValueError, match="only image files"):
        as_images(tmp_path / "x.npy", image_size=(8, 8))
    assert load(tmp_path / "x.npy").names.tolist() == list("01234")


def test_a_sample_has_different_images_that_the_seed_decides():
    images = lazy(50)
    few, again, other = (sample(images, 20, seed) for seed in (1, 1, 2))
    assert isinstance(few.pixels, LazyPixels)
    assert len(set(few.names)) == 20
    assert few.names.tolist() == again.names.tolist() != other.names.tolist()
    assert (
        few.names.tolist() == [str(label) for label in few.labels] == list(map(str, numbers(few)))
    )
    assert sorted(sample(images, 99).labels) == list(range(50))


@pytest.mark.parametrize("memory", [0, 2**30], ids=["lazy", "in memory"])
def test_images_of_another_size_are_those_that_are_read_at_it(memory, tmp_path):
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.png"):
        shape = (*random.integers(70, 120, 2), 3)
        Image.fromarray(random.integers(0, 256, shape).astype("uint8")).save(tmp_path / name)
    (tmp_path / "d.png").write_bytes(b"")
    options = {"memory": memory, "resize": "pad", "background": "red"}
    images = load(tmp_path, **options)
    assert images.size_is_open
    expected = load(tmp_path, (24, 32), **options)
    found = at_size(images[[2, 0]], (24, 32))
    assert isinstance(found.pixels, LazyPixels) == (memory == 0)
    np.testing.assert_array_equal(found.pixels[:], expected.pixels[:][[2, 0]])
    assert found.names.tolist() == ["c.png", "a.png"]
    assert not found.size_is_open
    assert [where for where, _ in found.skipped] == [where for where, _ in images.skipped]


def test_arrays_have_one_size():
    with pytest.raises(ValueError, match=r"Only images of files .* shape \(8, 8, 1\)"):
        at_size(from_array(np.zeros((2, 8, 8))), (4, 4))


@pytest.mark.parametrize("size", [64, (0, 5), (-1, 3), (2.5, 3), "64", (8, 8, 3)])
def test_what_is_no_size_is_refused_and_named(size, tmp_path):
    Image.new("RGB", (80, 90)).save(tmp_path / "photo.png")
    for resized in (lambda: load(tmp_path, size), lambda: at_size(load(tmp_path), size)):
        with pytest.raises(InvalidInput, match=r"`image_size` must be .*Received: ") as error:
            resized()
        assert repr(size) in str(error.value)


def test_a_size_may_be_a_list_for_files_and_for_arrays(tmp_path):
    Image.new("RGB", (80, 90)).save(tmp_path / "photo.png")
    np.save(tmp_path / "images.npy", np.zeros((2, 9, 8)))
    for path in ("*.png", "images.npy"):
        assert load(tmp_path / path, [9, 8]).pixels.shape[1:3] == (9, 8)
