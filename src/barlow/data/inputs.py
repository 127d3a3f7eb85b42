"""Whatever a user passes as images: an array, a source, or `Images`."""

from typing import Any

from barlow.data.images import Images, from_array
from barlow.data.sources import load


def as_images(
    images: Any,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    **options: Any,
) -> Images:
    """Images from any form in which a user may have them.

    Args:
        images: :class:`Images`, which stay as they are; an array or a tensor, see
            :func:`from_array`; or any source of :func:`load`.
        image_size: As for :func:`load`.
        channels: As for :func:`load`.
        **options: As for :func:`load`.

    Returns:
        The images.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        TypeError: If ``images`` is none of these.
        ValueError: If the images are not valid.

    Example:
        >>> len(barlow.data.as_images(np.zeros((10, 8, 8))))
        10
    """
    if isinstance(images, Images):
        return images
    if hasattr(images, "__array__"):  # tensors have it, too
        return from_array(images)
    return load(images, image_size, channels, **options)
