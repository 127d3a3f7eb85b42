"""`ImageViews`: two random views of every image, as a Keras layer."""

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from barlow.views.geometry import (
    gaussian_weights,
    resample_axes,
    resample_points,
    triangle_weights,
)
from barlow.views.recipe import RECIPES, Recipe
from barlow.views.seeded import SeededLayer


@keras.saving.register_keras_serializable(package="barlow")
class ImageViews(SeededLayer):
    """Two random views of every image, drawn independently per image and view.

    A view is resampled in one step (crop, zoom, flip, rotation, shear), then blurred, then its
    brightness and contrast are changed, then noise is added, and what leaves ``0 .. 255`` is
    clipped. It runs inside the compiled training step, on the device, on every backend.

    Args:
        recipe: What may happen to an image: a :class:`Recipe` or the name of one in ``RECIPES``.
        size: Height and width of the views in pixels. Defaults to ``None``, the images' own.
        seed: Seed of the random draws, an integer. Defaults to ``None``, a random one.
        **kwargs: As for any Keras layer.

    Raises:
        ValueError: If the recipe is not known, or the images are not of shape
            ``[batch, height, width, channels]``.

    Example:
        >>> views = barlow.views.ImageViews("glyphs", seed=0)
        >>> first, second = views(keras.ops.zeros((4, 8, 8, 1)))
        >>> tuple(first.shape)
        (4, 8, 8, 1)
    """

    def __init__(
        self,
        recipe: str | Recipe,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        if isinstance(recipe, str) and recipe not in RECIPES:
            raise ValueError(
                f"No recipe is called {recipe!r}. Known: {', '.join(RECIPES)}; "
                "or give a barlow.views.Recipe."
            )
        self.recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
        self.size = None if size is None else tuple(size)

    def call(self, images: Any) -> tuple[Any, Any]:
        """Two views of each image.

        Args:
            images: Shape ``[batch, height, width, channels]``, values 0 .. 255, any dtype.

        Returns:
            Two tensors of shape ``[batch, *size, channels]``, values 0 .. 255, float32.
        """
        if len(images.shape) != 4:
            raise ValueError(
                "Images must have the shape [batch, height, width, channels]; grey images have "
                f"one channel. Received: shape {tuple(images.shape)}."
            )
        images = ops.cast(images, "float32")
        return self._view(images), self._view(images)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[Any, Any]:
        """Shapes of the two views."""
        batch, *size, channels = input_shape
        shape = (batch, *(self.size or size), channels)
        return shape, shape

    def get_config(self) -> dict[str, Any]:
        """Configuration from which an equal layer is made."""
        return {
            **super().get_config(),
            "recipe": dataclasses.asdict(self.recipe),
            "size": self.size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ImageViews":
        """Layer from the output of :meth:`get_config`."""
        return cls(**{**config, "recipe": Recipe(**config["recipe"])})

    def _view(self, images: Any) -> Any:
        recipe = self.recipe
        view = self._resample(images)
        if recipe.blur:
            chosen, sigma = self._draw(images, (0, 1), recipe.blur_sigma)
            rows = gaussian_weights(sigma, view.shape[1])
            columns = gaussian_weights(sigma, view.shape[2])
            blurred = resample_axes(view, rows, columns)
            view = ops.where(chosen[..., None, None] < recipe.blur, blurred, view)
        if recipe.brightness or recipe.contrast:
            factors = self._draw(
                images, _around_one(recipe.brightness), _around_one(recipe.contrast)
            )
            brightness, contrast = (factor[..., None, None] for factor in factors)
            mean = ops.mean(view, axis=(1, 2, 3), keepdims=True)
            view = brightness * (mean + contrast * (view - mean))
        if recipe.noise:
            (deviation,) = self._draw(images, (0, 255 * recipe.noise))
            noise = keras.random.normal(ops.shape(view), seed=self.seed_generator)
            view = view + deviation[..., None, None] * noise
        return ops.clip(view, 0.0, 255.0)

    def _resample(self, images: Any) -> Any:
        """Crop, zoom, flip, rotate and shear: each output pixel is sampled once."""
        recipe = self.recipe
        (height, width), (new_height, new_width) = images.shape[1:3], self.size or images.shape[1:3]
        area, log_ratio, x, y, shift_x, shift_y, flip, rotation, shear = self._draw(
            images,
            recipe.scale,
            (math.log(recipe.ratio[0]), math.log(recipe.ratio[1])),
            *[(-0.5, 0.5)] * 2,
            *[(-recipe.shift, recipe.shift)] * 2,
            (0, 1),
            _around_zero(math.radians(recipe.rotation)),
            _around_zero(math.radians(recipe.shear)),
        )
        # The part that the view shows, in fractions of the image: its size and its centre.
        part_width = ops.sqrt(area) * ops.exp(0.5 * log_ratio)
        part_height = ops.sqrt(area) * ops.exp(-0.5 * log_ratio)
        centre_x = width * (0.5 + x * (1.0 - part_width) + shift_x)
        centre_y = height * (0.5 + y * (1.0 - part_height) + shift_y)
        # Distance between neighbouring pixels of the view, in pixels of the image.
        step_x = part_width * width / new_width
        step_y = part_height * height / new_height
        direction = ops.where(flip < recipe.flip, -1.0, 1.0)
        across = direction * step_x * (ops.arange(new_width, dtype="float32") - (new_width - 1) / 2)
        down = step_y * (ops.arange(new_height, dtype="float32") - (new_height - 1) / 2)
        if not (recipe.rotation or recipe.shear):
            return resample_axes(
                images,
                triangle_weights(centre_y + down, step_y, height),
                triangle_weights(centre_x + across, step_x, width),
            )
        # All pairs of a row and a column of the view, row by row: [batch, points].
        down = ops.repeat(down, new_width, axis=1)
        across = ops.tile(across, (1, new_height)) + ops.tan(shear) * down
        values = resample_points(
            images,
            triangle_weights(
                centre_y + ops.sin(rotation) * across + ops.cos(rotation) * down, step_y, height
            ),
            triangle_weights(
                centre_x + ops.cos(rotation) * across - ops.sin(rotation) * down, step_x, width
            ),
        )
        return ops.reshape(values, (-1, new_height, new_width, images.shape[3]))

    def _draw(self, images: Any, *intervals: tuple[float, float]) -> list[Any]:
        """One uniform value per image from each interval, each of shape ``[batch, 1]``."""
        shape = (ops.shape(images)[0], len(intervals))
        unit = self.uniform(shape)
        return [low + (high - low) * unit[:, i : i + 1] for i, (low, high) in enumerate(intervals)]


def _around_one(reach: float) -> tuple[float, float]:
    return 1.0 - reach, 1.0 + reach


def _around_zero(reach: float) -> tuple[float, float]:
    return -reach, reach
