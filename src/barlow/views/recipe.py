"""What may happen to an image on its way to a view."""

import dataclasses
import math

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Ranges from which every view draws its own values; the defaults change nothing.

    Args:
        scale: Area of the part of the image that a view shows, as a fraction of the image's
            area, drawn uniformly. Above 1 the view also shows what lies around the image, where
            its border pixels are continued. Defaults to ``(1, 1)``.
        ratio: Width of that part over its height, relative to the image's own, drawn
            log-uniformly. Defaults to ``(1, 1)``.
        shift: Largest shift of that part along each axis, as a fraction of the image's size, on
            top of its uniform position inside the image. Defaults to 0.
        rotation: Largest rotation, in degrees, either way. Defaults to 0.
        shear: Largest horizontal shear, in degrees, either way. Defaults to 0.
        flip: Probability of a left-right flip. Defaults to 0: text and digits must not flip.
        blur: Probability of a Gaussian blur. Defaults to 0.
        blur_sigma: Its standard deviation, in pixels of the view, drawn uniformly. Defaults to
            ``(0.1, 1)``.
        brightness: Factor of the pixel values, drawn from ``1 - brightness .. 1 + brightness``.
            Defaults to 0.
        contrast: Factor of the distance from the image's mean, drawn from
            ``1 - contrast .. 1 + contrast``. Defaults to 0.
        noise: Largest standard deviation of Gaussian noise, as a fraction of the value range;
            each view draws its own, uniformly from zero. Defaults to 0.

    Raises:
        ValueError: If a range is out of order or a value out of its bounds.

    Example:
        >>> barlow.views.Recipe(scale=(0.3, 1.0), flip=0.5).flip
        0.5
    """

    scale: Interval = (1.0, 1.0)
    ratio: Interval = (1.0, 1.0)
    shift: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    flip: float = 0.0
    blur: float = 0.0
    blur_sigma: Interval = (0.1, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ValueError(
                    f"`{name}` must be a range (low, high) with 0 < low <= high. "
                    f"Received: {name}={(low, high)}."
                )
            object.__setattr__(self, name, (float(low), float(high)))  # lists come from JSON
        limits = {"rotation": 180.0, "shear": 60.0}
        for name in (
            "shift",
            "rotation",
            "shear",
            "flip",
            "blur",
            "brightness",
            "contrast",
            "noise",
        ):
            value, limit = getattr(self, name), limits.get(name, 1.0)
            if not 0 <= value <= limit:
                raise ValueError(
                    f"`{name}` must lie between 0 and {limit:g}. Received: {name}={value}."
                )


RECIPES = {
    # Small grey images. Glyphs mean something else when mirrored, and have strokes of one pixel
    # that a hard crop or a blur would lose.
    "glyphs": Recipe(
        scale=(0.64, 1.44),
        shift=0.15,
        rotation=20.0,
        shear=15.0,
        brightness=0.4,
        contrast=0.4,
        noise=0.2,
    ),
    # Small colour images: hard crops and flips, and no blur, which they have enough of.
    "photos": Recipe(
        scale=(0.2, 1.0),
        ratio=(3 / 4, 4 / 3),
        flip=0.5,
        brightness=0.4,
        contrast=0.4,
        noise=0.05,
    ),
}
