"""Views of a picture of coordinates show which part of it was drawn."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from barlow.views import RECIPES, ImageViews, Recipe, recipe_for

SIZE = 33
CENTRE = (SIZE - 1) / 2
# Tests read only the middle of a view: its border may lie outside the image.
MIDDLE = slice(SIZE // 4, -(SIZE // 4))
EVERYTHING = Recipe(
    scale=(0.2, 1.2), ratio=(0.5, 2), interpolation="bicubic", shift=0.1, rotation=20, shear=10,
    flip=0.5, blur=(1.0, 0.5), jitter=0.8, brightness=0.4, contrast=0.4, saturation=0.4,
    hue=0.1, grey=0.2, solarize=0.2, erase=0.5, noise=0.1,
)  # fmt: skip


def to_numpy(x):
    return ops.convert_to_numpy(x)


def coordinates(batch):
    """Images whose channels are their pixels' x and y."""
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return np.broadcast_to(np.stack([x, y], -1).astype("float32"), (batch, SIZE, SIZE, 2))


def maps_of(recipe, batch=400, view=0):
    """Affine map of every view: ``linear`` [batch, 2, 2] and ``centre`` [batch, 2], in pixels."""
    views = to_numpy(ImageViews(recipe, seed=5)(coordinates(batch))[view])[:, MIDDLE, MIDDLE]
    unit = coordinates(1)[0, MIDDLE, MIDDLE].reshape(-1, 2) - CENTRE
    design = np.concatenate([unit, np.ones((len(unit), 1))], axis=1)
    values = views.reshape(batch, -1, 2).transpose(1, 0, 2).reshape(len(unit), -1)
    solution = np.linalg.lstsq(design, values, rcond=None)[0]
    assert np.abs(design @ solution - values).max() < 1e-3  # affine indeed
    solution = solution.reshape(3, batch, 2)
    return solution[:2].transpose(1, 2, 0), solution[2]


def assert_uniform(values, low, high):
    assert stats.kstest(values, "uniform", (low, high - low)).pvalue > 1e-4


def test_a_recipe_that_allows_nothing_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3))
    for view in ImageViews(Recipe())(images):
        np.testing.assert_allclose(to_numpy(view), images, atol=1e-3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crops_have_the_area_the_ratio_and_the_position_of_the_recipe(interpolation):
    # No crop is larger than the image: the widest has sqrt(0.45 * 2) of its width.
    recipe = Recipe(scale=(0.2, 0.45), ratio=(0.5, 2.0), interpolation=interpolation)
    linear, centre = maps_of(recipe)
    width, height = linear[:, 0, 0], linear[:, 1, 1]
    np.testing.assert_allclose(linear[:, [0, 1], [1, 0]], 0, atol=1e-3)
    assert_uniform(width * height, 0.2, 0.45)
    assert_uniform(np.log(width / height), np.log(0.5), np.log(2.0))
    # Uniform over the positions at which the crop lies inside the image.
    free = SIZE * (1 - width)
    assert_uniform((centre[:, 0] - CENTRE) / free, -0.5, 0.5)


def test_crops_lie_inside_the_image_and_keep_their_area_whatever_their_ratio():
    linear, centre = maps_of(Recipe(scale=(0.5, 1.0), ratio=(0.25, 4.0)))
    sides = linear[:, [0, 1], [0, 1]]
    assert_uniform(sides.prod(axis=1), 0.5, 1.0)
    assert sides.max() < 1 + 1e-4
    reach = np.abs(centre - CENTRE) / SIZE + sides / 2
    assert reach.max() < 0.5 + 1e-4
    # All ratios of which a part of its area fits are as likely as one another.
    share = np.log(sides[:, 0] / sides[:, 1]) / -np.log(sides.prod(axis=1))
    assert_uniform(share, -1, 1)


def test_shifts_are_uniform_along_both_axes():
    recipe = Recipe(scale=(0.25, 0.25), shift=0.1)
    _, centre = maps_of(recipe)
    # On top of the uniform position of a crop of half the size: a sum of two uniforms.
    shift = (centre - CENTRE) / SIZE
    assert 0.25 < np.abs(shift).max() < 0.25 + 0.1
    expected = (0.5**2 + 0.2**2) / 12
    np.testing.assert_allclose(shift.var(axis=0), expected, rtol=0.2)


def test_rotations_keep_lengths_and_are_uniform():
    linear, _ = maps_of(Recipe(scale=(0.2, 0.2), rotation=30.0))
    zoom = np.sqrt(0.2)
    np.testing.assert_allclose(
        linear @ linear.transpose(0, 2, 1),
        np.broadcast_to(zoom**2 * np.eye(2), linear.shape),
        atol=1e-4,
    )
    assert_uniform(np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0])), -30, 30)


