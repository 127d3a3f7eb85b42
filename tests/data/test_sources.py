import gzip
import subprocess
import sys

import numpy as np
import pytest

from barlow.data import digits, from_array, load


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 5, 4)).astype("uint8")


def idx(array, code):
    """The IDX format as the MNIST page describes it, written by hand."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def test_digits_are_those_of_scikit_learn():
    images = digits()
    assert images.pixels.shape == (1797, 8, 8, 1)
    assert (np.min(images.pixels), np.max(images.pixels)) == (0, 255)
    assert np.bincount(images.labels).min() > 170


def test_npy_files(pixels, tmp_path):
    np.save(tmp_path / "x.npy", pixels)
    images = load(tmp_path / "x.npy")
    np.testing.assert_array_equal(images.pixels[..., 0], pixels)
    assert images.labels is None


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("x_train", "y_train")])
def test_npz_files_with_and_without_labels(names, pixels, tmp_path):
    labels = np.arange(6)
    np.savez(tmp_path / "both.npz", **dict(zip(names, (pixels, labels), strict=True)))
    np.savez(tmp_path / "one.npz", **{names[0]: pixels})
    both, one = load(tmp_path / "both.npz"), load(str(tmp_path / "one.npz"))
    np.testing.assert_array_equal(both.pixels[..., 0], pixels)
    np.testing.assert_array_equal(both.labels, labels)
    assert one.labels is None


@pytest.mark.parametrize("asked", [{"image_size": (4, 5)}, {"channels": 3}], ids=str)
def test_images_of_a_file_are_taken_as_they_are_or_refused(asked, pixels, tmp_path):
    np.save(tmp_path / "x.npy", pixels)
    (tmp_path / "images").write_bytes(idx(pixels, 8))
    for name in ("x.npy", "images"):
        assert load(tmp_path / name, image_size=(5, 4), channels=1).pixels.shape == (6, 5, 4, 1)
        with pytest.raises(ValueError, match=rf"{name}.*5 x 4 and 1 channel.*only image files"):
            load(tmp_path / name, **asked)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_idx_files_find_the_labels_beside_them(pack, pixels, tmp_path):
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(pack(idx(pixels, 8)))
    images = load(tmp_path / "t10k-images-idx3-ubyte.gz")
    np.testing.assert_array_equal(images.pixels[..., 0], pixels)
    assert images.labels is None
    labels = np.arange(6).astype("uint8")
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(pack(idx(labels, 8)))
    np.testing.assert_array_equal(load(tmp_path / "t10k-images-idx3-ubyte.gz").labels, labels)


def test_idx_numbers_are_big_endian(pixels, tmp_path):
    (tmp_path / "images").write_bytes(idx(pixels.astype(">f4"), 13))
    np.testing.assert_array_equal(load(tmp_path / "images").pixels[..., 0], pixels)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npy", b"", "x.npy"),
        ("x.npz", b"PK no zip", "x.npz"),
        ("x.idx", b"", "not an IDX file"),
        ("x.idx", b"\0\0", "not an IDX file"),
        ("x.idx", idx(np.zeros((3, 4, 5), "uint8"), 8)[:-1], "cut short"),
        ("x.idx", gzip.compress(idx(np.zeros((3, 4, 5), "uint8"), 8))[:-9], "x.idx"),
        ("x.idx", b"\x1f\x8b\x08" + 7 * b"\0" + b"no deflate", "x.idx"),
        ("notes.md", b"hello", "not an IDX file"),
    ],
    ids=[
        "empty npy",
        "no zip",
        "empty",
        "short header",
        "cut short",
        "cut gzip",
        "damaged gzip",
        "text",
    ],
)
def test_files_that_cannot_be_read_are_refused_by_name(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / name)


def test_files_of_numpy_with_the_name_of_the_other_kind_are_refused(pixels, tmp_path):
    np.save(tmp_path / "x.npy", pixels)
    np.savez(tmp_path / "y.npz", images=pixels)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    (tmp_path / "y.npz").rename(tmp_path / "y.npy")
    for name, kind in (("x.npz", r"\.npz"), ("y.npy", r"\.npy")):
        with pytest.raises(ValueError, match=rf"{name}: it is not an {kind} file"):
            load(tmp_path / name)


def test_files_that_hold_pickles_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"x\.npy"):
        load(tmp_path / "x.npy")


def test_an_npz_without_images_is_refused_with_the_names_that_it_has(pixels, tmp_path):
    np.savez(tmp_path / "x.npz", pictures=pixels)
    with pytest.raises(ValueError, match=r"pictures; name the images one of images"):
        load(tmp_path / "x.npz")


def test_a_path_where_there_is_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("labels", "expected", "note"),
    [
        (np.arange(6), [0, 1, 2, 3, 4, 5], None),
        (np.arange(6)[:, None], [0, 1, 2, 3, 4, 5], None),
        (np.arange(6.0), [0, 1, 2, 3, 4, 5], None),
        (np.eye(3)[[0, 1, 2, 0, 1, 2]], [0, 1, 2, 0, 1, 2], None),
        (np.array([b"cat", b"dog"] * 3), ["cat", "dog"] * 3, None),
        (np.ones((6, 14), int), None, r"several per image, shape (6, 14)"),
        (np.zeros((6, 3)), None, "several per image"),
        (np.array(["a", "b"] * 3, dtype=object), None, "Labels are left out"),
        (np.linspace(0, 1, 6), None, "not whole numbers"),
        (np.full(6, np.nan), None, "not whole numbers"),
        (np.arange(5), None, "shape (5,) for 6 images"),
        (np.array(3), None, "shape ()"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")) + str(getattr(value, "shape", "")),
)
def test_labels_that_cannot_be_used_are_left_out_and_said(labels, expected, note, pixels, tmp_path):
    np.savez(tmp_path / "x.npz", images=pixels, labels=labels)
    images = load(tmp_path / "x.npz")
    np.testing.assert_array_equal(images.pixels[..., 0], pixels)
    assert (None if images.labels is None else images.labels.tolist()) == expected
    assert any(note in each for each in images.notes) if note else images.notes == ()


def test_damaged_labels_beside_an_idx_file_are_left_out_and_said(pixels, tmp_path):
    (tmp_path / "images-idx3-ubyte").write_bytes(idx(pixels, 8))
    (tmp_path / "labels-idx1-ubyte").write_bytes(idx(np.arange(6).astype("uint8"), 8)[:-1])
    images = load(tmp_path / "images-idx3-ubyte")
    assert images.labels is None
    assert "labels-idx1-ubyte is cut short" in images.notes[0]


def test_the_arrays_of_medmnist_are_known_and_the_others_are_named(pixels, tmp_path):
    labels = np.arange(6)[:, None]
    np.savez(tmp_path / "x.npz", train_images=pixels, train_labels=labels, test_images=pixels)
    images = load(tmp_path / "x.npz")
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert images.notes == ("Passed over: the arrays test_images.",)


def test_a_memory_map_stays_one_and_large_files_are_mapped(pixels, tmp_path):
    np.save(tmp_path / "x.npy", pixels)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(from_array(mapped).pixels, mapped)
    images = load(tmp_path / "x.npy", memory=0)
    assert not np.asarray(images.pixels).flags.writeable  # of the file, which must stay as it is
    np.testing.assert_array_equal(images.pixels[..., 0], pixels)


def test_a_file_of_arrays_takes_about_once_its_size(tmp_path):
    """Measured, for every container."""
    program = """
import resource, sys, _barlow_command  # which imports no Keras
from barlow import data
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = data.load(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * 1024 / images.pixels.nbytes)
"""
    array = np.random.default_rng(0).integers(0, 256, (2500, 200, 200), dtype="uint8")
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "x.npz", images=array)
    (tmp_path / "x.idx").write_bytes(idx(array, 8))
    with gzip.open(tmp_path / "x.gz", "wb", compresslevel=1) as file:
        file.write(idx(array, 8))
    for path in sorted(tmp_path.iterdir()):
        command = [sys.executable, "-c", program, path]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert float(done.stdout) < 1.5, path.name
