"""What can be seen of training data before training, and which part of a batch is the input."""

from typing import Any

import keras

from barlow import errors
from barlow.backend import Tensor
from barlow.errors import InvalidInput

_SEEN = 32  # inputs


def first_inputs(x: Any) -> tuple[Tensor | None, Any]:
    """Some of the inputs, without taking them from the training.

    Looking never ends a training: an error is a warning.

    Args:
        x: What ``keras.Model.fit`` takes: an array or a tensor, a dictionary of these, a
            ``keras.utils.PyDataset``, a ``tf.data.Dataset`` or a PyTorch ``DataLoader``.

    Returns:
        The first inputs, ``[batch, ...]``, without labels; ``None`` for anything else, such as a
        generator or a stream, which gives its batches only once. And what to train on: ``x``, or
        a dataset that gives the batch that has been seen, since some can be asked only once.

    Raises:
        InvalidInput: If batches are dictionaries in which :func:`only_input` finds no input.
    """
    seen = None
    with errors.as_warning("The first inputs are not checked"):
        seen, x = _look(x)
    return only_input(seen), x


def only_input(batch: Any) -> Any:
    """The input of a batch, which may be a dictionary, as of ``datasets`` in PyTorch's format.

    Args:
        batch: A tensor ``[batch, ...]``, a pair of them, or a dictionary of tensors.

    Returns:
        Of a dictionary the entry of the highest rank, such as images among their labels; anything
        else as it is.

    Raises:
        InvalidInput: If several entries, or none, have the highest rank.

    Example:
        >>> from barlow.models.inputs import only_input
        >>> only_input({"image": np.zeros((16, 8, 8, 3)), "label": np.zeros(16)}).shape
        (16, 8, 8, 3)
    """
    if not isinstance(batch, dict):
        return batch
    ranks = {name: len(value.shape) for name, value in batch.items() if hasattr(value, "shape")}
    highest = [name for name, rank in ranks.items() if rank == max(ranks.values())]
    if len(highest) != 1:
        shapes = ", ".join(f"{name!r}: {tuple(batch[name].shape)}" for name in ranks)
        raise InvalidInput(
            "Of a dictionary the model takes the entry of the highest rank, and there must be "
            "exactly one, such as images [batch, height, width, channels] among labels [batch]. "
            f"Received entries of shape {{{shapes}}}. Give the model the inputs alone."
        )
    return batch[highest[0]]


def _look(x: Any) -> tuple[Any, Any]:
    if hasattr(x, "shape"):
        return x[:_SEEN], x
    if isinstance(x, dict):
        return {name: value[:_SEEN] for name, value in x.items()}, x
    if isinstance(x, keras.utils.PyDataset):
        batch: Any = x[0]
        x = x if x.use_multiprocessing else _Seen(x, batch)  # processes copy what they share
    elif hasattr(x, "element_spec") and hasattr(x, "take"):  # tf.data
        batch = next(iter(x.take(1)))
    elif hasattr(x, "collate_fn") and _has_rows(x.dataset):  # PyTorch's DataLoader
        batch = _first_batch(x)
    else:
        return None, x
    return batch[0] if isinstance(batch, tuple | list) else batch, x


class _Seen(keras.utils.PyDataset):
    """A dataset whose first batch has been taken, and is given to the first who asks for it."""

    def __init__(self, dataset: keras.utils.PyDataset, first: Any):
        super().__init__(dataset.workers, False, dataset.max_queue_size)
        self._dataset, self._first = dataset, [first]

    @property
    def num_batches(self) -> int | None:
        return self._dataset.num_batches

    def __getitem__(self, index: int) -> Any:
        return self._first.pop() if index == 0 and self._first else self._dataset[index]

    def on_epoch_begin(self) -> None:
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._dataset.on_epoch_end()


def _has_rows(dataset: Any) -> bool:
    """Whether a dataset of PyTorch can be indexed; a stream only inherits a method that raises."""
    bases = (base.__name__ for base in type(dataset).__mro__)
    return hasattr(dataset, "__getitem__") and "IterableDataset" not in bases


def _first_batch(loader: Any) -> Any:
    """The first rows of a ``DataLoader``; not its sampler's, which would draw from its seed."""
    if loader.batch_sampler is None:  # a row is a batch
        return loader.collate_fn(loader.dataset[0])
    return loader.collate_fn([loader.dataset[i] for i in range(min(_SEEN, len(loader.dataset)))])
