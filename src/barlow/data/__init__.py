"""Images from files, archives, datasets and arrays, and the batches that training takes."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.data.batches import Batches
    from barlow.data.images import Images, Pixels, from_array, sample
    from barlow.data.lazy import MAX_PIXELS, BadImage, LazyPixels
    from barlow.data.reading import at_size, check_any, in_memory, read_in_order
    from barlow.data.sources import as_images, digits, load

__all__ = [
    "MAX_PIXELS",
    "BadImage",
    "Batches",
    "Images",
    "LazyPixels",
    "Pixels",
    "as_images",
    "at_size",
    "check_any",
    "digits",
    "from_array",
    "in_memory",
    "load",
    "read_in_order",
    "sample",
]

__getattr__, __dir__ = attach(  # `Batches` alone needs Keras
    __name__,
    {
        "MAX_PIXELS": "lazy",
        "BadImage": "lazy",
        "Batches": "batches",
        "Images": "images",
        "LazyPixels": "lazy",
        "Pixels": "images",
        "as_images": "sources",
        "at_size": "reading",
        "check_any": "reading",
        "digits": "sources",
        "from_array": "images",
        "in_memory": "reading",
        "load": "sources",
        "read_in_order": "reading",
        "sample": "images",
    },
)
