"""A block leaves the generators of random numbers as they were."""

import contextlib

import keras
from drawing import draws

from barlow import backend


def test_the_state_of_random_numbers_is_kept_if_the_block_fails_too():
    keras.utils.set_random_seed(5)
    expected = draws()
    keras.utils.set_random_seed(5)
    with contextlib.suppress(RuntimeError), backend.keeping_random_state():
        keras.utils.set_random_seed(6)
        raise RuntimeError
    assert draws() == expected
