import colorsys

import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_image

from barlow.views.colour import change_colours, solarize

PHOTOS = ["china.jpg", "flower.jpg"]
SAME = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
PILLOW = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def to_views(images):
    """One view of each image, in the layout of views."""
    images = np.asarray(images, "float32").transpose(0, 2, 3, 1)
    return ops.convert_to_tensor(images[:, None])


def to_images(views):
    return ops.convert_to_numpy(views)[:, 0].transpose(0, 3, 1, 2)


def changed(images, **changes):
    settings = {
        name: ops.convert_to_tensor(np.broadcast_to(np.float32(value), (len(images), 1)).copy())
        for name, value in {**SAME, **changes}.items()
    }
    return to_images(change_colours(to_views(images), **settings))


@pytest.fixture(params=PHOTOS)
def photo(request):
    """Part of a photograph, its values drawn in so that no factor below 1.4 clips."""
    image = load_sample_image(request.param)[100:260, 200:400].astype("float32")
    return np.rint(60 + image * 110 / 255).astype("uint8")


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.4])
@pytest.mark.parametrize("name", PILLOW)
def test_factors_agree_with_pillow(name, factor, photo):
    expected = PILLOW[name](Image.fromarray(photo)).enhance(factor)
    found = changed([photo], **{name: factor})[0]
    # Pillow rounds the grey of a pixel and the mean, and cuts off the rest of the result.
    assert np.abs(found - np.asarray(expected, "float32")).max() < 2


@pytest.mark.parametrize("name", PILLOW)
def test_factors_are_the_formulas_of_torchvision(name, photo):
    """``factor * image + (1 - factor) * other``: of black, of the mean grey, of the grey."""
    image = photo.astype("float64")
    grey = image @ [0.299, 0.587, 0.114]
    other = {"brightness": 0.0, "contrast": grey.mean(), "saturation": grey[..., None]}[name]
    np.testing.assert_allclose(
        changed([photo], **{name: 0.7})[0], 0.7 * image + 0.3 * other, atol=0.02
    )


def test_all_changes_are_those_one_after_the_other(photo):
    changes = {"brightness": 0.9, "contrast": 0.7, "saturation": 1.3, "hue": 0.1}
    expected = np.asarray([photo], "float32")
    for name, value in changes.items():
        expected = changed(expected, **{name: value})
    np.testing.assert_allclose(changed([photo], **changes), expected, atol=0.02)


def test_no_saturation_is_the_grey_of_pillow(photo):
    expected = np.asarray(Image.fromarray(photo).convert("L"), "float32")
    found = changed([photo], saturation=0.0)[0]
    assert np.abs(found - expected[..., None]).max() < 1


def test_hue_turns_round_the_circle_and_keeps_greys_and_luma(photo):
    luma = [0.299, 0.587, 0.114]
    np.testing.assert_allclose(changed([photo], hue=1.0)[0], photo, atol=0.02)
    turned = changed(changed([photo], hue=0.3), hue=-0.3)[0]
    np.testing.assert_allclose(turned, photo, atol=0.05)
    np.testing.assert_allclose(
        changed([photo], hue=0.2)[0] @ luma, photo.astype("float64") @ luma, atol=0.02
    )
    grey = np.full((1, 2, 2, 3), 77.0)
    np.testing.assert_allclose(changed(grey, hue=0.3), grey, atol=1e-3)


@pytest.mark.parametrize("hue", [-0.1, -0.05, 0.05, 0.1])
def test_hue_turns_as_that_of_hsv_does_to_a_twentieth_of_the_circle(hue):
    # Muted colours all round the circle, so that none of the results is clipped.
    colours = [colorsys.hsv_to_rgb(angle, 0.3, 0.6) for angle in np.arange(12) / 12]
    found = changed(255 * np.array([[colours]]), hue=hue)[0, 0] / 255
    for (h, _, _), after in zip((colorsys.rgb_to_hsv(*c) for c in colours), found, strict=True):
        turned = (colorsys.rgb_to_hsv(*after)[0] - h - hue + 0.5) % 1 - 0.5
        assert abs(turned) < 0.05


def test_images_change_apart_from_one_another(photo):
    factors = np.array([[0.5], [1.2]])
    both = changed([photo, photo[::-1]], brightness=factors)
    np.testing.assert_allclose(both[0], 0.5 * photo, atol=0.02)
    np.testing.assert_allclose(both[1], 1.2 * photo[::-1], atol=0.02)


def test_grey_images_have_brightness_and_contrast_alone(photo):
    grey = photo[None, ..., :1].astype("float64")
    found = changed(grey, brightness=0.8, contrast=0.5, saturation=0.0, hue=0.4)
    expected = 0.8 * (grey.mean() + 0.5 * (grey - grey.mean()))
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("name", PHOTOS)
def test_solarize_agrees_with_pillow_where_it_is_asked_for(name):
    image = load_sample_image(name)
    chosen = ops.convert_to_tensor(np.array([[True], [False]]))
    found = to_images(solarize(to_views([image, image]), chosen))
    np.testing.assert_array_equal(found[0], ImageOps.solarize(Image.fromarray(image), 128))
    np.testing.assert_array_equal(found[1], image)