def test_shears_move_rows_and_keep_areas():
    linear, _ = maps_of(Recipe(scale=(0.15, 0.15), shear=20.0))
    np.testing.assert_allclose(linear[:, 1, 0], 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(linear), 0.15, atol=1e-4)
    assert_uniform(np.degrees(np.arctan(linear[:, 0, 1] / linear[:, 1, 1])), -20, 20)


@pytest.mark.parametrize("rotation", [0.0, 10.0], ids=["axes", "points"])
def test_flips_mirror_left_and_right_with_their_probability(rotation):
    linear, _ = maps_of(Recipe(scale=(0.2, 0.2), flip=0.3, rotation=rotation))
    flipped = np.linalg.det(linear) < 0
    assert stats.binomtest(flipped.sum(), len(flipped), 0.3).pvalue > 1e-4
    assert (linear[:, 1, 1] > 0).all()


def test_brightness_scales_and_contrast_keeps_the_mean():
    flat = np.full((400, 4, 4, 1), 100.0)
    bright = to_numpy(ImageViews(Recipe(brightness=0.4), seed=0)(flat)[0])
    assert bright.std(axis=(1, 2, 3)).max() < 1e-3
    assert_uniform(bright.mean(axis=(1, 2, 3)) / 100, 0.6, 1.4)
    two_levels = flat + 20 * np.where(np.arange(4) % 2, 1, -1)[:, None]
    contrast = to_numpy(ImageViews(Recipe(contrast=0.5), seed=0)(two_levels)[0])
    np.testing.assert_allclose(contrast.mean(axis=(1, 2, 3)), 100, atol=1e-3)
    assert_uniform(contrast.std(axis=(1, 2, 3)) / 20, 0.5, 1.5)


def colours_of(recipe, colour=(150.0, 100.0, 50.0), view=0):
    """Images of one colour, as one of their views has them; shape [batch, 3]."""
    images = np.broadcast_to(np.float32(colour), (400, 4, 4, 3))
    found = to_numpy(ImageViews(recipe, seed=0)(images)[view])
    assert np.ptp(found, axis=(1, 2)).max() < 1e-3
    return found[:, 0, 0]


def test_saturation_and_hue_are_uniform():
    grey = 150 * 0.299 + 100 * 0.587 + 50 * 0.114
    factors = (colours_of(Recipe(saturation=0.5)) - grey) / (np.array([150, 100, 50]) - grey)
    np.testing.assert_allclose(factors, factors[:, :1] * np.ones(3), atol=1e-3)
    assert_uniform(factors[:, 0], 0.5, 1.5)

    def angle(colours):
        return np.arctan2(
            colours @ [0.2115, -0.5227, 0.3112], colours @ [0.5959, -0.2746, -0.3213]
        ) / (2 * np.pi)

    turned = angle(colours_of(Recipe(hue=0.1))) - angle(np.array([150, 100, 50]))
    assert_uniform((turned + 0.5) % 1 - 0.5, -0.1, 0.1)


@pytest.mark.parametrize("view", [0, 1])
def test_probabilities_may_differ_between_the_views(view):
    probability = (0.7, 0.2)[view]
    pair = (0.7, 0.2)
    grey = np.ptp(colours_of(Recipe(grey=pair), view=view), axis=1) < 1e-3
    still = colours_of(Recipe(jitter=pair, brightness=0.4), view=view)[:, 0] == 150
    inverted = colours_of(Recipe(solarize=pair), view=view)[:, 0] == 105
    for happened in (grey, ~still, inverted):
        assert stats.binomtest(int(happened.sum()), 400, probability).pvalue > 1e-4


def test_a_rectangle_of_the_area_of_the_recipe_is_erased_with_its_probability():
    size = 48
    images = np.random.default_rng(0).uniform(0, 255, (400, size, size, 1)).astype("float32")
    views = to_numpy(ImageViews(Recipe(erase=0.6, erase_scale=(0.1, 0.3)), seed=0)(images)[0])
    erased = np.abs(views - images)[..., 0] > 1e-3
    hit = erased.any(axis=(1, 2))
    assert stats.binomtest(int(hit.sum()), 400, 0.6).pvalue > 1e-4
    sides = np.stack([erased.any(axis=2).sum(axis=1), erased.any(axis=1).sum(axis=1)], 1)[hit]
    # Of whole pixels: a side is off by one at most.
    area = sides.prod(axis=1) / size**2
    assert 0.1 - 2 / size < area.min() < 0.13
    assert 0.27 < area.max() < 0.3 + 2 / size
    np.testing.assert_allclose(area.mean(), 0.2, atol=0.02)
    for view, image, mask in zip(views[hit][:20], images[hit], erased[hit], strict=False):
        np.testing.assert_allclose(view[mask], image.mean(), rtol=1e-3)


