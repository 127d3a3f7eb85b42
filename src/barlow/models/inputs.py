"""What can be seen of training data before training."""

from typing import Any

import keras

from barlow.backend import Tensor

_SEEN = 32  # inputs


def first_inputs(x: Any) -> Tensor | None:
    """Some of the inputs, ``[batch, ...]``, without taking them from the training.

    Args:
        x: What ``keras.Model.fit`` takes: an array or a tensor, a ``keras.utils.PyDataset``, a
            ``tf.data.Dataset`` or a PyTorch ``DataLoader``.

    Returns:
        The first inputs without labels; ``None`` for anything else, such as a generator, which
        gives its batches only once.
    """
    if hasattr(x, "shape"):
        return x[:_SEEN]
    if isinstance(x, keras.utils.PyDataset):
        batch: Any = x[0]
    elif hasattr(x, "element_spec") and hasattr(x, "take"):  # tf.data
        batch = next(iter(x.take(1)))
    elif hasattr(x, "collate_fn") and hasattr(x.dataset, "__getitem__"):  # PyTorch's DataLoader
        batch = x.collate_fn([x.dataset[i] for i in range(min(_SEEN, len(x.dataset)))])
    else:
        return None
    return batch[0] if isinstance(batch, tuple | list) else batch
