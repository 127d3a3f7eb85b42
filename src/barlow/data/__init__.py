"""Where images come from: folders, arrays, IDX files; and how they go into training."""

from barlow.data.batches import Batches
from barlow.data.images import Images, from_array
from barlow.data.sources import digits, load

__all__ = ["Batches", "Images", "digits", "from_array", "load"]