def test_a_blurred_and_rotated_view_is_the_rotated_view_blurred():
    images = np.random.default_rng(0).uniform(0, 255, (4, 12, 12, 2))
    plain = to_numpy(ImageViews(Recipe(rotation=30.0), seed=0)(images)[1])
    blurred = to_numpy(
        ImageViews(Recipe(rotation=30.0, blur=1.0, blur_sigma=(50, 50)), seed=0)(images)[1]
    )
    # So wide a blur leaves hardly more than the mean.
    np.testing.assert_allclose(blurred.std(axis=(1, 2)), 0, atol=1)
    assert plain.std(axis=(1, 2)).min() > 20
    assert (np.abs(blurred.mean(axis=(1, 2)) - 127) < 30).all()


def test_everything_at_once_is_possible():
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 10, 3)).astype("uint8")
    for view in ImageViews(EVERYTHING, size=(7, 9))(images):
        values = to_numpy(view)
        assert values.shape == (6, 7, 9, 3)
        assert 0 <= values.min() < values.max() <= 255


def test_noise_has_the_deviation_of_the_recipe():
    grey = np.full((400, 16, 16, 1), 127.5)
    views = to_numpy(ImageViews(Recipe(noise=0.1), seed=0)(grey)[0]) - 127.5
    deviations = views.std(axis=(1, 2, 3))
    assert abs(views.mean()) < 0.3
    assert deviations.max() < 255 * 0.1 * 1.2
    assert deviations.mean() == pytest.approx(255 * 0.1 / 2, rel=0.1)


def test_blur_is_applied_with_its_probability():
    images = np.random.default_rng(0).uniform(0, 255, (400, 8, 8, 1))
    views = to_numpy(ImageViews(Recipe(blur=0.3, blur_sigma=(0.5, 1)), seed=0)(images)[0])
    blurred = np.abs(views - images).max(axis=(1, 2, 3)) > 1
    assert stats.binomtest(blurred.sum(), 400, 0.3).pvalue > 1e-4
    np.testing.assert_array_less(
        views[blurred].std(axis=(1, 2, 3)), images[blurred].std(axis=(1, 2, 3))
    )


def test_images_and_views_are_drawn_independently():
    recipe = Recipe(scale=(0.2, 0.6), rotation=10.0)
    first, second = (maps_of(recipe, view=view)[0][:, 0, 0] for view in (0, 1))
    for a, b in ((first, second), (first[1:], first[:-1])):
        assert stats.pearsonr(a, b).pvalue > 1e-4
    assert len(np.unique(first.round(6))) > 350


@pytest.mark.parametrize("name", RECIPES)
def test_views_of_every_recipe_stay_in_range_and_have_the_size_asked_for(name):
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3)).astype("uint8")
    for view in ImageViews(name, size=(6, 7))(images):
        assert tuple(view.shape) == (8, 6, 7, 3)
        assert to_numpy(view).min() >= 0
        assert to_numpy(view).max() <= 255


def test_the_seed_decides_and_calls_differ():
    images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 1))
    views, again = ImageViews("glyphs", seed=3), ImageViews("glyphs", seed=3)
    first = to_numpy(views(images)[0])
    np.testing.assert_array_equal(first, to_numpy(again(images)[0]))
    assert np.abs(first - to_numpy(views(images)[0])).max() > 1


@pytest.mark.parametrize("batch", [3, 4])
def test_going_through_a_batch_by_pieces_changes_nothing(batch, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (batch, 130, 140, 3))
    views = []
    for by_pieces in (False, True):
        monkeypatch.setattr("barlow.backend.maps_memory_anew", lambda answer=by_pieces: answer)
        layer = ImageViews("imagenet", size=(128, 128), noise=0.1, erase=0.5, seed=0)
        views.append([ops.convert_to_numpy(view) for view in layer(images)])
    for at_once, pieced in zip(*views, strict=True):
        # Products of other shapes are summed in another order; at 128 solarize makes it visible.
        assert np.mean(np.abs(pieced - at_once) > 1e-2) < 1e-4


def test_compiled_views_are_those_of_a_call_whatever_the_batch():
    recipe = dataclasses.replace(EVERYTHING, rotation=0.0, shear=0.0)
    images = np.random.default_rng(0).integers(0, 256, (7, 20, 24, 3)).astype("float32")
    inputs, called = keras.Input(images.shape[1:]), ImageViews(recipe, size=(9, 7), seed=0)
    model = keras.Model(inputs, ImageViews(recipe, size=(9, 7), seed=0)(inputs))
    model.compile(jit_compile=False)  # the random draws of TensorFlow are others in XLA
    compiled = model.predict(images, batch_size=4, verbose=0)
    calls = zip(*(called(images[some]) for some in (slice(4), slice(4, None))), strict=True)
    for view, pieces in zip(compiled, calls, strict=True):
        expected = np.concatenate([to_numpy(piece) for piece in pieces])
        assert len(np.unique(expected)) > 100
        # A value at the threshold of solarize may fall to the other side.
        assert np.mean(np.abs(view - expected) > 1e-2) < 1e-2


