"""Keras' global settings, which must not change what barlow computes."""

import contextlib
from collections.abc import Iterator

_DEFAULTS = "float32", "channels_last"
_SEEDS = 2**31  # the states of PyTorch's seeds are int32


def keras_defaults(dtype_policy: str | None = None) -> contextlib.AbstractContextManager[None]:
    """In the block Keras' global settings are its defaults: channels last, floats of 32 bits.

    Where their arguments leave it open, layers read these settings when they are made, and
    operations whenever they compute.

    Args:
        dtype_policy: Global policy of layers in the block. Defaults to ``None``: it stays.
    """
    import keras  # noqa: PLC0415 - not before a backend is chosen

    config = keras.config
    if dtype_policy is None and (config.floatx(), config.image_data_format()) == _DEFAULTS:
        return contextlib.nullcontext()  # which torch.compile traces
    return _set(*_DEFAULTS, dtype_policy)


@contextlib.contextmanager
def _set(floatx: str, image_data_format: str, dtype_policy: str | None) -> Iterator[None]:
    import keras  # noqa: PLC0415

    config = keras.config
    # The policy is read first: as long as nobody has set it, Keras makes it from the floats.
    before = config.dtype_policy(), config.floatx(), config.image_data_format()
    config.set_floatx(floatx)
    config.set_image_data_format(image_data_format)
    if dtype_policy is not None:
        config.set_dtype_policy(dtype_policy)
    try:
        yield
    finally:
        config.set_dtype_policy(before[0])
        config.set_floatx(before[1])
        config.set_image_data_format(before[2])


def seed_of_31_bits(seed: int) -> int:
    """A seed that every backend takes, from a seed of any size.

    Those below ``2**31`` stay as they are.

    Args:
        seed: An integer >= 0.

    Example:
        >>> from barlow import backend
        >>> backend.seed_of_31_bits(7), backend.seed_of_31_bits(2**31) < 2**31
        (7, True)
    """
    if seed < _SEEDS:
        return seed
    # Imported here, since barlow is imported in a moment as long as nothing computes.
    import numpy as np  # noqa: PLC0415

    return int(np.random.SeedSequence(seed).generate_state(1)[0]) % _SEEDS
