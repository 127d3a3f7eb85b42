"""Files of vectors: written so that they can be resumed and updated, joined, and read."""

from typing import TYPE_CHECKING

from barlow._lazy import attach

if TYPE_CHECKING:
    from barlow.vectors.joining import join
    from barlow.vectors.npy import check_npy, write_npy
    from barlow.vectors.origin import encoder_of, images_of, origin_of, placed, warn_of_changed
    from barlow.vectors.parts import Ray
    from barlow.vectors.table import as_embeddings, is_file, read
    from barlow.vectors.writing import Written, check_place, write

__all__ = [
    "Ray",
    "Written",
    "as_embeddings",
    "check_npy",
    "check_place",
    "encoder_of",
    "images_of",
    "is_file",
    "join",
    "origin_of",
    "placed",
    "read",
    "warn_of_changed",
    "write",
    "write_npy",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Ray": "parts",
        "Written": "writing",
        "as_embeddings": "table",
        "check_npy": "npy",
        "check_place": "writing",
        "encoder_of": "origin",
        "images_of": "origin",
        "is_file": "table",
        "join": "joining",
        "origin_of": "origin",
        "placed": "origin",
        "read": "table",
        "warn_of_changed": "origin",
        "write": "writing",
        "write_npy": "npy",
    },
)
