"""Recipes: how far a view of an image may differ from the image."""

import dataclasses
import math

import numpy as np

from barlow import pixels
from barlow.errors import InvalidInput
from barlow.text import as_code

INTERPOLATIONS = ("bilinear", "bicubic")
"""Names of interpolations."""

Interval = tuple[float, float]
Probability = float | tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Ranges from which every view draws its own values; the defaults change nothing.

    A probability is one number for both views, or a pair: the first view's and the second view's.

    Args:
        scale: Area of the part of the image that a view shows, as a fraction of the image's
            area, drawn uniformly. Above 1 the view extends beyond the image, where the border
            pixels repeat. Defaults to ``(1, 1)``.
        ratio: Width of that part over its height, relative to the image's own, drawn
            log-uniformly among those at which the part fits into the image. Defaults to
            ``(1, 1)``.
        interpolation: ``"bilinear"`` or ``"bicubic"``. Defaults to ``"bilinear"``.
        shift: Largest shift of that part along each axis, as a fraction of the image's size,
            added to its uniform position inside the image. Defaults to 0.
        rotation: Largest rotation, in degrees, either way. Defaults to 0.
        shear: Largest horizontal shear, in degrees, either way. Defaults to 0.
        flip: Probability of a left-right flip. Defaults to 0: text and digits must not flip.
        blur: Probability of a Gaussian blur. Defaults to 0.
        blur_sigma: Its standard deviation, in pixels of the view, drawn uniformly. Defaults to
            ``(0.1, 2)``.
        jitter: Probability that brightness, contrast, saturation and hue change. Defaults to 1.
        brightness: Factor of the pixel values, drawn from ``1 - brightness .. 1 + brightness``.
            Defaults to 0.
        contrast: Factor of the distance from the view's mean grey, drawn from
            ``1 - contrast .. 1 + contrast``. Defaults to 0.
        saturation: Factor of the distance from the pixel's grey, drawn from
            ``1 - saturation .. 1 + saturation``. Defaults to 0.
        hue: Largest turn of the hue, either way, as a fraction of the full circle. Defaults to 0.
        grey: Probability that the view becomes grey. Defaults to 0.
        solarize: Probability that pixel values from 128 on are inverted. Defaults to 0.
        erase: Probability that a rectangle takes the view's mean colour. Defaults to 0.
        erase_scale: Its area, as a fraction of the view's, drawn uniformly; its ratio of width to
            height is between 3/10 and 10/3. Defaults to ``(0.02, 0.33)``.
        noise: Largest standard deviation of Gaussian noise, as a fraction of the value range;
            each view draws its own, uniformly from zero. Defaults to 0.

    Raises:
        ValueError: If a range is out of order or a value is out of its bounds.

    Example:
        >>> barlow.views.Recipe(scale=(0.3, 1.0), flip=0.5, blur=(1.0, 0.1))
        Recipe(scale=(0.3, 1.0), flip=0.5, blur=(1.0, 0.1))
    """

    scale: Interval = (1.0, 1.0)
    ratio: Interval = (1.0, 1.0)
    interpolation: str = "bilinear"
    shift: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    flip: Probability = 0.0
    blur: Probability = 0.0
    blur_sigma: Interval = (0.1, 2.0)
    jitter: Probability = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    grey: Probability = 0.0
    solarize: Probability = 0.0
    erase: Probability = 0.0
    erase_scale: Interval = (0.02, 0.33)
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in _INTERVALS:
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise InvalidInput(
                    f"`{name}` must be a range (low, high) with 0 < low <= high. "
                    f"Received: {name}={(low, high)}."
                )
            object.__setattr__(self, name, (float(low), float(high)))  # lists come from JSON
        for name in _PROBABILITIES:
            value = getattr(self, name)
            pair = value if isinstance(value, tuple | list) else (value, value)
            if len(pair) != 2 or not all(0 <= one <= 1 for one in pair):
                raise InvalidInput(
                    f"`{name}` must be a probability, 0 to 1, or a pair of them: the first view's "
                    f"and the second view's. Received: {name}={value}."
                )
            if pair is value:
                object.__setattr__(self, name, tuple(pair))
        for name, limit in _LIMITS.items():
            if not 0 <= getattr(self, name) <= limit:
                raise InvalidInput(
                    f"`{name}` must lie between 0 and {limit:g}. "
                    f"Received: {name}={getattr(self, name)}."
                )
        if self.erase_scale[1] > 1:
            raise InvalidInput(
                "`erase_scale` is a fraction of the view and must not be above 1. "
                f"Received: erase_scale={self.erase_scale}."
            )
        if self.interpolation not in INTERPOLATIONS:
            raise InvalidInput(
                f"`interpolation` must be one of {', '.join(map(repr, INTERPOLATIONS))}. "
                f"Received: interpolation={self.interpolation!r}."
            )

    @property
    def turns(self) -> bool:
        """Whether views are rotated or sheared."""
        return bool(self.rotation or self.shear)

    @property
    def changes_colour(self) -> bool:
        """Whether any setting changes colours."""
        changes = (self.brightness, self.contrast, self.saturation, self.hue, self.grey)
        return any(bool(np.any(change)) for change in changes)

    @property
    def largest_side(self) -> float:
        """Larger side of the largest part that a view can show, as a fraction of the image's."""
        low, high = self.ratio
        return math.sqrt(self.scale[1] * max(1 / low, high))

    def __repr__(self) -> str:
        return as_code(self)


