import numpy as np
import pytest

from barlow.data import from_array


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 1), (5, 4, 3, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint16", "float64", "float16"])
def test_arrays_keep_their_values_and_get_an_axis_of_channels(shape, dtype):
    array = np.random.default_rng(0).integers(2, 256, shape).astype(dtype)
    images = from_array(array)
    assert images.pixels.ndim == 4
    assert images.pixels.dtype == ("float32" if dtype.startswith("float") else "uint8")
    np.testing.assert_array_equal(images.pixels.ravel(), array.ravel())
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
        (np.full((5, 4, 3), -1.0), r"-1\.0"),
        (np.full((5, 4, 3), np.nan), "nan"),
        (np.full((5, 4, 3), "red"), "dtype"),
    ],
    ids=["rank", "channels", "none", "too bright", "negative", "not a number", "text"],
)
def test_arrays_that_are_no_images_are_refused_with_what_was_received(array, message):
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
