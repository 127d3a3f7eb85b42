import numpy as np
import pytest

from barlow import models


def test_the_projector_is_the_one_of_the_paper():
    projector = models.projector(16, (32, 24, 8))
    kinds = [type(layer).__name__ for layer in projector.layers]
    hidden = ["Dense", "BatchNormalization", "ReLU"]
    assert kinds == ["InputLayer", *hidden, *hidden, "Dense"]
    widths = [layer.units for layer in projector.layers if hasattr(layer, "units")]
    assert widths == [32, 24, 8]
    assert not any(layer.use_bias for layer in projector.layers if hasattr(layer, "use_bias"))


@pytest.mark.parametrize("widths", [(), (0,), (16, -1), (1.5,)], ids=str)
def test_widths_that_are_none_are_refused(widths):
    with pytest.raises(ValueError, match="positive integers"):
        models.projector(16, widths)


def test_widths_may_be_of_numpy():
    assert models.projector(16, np.array([8, 4])).output_shape == (None, 4)
