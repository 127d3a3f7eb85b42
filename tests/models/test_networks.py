import numpy as np
import pytest

from barlow import models


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (28, 28, 1), (32, 48, 3), (64, 64, 3)], ids=str)
@pytest.mark.parametrize("name", models.ENCODERS)
def test_encoders_give_one_vector_per_image_and_see_all_of_it(name, image_shape):
    encoder = models.encoder(name, image_shape)
    images = np.random.default_rng(0).integers(0, 256, (2, *image_shape)).astype("uint8")
    features = encoder.predict(images, verbose=0)
    assert features.shape == (2, encoder.output_shape[-1])
    for corner in ((0, 0), (-1, -1)):
        changed = images.copy()
        changed[(slice(None), *corner)] ^= 255
        assert np.abs(encoder.predict(changed, verbose=0) - features).max() > 0


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


def test_an_unknown_encoder_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'resnet9000'.*conv"):
        models.encoder("resnet9000", (8, 8, 1))
