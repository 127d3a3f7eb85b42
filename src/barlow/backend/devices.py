"""Devices that the backend computes on, and a training on several of them."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from barlow.backend.processes import process_count
from barlow.errors import InvalidInput


def devices() -> list[str]:
    """Names of the devices, such as ``"cpu:0"`` and ``"cuda:0 (NVIDIA H200)"``."""
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        count = range(torch.cuda.device_count())
        return [f"cuda:{index} ({torch.cuda.get_device_name(index)})" for index in count]
    return ["mps:0"] if torch.backends.mps.is_available() else ["cpu:0"]


def has_accelerator() -> bool:
    """Whether there is another device than a processor, such as a GPU."""
    return not all(name.lower().startswith("cpu") for name in devices())


def check_devices(wanted: int | str) -> int:
    """Number of devices to train on.

    Args:
        wanted: A number, or ``"all"``.

    Raises:
        InvalidInput: If it is neither, or there are fewer. PyTorch also makes several processes of
            one CPU.
    """
    import keras  # noqa: PLC0415

    found = devices()
    if wanted == "all":
        return len(found)
    try:
        count = int(wanted)
    except ValueError:
        count = 0
    enough = len(found) if keras.backend.backend() != "torch" or found != ["cpu:0"] else count
    if not 1 <= count <= enough:
        raise InvalidInput(
            f"`devices` must be 'all' or a number from 1 to {len(found)}, the devices here: "
            f"{', '.join(found)}. Received: {wanted}."
        )
    return count


@contextlib.contextmanager
def on_devices(wanted: int | str | None) -> Iterator[None]:
    """Build and train models on several devices in the block, with one batch for all of them.

    Args:
        wanted: A number, ``"all"``, or ``None``: those that the program has chosen already, which
            is one if it has not.

    Raises:
        InvalidInput: If there are fewer, or with PyTorch another number of processes.
    """
    import keras  # noqa: PLC0415

    name, processes = keras.backend.backend(), process_count()
    if processes > 1 and name == "jax" and keras.distribution.distribution() is None:
        wanted = "all"
    count = 1 if wanted is None else check_devices(wanted)
    fits = processes == count or (wanted == "all" and processes > 1)  # on many machines, too
    if name == "torch" and wanted is not None and not fits:
        raise InvalidInput(
            f"With PyTorch each device has a process of its own, and there are {processes}. "
            f"Received: devices={wanted}. Start them: torchrun --nproc-per-node {count} SCRIPT, or "
            f"barlow pretrain --devices {count}."
        )
    if count == 1 or name == "torch":
        yield
    elif name == "jax":
        chosen = keras.distribution.list_devices()[:count]
        with keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False).scope():
            yield
    else:
        with _strategy(*devices()[:count]).scope():
            yield


@functools.cache  # a second one of a process would take the first one's keys, and fail
def _strategy(*names: str) -> Any:
    import tensorflow as tf  # noqa: PLC0415

    return tf.distribute.MirroredStrategy(names)
