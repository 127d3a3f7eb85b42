"""Settings with which a transformer learns at once, and when two give the same."""

import numpy as np

import barlow

TINY = barlow.Settings(epochs=1, batch_size=32, encoder="small:network", projector=(8, 8))
ROWS = barlow.Settings(epochs=2, batch_size=32, projector=(8, 8))


def assert_same(found, expected):
    """Equal but for the order in which float32 is summed."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
