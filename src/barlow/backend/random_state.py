"""The generators of random numbers that a whole program shares."""

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def keeping_random_state() -> Iterator[None]:
    """After the block the program draws the random numbers that it would draw without it.

    These are the global generators of Python, NumPy, Keras and its backend, all of which
    ``keras.utils.set_random_seed`` sets.

    Example:
        >>> import random
        >>> from barlow import backend
        >>> random.seed(1)
        >>> with backend.keeping_random_state():
        ...     keras.utils.set_random_seed(0)
        >>> value = random.random()
        >>> random.seed(1)
        >>> value == random.random()
        True
    """
    import numpy as np  # noqa: PLC0415 - barlow is imported in a moment

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - others draw from it
    with _of_keras(), _of_torch(), _of_tensorflow():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextlib.contextmanager
def _of_keras() -> Iterator[None]:
    from keras.src.backend.common import global_state  # noqa: PLC0415 - there is no public way

    names = "global_random_seed", "global_seed_generator"
    before = [global_state.get_global_attribute(name) for name in names]
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            global_state.set_global_attribute(name, value)


@contextlib.contextmanager
def _of_torch() -> Iterator[None]:
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() != "torch":
        yield
        return
    import torch  # noqa: PLC0415

    with torch.random.fork_rng(range(torch.cuda.device_count())):
        yield


@contextlib.contextmanager
def _of_tensorflow() -> Iterator[None]:
    names = "_seed", "_rng"
    shared = _shared_by_tensorflow()
    before = {name: shared[name] for name in names if name in shared} or {"_seed": None}
    try:
        yield
    finally:
        shared = _shared_by_tensorflow()
        for name in names:
            shared.pop(name, None)
        shared.update(before)


def _shared_by_tensorflow() -> dict[str, Any]:
    """What TensorFlow's eager context holds, if it is imported.

    Whatever the backend, Keras imports it to set its seed.
    """
    if "tensorflow" not in sys.modules:
        return {}
    from tensorflow.python.eager import context  # noqa: PLC0415 - there is no public way

    return vars(context.context())
