"""What pixel values are: one rule, whatever the dtype, for a whole set."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from barlow import pixels
from barlow.data import from_array
from barlow.views import ImageViews

RANDOM = np.random.default_rng(0)
UNIT = RANDOM.uniform(size=(6, 8, 8))
UNIT[0, 0, 0], UNIT[0, 0, 1] = 0, 1


def overshoot(images, low, high):
    """A few values beyond the range, as a bicubic resize leaves them."""
    images = images.astype("float32")
    images[1, :2, 0], images[2, :2, 0] = low, high
    return images


@pytest.mark.parametrize(
    ("array", "expected", "note"),
    [
        (UNIT > 0.5, 255.0 * (UNIT > 0.5), "Booleans"),
        ((UNIT > 0.5).astype("uint8"), 255.0 * (UNIT > 0.5), "Integers 0 and 1"),
        ((UNIT > 0.5).astype("int64"), 255.0 * (UNIT > 0.5), "Integers 0 and 1"),
        ((UNIT > 0.5).astype("float32"), 255.0 * (UNIT > 0.5), "from 0 to 1"),
        (UNIT.astype("float16"), 255 * UNIT, "from 0 to 1"),
        (overshoot(UNIT, 0, 1 + 1e-7), None, "from 0 to 1"),
        (overshoot(UNIT, -0.06, 1.06), None, "by 255. Values beyond that were clipped: 4."),
        (
            overshoot(255 * UNIT, -14.2, 268.5),
            None,
            "beyond that were clipped: 4.",
        ),
        ((1023 * UNIT).astype("uint16"), 255 * UNIT, "10 bits"),
        ((4095 * UNIT).astype("int16"), 255 * UNIT, "12 bits"),
        ((4095 * UNIT).astype("int64"), 255 * UNIT, "12 bits"),
        ((16383 * UNIT).astype("uint16"), 255 * UNIT, "14 bits"),
        ((65535 * UNIT).astype("uint16"), 255 * UNIT, "16 bits"),
        ((65535 * UNIT).astype(">u2"), 255 * UNIT, "16 bits"),
        ((255 * UNIT).astype("uint8"), (255 * UNIT).astype("uint8"), ""),
        ((255 * UNIT).astype("int32"), (255 * UNIT).astype("uint8"), ""),
        ((127 * UNIT).astype("int8"), (127 * UNIT).astype("uint8"), ""),
        (200 * UNIT, 200 * UNIT, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "dtype", None),
)
def test_values_that_are_known_are_scaled_by_one_rule_and_it_is_said(array, expected, note):
    before = array.copy()
    images = from_array(array)
    np.testing.assert_array_equal(array, before)
    assert images.pixels.dtype == ("float32" if array.dtype.kind == "f" else "uint8")
    assert 0 <= np.min(images.pixels[:]) <= np.max(images.pixels[:]) <= 255
    assert any(note in each for each in images.notes) if note else images.notes == ()
    if expected is not None:
        np.testing.assert_allclose(images.pixels[..., 0], expected, atol=0.8)
    ImageViews("glyphs").check(images.pixels)


@pytest.mark.parametrize(
    ("array", "way_out"),
    [
        (RANDOM.integers(0, 10, (6, 8, 8)).astype("uint8"), "Are they classes"),
        (RANDOM.integers(0, 17, (6, 8, 8)).astype("float64"), "images / 16"),
        (RANDOM.integers(-128, 128, (6, 8, 8)).astype("int8"), "0 is the smallest"),
        (RANDOM.integers(-1000, 3000, (6, 8, 8)).astype("int16"), "0 is the smallest"),
        (2 * UNIT - 1, r"\(images \+ 1\) / 2"),
        (RANDOM.normal(size=(6, 8, 8)), "0 is the smallest"),
        (255 * UNIT - 120, "0 is the smallest"),
        (65535 * UNIT, "largest possible"),
        ((2**20 * UNIT).astype("int32"), "largest possible"),
        (np.where(UNIT > 0.5, np.nan, UNIT), "NaN"),
        (np.where(UNIT > 0.5, np.inf, UNIT), "NaN"),
        (UNIT.astype("complex64"), "numbers"),
        (UNIT.astype(str), "numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(getattr(value, "dtype", None)),
)
def test_values_that_are_not_known_are_refused_at_both_doors_with_the_way_out(array, way_out):
    for door in (from_array, ImageViews("glyphs").check):
        with pytest.raises(ValueError, match=way_out):
            door(array)


@hypothesis.given(
    st.integers(1, 16),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["uint8", "uint16", "int32", "float32", "float64"]),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_images_are_accepted_by_both_doors_or_by_neither(bits, seed, dtype):
    """Whatever they are, what `from_array` returns is 0 .. 255, and the layer takes it."""
    top = 2**bits - 1 if dtype != "uint8" else min(255, 2**bits - 1)
    array = np.random.default_rng(seed).integers(0, top + 1, (3, 6, 6)).astype(dtype)
    try:
        images = from_array(array)
    except ValueError as error:
        assert "Received" in str(error)  # noqa: PT017 - one outcome of two
        with pytest.raises(ValueError, match="Received"):
            ImageViews("glyphs").check(array)
        return
    top = np.max(images.pixels[:])
    assert top <= 255
    assert top == 0 or top >= 32 or len(np.unique(array)) == 1
    if not images.notes:
        np.testing.assert_array_equal(images.pixels[..., 0], array)


def test_the_range_of_a_set_is_that_of_all_its_images():
    images = overshoot(UNIT, -0.01, 1.1)
    parts = [pixels.range_of(image) for image in images]
    assert sum(parts[1:], start=parts[0]) == pixels.range_of(images)


def test_doubtful_sets_are_said_with_the_figure():
    assert "0.0 of 255" in from_array(np.zeros((4, 8, 8))).notes[0]
    assert "0.0 of 255" in from_array(np.full((4, 8, 8), 7)).notes[0]
    stars = np.zeros((4, 32, 32), "uint8")
    stars[:, :4, :8], stars[:, 20, 20] = 16, 255
    assert "nearly black: 99 % of their values are at most 16" in from_array(stars).notes[0]
