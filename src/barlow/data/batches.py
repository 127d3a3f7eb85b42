"""Images to batches: shuffled, read ahead by threads, the same for a seed however they are read."""

import concurrent.futures
import functools
import itertools
import os

import keras
import numpy as np

from barlow.data.images import Pixels
from barlow.data.lazy import BadImage
from barlow.errors import InvalidInput


class Batches(keras.utils.PyDataset):
    """Shuffled batches of one size, without end, for ``fit(..., steps_per_epoch=...)``.

    Every epoch has an order of its own, of all images; what is left over waits for another
    epoch's order, since the statistics of the loss are those of the batch and a small last batch
    would be a different, noisier loss.

    A batch is a function of the seed and its step, counted over all epochs, and of nothing else:
    not of the number of threads, nor of what was read before. So training goes on where it
    stopped with ``start=int(model.optimizer.iterations)``.

    The images of the next batches are read while the model learns from this one, by threads:
    decoding an image leaves Python to the others, and nothing has to be copied between processes.
    An image that cannot be read (any more) is named in ``skipped``, and the one at its place in
    the next batch stands in for it; next time it is tried again.

    Args:
        pixels: Images, shape ``[images, ...]``: an array, or the lazy ``pixels`` of
            :func:`barlow.data.load`.
        batch_size: Images per batch, at least 2 and at most their number.
        seed: Seed of the order, an integer, >= 0.
        start: Step of the first batch, >= 0. Defaults to 0.
        workers: Threads that read, >= 1; more than there are cores help where files come over a
            network. Defaults to ``None``: one per core.
        ahead: Batches to read ahead, >= 0; so many and two more are in memory at most. Defaults
            to 2.

    Attributes:
        steps_per_epoch: Batches in an epoch.
        skipped: Why an image could not be read, by where it is; for all so far.

    Raises:
        ValueError: If an argument is out of its bounds; by a batch, if no image can be read.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 1)).astype("uint8")
        >>> batches = barlow.data.Batches(images, batch_size=32, seed=0)
        >>> batches.steps_per_epoch, batches[0][0].shape
        (2, (32, 8, 8, 1))
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> model.compile("adamw")
        >>> history = model.fit(
        ...     batches, steps_per_epoch=batches.steps_per_epoch, epochs=3, shuffle=False, verbose=0
        ... )
    """

    num_batches = None  # tells Keras that there is no end, so that steps are not those of an epoch

    def __init__(
        self,
        pixels: Pixels,
        batch_size: int,
        seed: int,
        start: int = 0,
        workers: int | None = None,
        ahead: int = 2,
    ):
        super().__init__()  # to Keras one worker, which asks for one batch after the other
        if not 2 <= batch_size <= len(pixels):
            raise InvalidInput(
                "A batch takes at least 2 images and at most all of them. "
                f"Received: batch_size={batch_size} with {len(pixels)} images."
            )
        for name, value, smallest in (("seed", seed, 0), ("start", start, 0), ("ahead", ahead, 0)):
            if value < smallest:
                raise InvalidInput(f"`{name}` must be at least {smallest}. Received: {value}.")
        if workers is not None and workers < 1:
            raise InvalidInput(f"`workers` must be at least 1, or None. Received: {workers}.")
        self.steps_per_epoch = len(pixels) // batch_size
        self.skipped: dict[str, str] = {}
        self._pixels, self._batch_size = pixels, batch_size
        self._start, self._ahead = start, ahead
        self._threads = concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count())
        self._reading: dict[int, tuple[np.ndarray, list[concurrent.futures.Future]]] = {}

        @functools.lru_cache(maxsize=2)  # reading ahead goes over the end of an epoch
        def order(epoch: int) -> np.ndarray:
            return np.random.default_rng((seed, epoch)).permutation(len(pixels))

        self._order = order

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        steps = range(self._start + index, self._start + index + self._ahead + 1)
        self._reading = {step: self._reading.get(step) or self._read(step) for step in steps}
        batch, parts = self._reading.pop(steps[0])
        for part in parts:
            part.result()
        return (batch,)

    def _read(self, step: int) -> tuple[np.ndarray, list[concurrent.futures.Future]]:
        """A batch, and the work that fills it."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order, first = self._order(epoch), index * self._batch_size
        batch = np.empty((self._batch_size, *self._pixels.shape[1:]), self._pixels.dtype)
        if isinstance(self._pixels, np.ndarray):
            chosen = order[first : first + self._batch_size]
            take = functools.partial(np.take, axis=0, out=batch, mode="clip")  # others copy `out`
            return batch, [self._threads.submit(take, self._pixels, chosen)]
        return batch, [
            self._threads.submit(self._fill, batch[i], order, first + i)
            for i in range(self._batch_size)
        ]

    def _fill(self, place: np.ndarray, order: np.ndarray, position: int) -> None:
        """Read the image at a position of the order to its place, or another if it is bad.

        The first in question is at the same place of the next batch: it is another one every
        epoch, and images that are bad together, as a folder that vanished, have many stand-ins.
        """
        last, after = None, position + self._batch_size
        for candidate in itertools.chain([position], range(after, after + len(order))):
            try:
                place[...] = self._pixels[int(order[candidate % len(order)])]
                return
            except BadImage as bad:
                self.skipped[bad.source] = bad.reason
                last = bad
        raise InvalidInput(
            f"None of the {len(order)} images can be read any more. {last}"
        ) from last
