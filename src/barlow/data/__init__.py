"""Where images come from: files, archives, datasets, arrays; and how they go into training."""

from barlow.data.batches import Batches
from barlow.data.images import Images, Pixels, from_array, in_memory
from barlow.data.lazy import MAX_PIXELS, BadImage, LazyPixels
from barlow.data.sources import digits, load

__all__ = [
    "MAX_PIXELS",
    "BadImage",
    "Batches",
    "Images",
    "LazyPixels",
    "Pixels",
    "digits",
    "from_array",
    "in_memory",
    "load",
]
