import numpy as np
import pytest

from barlow.data import Images, LazyPixels, from_array

ARRAY = np.arange(12 * 6, dtype="uint8").reshape(12, 2, 3, 1)
LABELS, NAMES = np.arange(12) * 10, [f"{i}.png" for i in range(12)]


@pytest.fixture(params=["array", "lazy"])
def images(request):
    lazy = LazyPixels(range(12), (2, 3, 1), ARRAY.__getitem__)
    pixels = ARRAY if request.param == "array" else lazy
    return Images(pixels, LABELS, ("A note.",), (("13.png", "it is bad"),), NAMES, "crop")


@pytest.mark.parametrize(
    "index",
    [
        slice(2, 7, 2),
        slice(None, None, -1),
        slice(3, 3),
        [5, 0, 5, -1],
        [],
        np.array([7, 3]),
        np.arange(12) > 8,
        [True, False] * 6,
    ],
    ids=str,
)
def test_an_index_takes_pixels_labels_and_names_together(index, images):
    chosen, rows = images[index], np.arange(12)[index]
    assert isinstance(chosen.pixels, type(images.pixels))  # lazy pixels stay lazy
    assert len(chosen) == len(rows)
    np.testing.assert_array_equal(chosen.pixels[:], ARRAY[rows])
    np.testing.assert_array_equal(chosen.labels, LABELS[rows])
    assert chosen.names.tolist() == [NAMES[row] for row in rows]
    assert (chosen.notes, chosen.skipped) == (images.notes, images.skipped)
    assert chosen.resize == "crop"
    assert len(images) == 12  # and these stay whole


def test_an_index_after_an_index_counts_from_the_first(images):
    chosen = images[3:][[4, 2, 0]][np.array([True, False, True])]
    assert chosen.names.tolist() == ["7.png", "3.png"]
    np.testing.assert_array_equal(chosen.pixels[:], ARRAY[[7, 3]])


def test_a_slice_of_an_array_is_a_view():
    assert np.shares_memory(from_array(ARRAY)[2:5].pixels, ARRAY)


@pytest.mark.parametrize("index", [3, np.int64(3), [[1, 2]], None, (slice(2), None)], ids=str)
def test_what_does_not_choose_a_list_of_images_is_refused(index, images):
    with pytest.raises(TypeError, match=r"such as images\[\[3\]\]"):
        images[index]


@pytest.mark.parametrize("index", [[12], [-13], np.ones(11, bool), [0.5], (0, 0)], ids=str)
def test_images_that_are_not_there_are_refused(index, images):
    with pytest.raises(IndexError):
        images[index]


def test_names_are_row_numbers_where_none_are_given():
    names = Images(ARRAY).names
    assert names.tolist() == [str(i) for i in range(12)]
    assert from_array(ARRAY).names.tolist() == names.tolist()
    assert Images(ARRAY[:0]).names.shape == (0,)


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda n: np.array(n, dtype=object)])
def test_names_are_kept_as_they_are_without_room_for_the_longest(kind):
    given = ["a" * 1000, "", "ä", "caf\udce9", *"12345678"]
    names = Images(ARRAY, names=kind(given)).names
    assert names.tolist() == given
    assert names.dtype == object
    assert names[1:2].tolist() == [""]


@pytest.mark.parametrize(
    "names",
    [["a"] * 11, [], range(12), [["a"]] * 12, [b"a"] * 12, [*"abcdefghijk", None]],
    ids=["too few", "none", "numbers", "too deep", "bytes", "one missing"],
)
def test_names_that_are_not_one_text_per_image_are_refused(names):
    with pytest.raises(ValueError, match=r"one text per image .* shape \(12,\)"):
        Images(ARRAY, names=names)


def test_labels_that_are_not_one_per_image_are_refused(images):
    with pytest.raises(ValueError, match=r"shape \(12,\).*labels of shape \(11,\)"):
        Images(images.pixels, LABELS[:11])


def test_the_fields_keep_their_order(images):
    """As programs that give them by position rely on."""
    again = Images(ARRAY, LABELS, ("A note.",), (("x", "y"),))
    assert (again.notes, again.skipped) == (("A note.",), (("x", "y"),))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_an_array_of_the_right_dtype_is_not_copied(dtype):
    array = ARRAY.astype(dtype)
    assert np.shares_memory(from_array(array).pixels, array)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_array_of_the_caller_is_never_modified(dtype):
    array = np.linspace(0, 1, 5 * 12).reshape(5, 4, 3).astype(dtype)
    before = array.copy()
    array.flags.writeable = False
    pixels = from_array(array).pixels
    np.testing.assert_array_equal(array, before)
    np.testing.assert_allclose(pixels[..., 0], 255 * before.astype("float32"), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 1), (5, 4, 3, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", "float64", "float16"])
def test_arrays_keep_their_values_and_get_an_axis_of_channels(shape, dtype):
    array = np.random.default_rng(0).integers(2, 256, shape).astype(dtype)
    images = from_array(array)
    assert images.pixels.ndim == 4
    assert images.pixels.dtype == ("float32" if dtype.startswith("float") else "uint8")
    np.testing.assert_array_equal(images.pixels[:].ravel(), array.ravel())
    assert images.notes == ()


def test_values_between_0_and_1_are_recognised_and_said():
    array = np.random.default_rng(0).uniform(size=(5, 4, 3))
    images = from_array(array)
    np.testing.assert_allclose(images.pixels[..., 0], 255 * array, rtol=1e-6)
    assert "multiplied by 255" in images.notes[0]
    assert array.max() <= 1  # the caller's array is as it was


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 4)), r"shape \(5, 4\)"),
        (np.zeros((5, 4, 3, 2)), r"shape \(5, 4, 3, 2\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.full((5, 4, 3), 256), "256"),
        (np.full((5, 4, 3), -1.0), "from -1 to -1"),
        (np.full((5, 4, 3), np.nan), "nan"),
        (np.full((5, 4, 3), "red"), "dtype"),
    ],
    ids=["rank", "channels", "none", "too bright", "negative", "NaN", "text"],
)
def test_arrays_that_are_not_images_are_refused_with_what_was_received(array, message):
    with pytest.raises(ValueError, match=message):
        from_array(array)


def test_there_is_one_label_per_image_or_none():
    array = np.zeros((5, 4, 3))
    assert from_array(array).labels is None
    assert from_array(array, list("abcde")).labels.tolist() == list("abcde")
    assert from_array(array, np.arange(5)[:, None]).labels.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"\(4,\)"):
        from_array(array, [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        from_array(array, np.zeros((5, 2)))
