"""Images to batches, in a new order every epoch."""

from typing import Any

import keras
import numpy as np

from barlow.data.images import Pixels


class Batches(keras.utils.PyDataset):
    """Shuffled batches of one size; what is left over waits for another epoch's order.

    The statistics of the loss are those of the batch, so a small last batch would be a
    different, noisier loss.

    Args:
        pixels: Images, shape ``[images, ...]``: an array or :class:`LazyPixels`.
        batch_size: Images per batch, at most their number.
        seed: Seed of the order, an integer.

    Raises:
        ValueError: If there are fewer images than one batch takes.
    """

    def __init__(self, pixels: Pixels, batch_size: int, seed: int):
        super().__init__()
        if not 2 <= batch_size <= len(pixels):
            raise ValueError(
                "A batch takes at least 2 images and at most all of them. "
                f"Received: batch_size={batch_size} with {len(pixels)} images."
            )
        self.pixels, self.batch_size = pixels, batch_size
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return len(self.pixels) // self.batch_size

    def __getitem__(self, index: int) -> tuple[Any]:
        start = index * self.batch_size
        return (self.pixels[self._order[start : start + self.batch_size]],)

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self._order = self._random.permutation(len(self.pixels))
