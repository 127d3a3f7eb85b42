"""Shuffled batches of images, read ahead by threads; the seed and the step determine each batch."""

import concurrent.futures
import functools
import itertools
import os

import keras
import numpy as np

from barlow import backend
from barlow.data.images import Pixels
from barlow.data.lazy import BadImage
from barlow.errors import InvalidInput

_TASK = 16  # images, for a thread


class Batches(keras.utils.PyDataset):
    """Endless shuffled batches of one size, for ``fit(..., steps_per_epoch=...)``.

    Every epoch shuffles all images anew. The images that do not fill a last batch are left out of
    that epoch: the loss uses statistics of the batch, so a small batch would have a different,
    noisier loss.

    A batch depends only on the seed and on its step, counted over all epochs: not on the number of
    threads, nor on what was read before. So ``start=int(model.optimizer.iterations)`` resumes a
    training.

    Threads read the next batches while the model trains on this one: decoding releases Python's
    lock, and nothing is copied between processes. An image that cannot be read is listed in
    ``skipped``, and the image at its place in the next batch replaces it; the next epoch tries it
    again.

    :meth:`close` ends the threads and forgets the images. Without it, Keras keeps both until the
    process ends, with TensorFlow.

    Args:
        pixels: Images, shape ``[images, ...]``: an array, or the lazy ``pixels`` of
            :func:`barlow.data.load`.
        batch_size: Images per batch, at least 2 and at most the number of images.
        seed: Seed of the order, an integer, >= 0.
        start: Step of the first batch, >= 0. Defaults to 0.
        workers: Threads that read, >= 1; more than the number of cores help if files come over a
            network. Defaults to ``None``: one per core.
        ahead: Batches to read ahead, >= 0; at most ``ahead + 2`` are in memory. Defaults to 2.
        shard: ``(index, count)``: of ``count`` processes this one, from 0 on, reads its rows of
            every batch of ``batch_size`` images. Defaults to ``None``: the place of this process in
            a group of ``torch.distributed`` or ``jax.distributed``, or the whole batch.

        values_are_known: Whether it is known that the values are 0 .. 255, as of image files,
            however dark they are, so that ``fit`` does not refuse them. Defaults to False.

    Attributes:
        steps_per_epoch: Batches in an epoch.
        skipped: For every image that could not be read so far: why, by where it is.

    Raises:
        InvalidInput: If an argument is out of its bounds; when a batch is read, if no image can
            be read.

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

    num_batches = None  # endless for Keras, which then takes `steps_per_epoch`

    def __init__(
        self,
        pixels: Pixels,
        batch_size: int,
        seed: int,
        start: int = 0,
        workers: int | None = None,
        ahead: int = 2,
        shard: tuple[int, int] | None = None,
        values_are_known: bool = False,
    ):
        super().__init__()  # for Keras one worker, which asks for the batches in order
        if not 2 <= batch_size <= len(pixels):
            raise InvalidInput(
                "A batch must have at least 2 images and at most all of them. "
                f"Received: batch_size={batch_size} with {len(pixels)} images."
            )
        for name, value, smallest in (("seed", seed, 0), ("start", start, 0), ("ahead", ahead, 0)):
            if value < smallest:
                raise InvalidInput(f"`{name}` must be at least {smallest}. Received: {value}.")
        if workers is not None and workers < 1:
            raise InvalidInput(f"`workers` must be at least 1, or None. Received: {workers}.")
        index, processes = shard or (backend.process_index(), backend.process_count())
        if not 0 <= index < processes <= batch_size:
            raise InvalidInput(
                "`shard` must be (index, count) with 0 <= index < count, and at least as many "
                f"images in a batch. Received: shard={(index, processes)} of {batch_size} images."
            )
        bounds = [batch_size * number // processes for number in (index, index + 1)]
        self._rows = range(*bounds)  # of a batch
        self.steps_per_epoch = len(pixels) // batch_size
        self.values_are_known = values_are_known
        self.skipped: dict[str, str] = {}
        self._pixels, self._batch_size = pixels, batch_size
        self._start, self._ahead = start, ahead
        self._readers = workers or os.cpu_count() or 1
        self._threads = concurrent.futures.ThreadPoolExecutor(self._readers)
        self._reading: dict[int, tuple[np.ndarray, list[concurrent.futures.Future]]] = {}

        count = len(pixels)

        @functools.lru_cache(maxsize=2)  # reading ahead crosses the end of an epoch
        def order(epoch: int) -> np.ndarray:
            return np.random.default_rng((seed, epoch)).permutation(count)

        self._order = order

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        steps = range(self._start + index, self._start + index + self._ahead + 1)
        self._reading = {step: self._reading.get(step) or self._read(step) for step in steps}
        batch, parts = self._reading.pop(steps[0])
        for part in parts:
            part.result()
        return (batch,)

    def close(self) -> None:
        """End the threads and forget the images; no batch can be read afterwards."""
        self._threads.shutdown(cancel_futures=True)
        self._reading = {}
        self._order.cache_clear()
        self._pixels = np.empty((0, *self._pixels.shape[1:]), self._pixels.dtype)

    def _read(self, step: int) -> tuple[np.ndarray, list[concurrent.futures.Future]]:
        """A batch, and the futures that fill it."""
        epoch, index = divmod(step, self.steps_per_epoch)
        order, first = self._order(epoch), index * self._batch_size
        batch = np.empty((len(self._rows), *self._pixels.shape[1:]), self._pixels.dtype)
        if isinstance(self._pixels, np.ndarray):
            chosen = order[first + self._rows.start : first + self._rows.stop]
            take = functools.partial(
                np.take, axis=0, out=batch, mode="clip"
            )  # other modes copy `out`
            return batch, [self._threads.submit(take, self._pixels, chosen)]
        # Several images a task: threads that begin one after each image wait for Python's lock.
        places = [*zip(batch, self._rows, strict=True)]
        size = max(1, min(_TASK, len(places) // (4 * self._readers)))
        return batch, [
            self._threads.submit(self._fill_some, places[start : start + size], order, first)
            for start in range(0, len(places), size)
        ]

    def _fill_some(
        self, places: list[tuple[np.ndarray, int]], order: np.ndarray, first: int
    ) -> None:
        for place, row in places:
            self._fill(place, order, first + row)

    def _fill(self, place: np.ndarray, order: np.ndarray, position: int) -> None:
        """Read the image at a position of the order into its place, or another if it is bad.

        The first candidate is at the same place of the next batch: it differs from epoch to epoch,
        and images that are bad together, as in a folder that was deleted, get many different
        replacements.
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