_INTERVALS = ("scale", "ratio", "blur_sigma", "erase_scale")
_PROBABILITIES = ("flip", "blur", "jitter", "grey", "solarize", "erase")
_LIMITS = {
    "shift": 1.0,
    "rotation": 180.0,
    "shear": 60.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue": 0.5,
    "noise": 1.0,
}

RECIPES = {
    # Tiny grey images. A mirrored glyph has another meaning, and strokes are one pixel wide: a
    # hard crop or a blur would remove them.
    "glyphs": Recipe(
        scale=(0.64, 1.44),
        shift=0.15,
        rotation=20.0,
        shear=15.0,
        brightness=0.4,
        contrast=0.4,
        noise=0.2,
    ),
    # Small grey images: as small colour images, but never mirrored, since they may be glyphs. On
    # clothes this costs nothing (benchmarks/quality_fashion_mnist.py). Half of the image and more,
    # in any light: clothes and characters are told apart by their shape (docs/decisions/0005).
    "grey": Recipe(
        scale=(0.5, 1.0),
        ratio=(3 / 4, 4 / 3),
        jitter=0.8,
        brightness=0.8,
        contrast=0.8,
        solarize=(0.0, 0.2),
    ),
    # Small colour images: the published recipes for CIFAR, with crops that are large enough to
    # recognise something. No blur: such images are blurred already.
    "photos": Recipe(
        scale=(0.2, 1.0),
        ratio=(3 / 4, 4 / 3),
        flip=0.5,
        jitter=0.8,
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        grey=0.2,
        solarize=(0.0, 0.2),
    ),
    # Larger images: the recipe of the paper (Zbontar et al., 2021, appendix A). Blur and solarize
    # differ between the two views.
    "imagenet": Recipe(
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        interpolation="bicubic",
        flip=0.5,
        jitter=0.8,
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        grey=0.2,
        blur=(1.0, 0.1),
        solarize=(0.0, 0.2),
    ),
}


def recipe_for(image_shape: tuple[int, ...]) -> str:
    """Name of the recipe for images of a shape, ``(height, width, channels)``.

    Example:
        >>> barlow.views.recipe_for((28, 28, 1))
        'grey'
    """
    height, width, channels = image_shape
    if not pixels.is_small(image_shape):
        return "imagenet"
    if channels != 1:
        return "photos"
    return "grey" if min(height, width) >= 16 else "glyphs"