def test_the_config_makes_an_equal_layer():
    views = ImageViews(dataclasses.replace(RECIPES["photos"], blur=0.2), size=(9, 9), seed=1)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(views))
    assert copy.recipe == views.recipe
    images = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 3))
    np.testing.assert_array_equal(to_numpy(copy(images)[1]), to_numpy(views(images)[1]))


def test_settings_are_changed_by_name():
    views = ImageViews("photos", blur=(1.0, 0.1), hue=0.0, name="mine")
    assert views.recipe == dataclasses.replace(RECIPES["photos"], blur=(1.0, 0.1), hue=0.0)
    assert views.name == "mine"


def test_a_recipe_tells_what_it_changes():
    recipe = Recipe(scale=[0.2, 1], flip=0.5, blur=[1.0, 0.1])
    assert repr(recipe) == "Recipe(scale=(0.2, 1.0), flip=0.5, blur=(1.0, 0.1))"


def test_every_shape_has_a_recipe():
    assert recipe_for((8, 8, 1)) == "glyphs"
    assert recipe_for((16, 28, 1)) == "grey"
    assert recipe_for((64, 80, 3)) == "photos"
    assert recipe_for((224, 224, 3)) == recipe_for((96, 80, 1)) == "imagenet"


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 4, 4, 1), 0.5), "from 0.5 to 0.5. Take barlow.data.from_array"),
        (np.eye(4, dtype=bool)[None, ..., None], "from False to True. Take barlow.data.from_array"),
        (np.eye(4, dtype=int)[None, ..., None], "which scales them by 255"),
        (1000 * np.eye(4, dtype="uint16")[None, ..., None], "which scales them by 0.249267"),
        (np.arange(10)[None, :, None, None], "from 0 to 9. Are they classes"),
        (np.full((2, 4, 4, 1), 256), "from 256 to 256. Divide them"),
        (np.linspace(-1, 1, 32).reshape(2, 4, 4, 1), "from -1 to 1. Are they scaled to -1 .. 1?"),
        (np.full((2, 4, 4, 1), np.nan), "from nan to nan. Replace NaN"),
        (np.zeros((2, 3, 16, 16), "uint8"), "take np.transpose(images, (0, 2, 3, 1))"),
    ],
)
def test_images_that_are_not_0_to_255_are_refused(images, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ImageViews("glyphs").check(images)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_images_of_0_to_255_pass(dtype):
    ImageViews("glyphs").check(ops.cast(np.array([[0, 255]]), dtype))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bfloat16"])
def test_nearly_black_and_nearly_constant_images_pass_with_a_warning(dtype):
    with pytest.warns(UserWarning, match=r"nearly constant: .* 0\.0 of 255"):
        ImageViews("glyphs").check(ops.zeros((1, 2), dtype))
    dark = np.zeros((1, 20, 20, 1), dtype="float32")
    dark[0, 0, 0], dark[0, 1:5] = 200, 20
    with pytest.warns(UserWarning, match=r"nearly black: 99 % .* at most 20"):
        ImageViews("glyphs").check(ops.cast(dark, dtype))


def test_channels_first_are_refused_by_the_layer_itself():
    with pytest.raises(ValueError, match="channels of images come last"):
        ImageViews("glyphs")(np.zeros((2, 3, 16, 16), "uint8"))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"'imagnet'\. Did you mean 'imagenet'\?.*glyphs"):
        ImageViews("imagnet")
    with pytest.raises(ValueError, match=r"\(8, 8, 1\)"):
        ImageViews("glyphs")(np.zeros((8, 8, 1)))
    for size in ((0, 8), 32, (32, 48, 3), (8.5, 8)):
        with pytest.raises(ValueError, match=r"`size` must be \(height, width\)"):
            ImageViews("photos", size=size)
    for arguments in (
        {"scale": (1.0, 0.5)},
        {"flip": 1.5},
        {"blur": (0.5, 0.5, 0.5)},
        {"grey": (0.5, -0.5)},
        {"noise": -0.1},
        {"hue": 0.6},
        {"ratio": (0, 1)},
        {"erase_scale": (0.5, 1.5)},
        {"interpolation": "nearest"},
    ):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            Recipe(**arguments)
