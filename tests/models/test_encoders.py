import keras
import numpy as np
import pytest

from barlow import models

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 48, 3), (64, 64, 3)]
OTHERS = [name for name in models.ENCODERS if name != "conv"]


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [
        *(("conv", shape) for shape in SHAPES),
        *((name, (16, 24, 1)) for name in OTHERS),
        ("resnet18", (96, 80, 3)),
        ("vit_tiny", (96, 80, 3)),
        ("MobileNetV3Small", (32, 48, 3)),
    ],
    ids=str,
)
def test_encoders_give_one_vector_per_image_and_see_all_of_it(name, image_shape):
    encoder = models.encoder(name, image_shape)
    images = np.random.default_rng(0).integers(0, 256, (2, *image_shape)).astype("uint8")
    features = encoder.predict(images, verbose=0)
    assert features.shape == (2, encoder.output_shape[-1])
    for corner in ((0, 0), (-1, -1)):
        changed = images.copy()
        changed[(slice(None), *corner)] ^= 255
        assert np.abs(encoder.predict(changed, verbose=0) - features).max() > 0


def test_an_unknown_encoder_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'resnet9000'.*conv.*keras\.applications"):
        models.encoder("resnet9000", (8, 8, 1))


@pytest.mark.parametrize(
    ("name", "published", "classifier"),
    [
        ("resnet18", 11_689_512, 512),
        ("resnet34", 21_797_672, 512),
        ("resnet50", 25_557_032, 2048),
    ],
)
def test_resnets_have_as_many_weights_as_published(name, published, classifier):
    """The numbers of torchvision's documentation, which count those of 1,000 classes."""
    encoder = models.encoder(name, (224, 224, 3))
    assert encoder.output_shape == (None, classifier)
    trainable = sum(int(np.prod(weight.shape)) for weight in encoder.trainable_weights)
    assert trainable == published - 1000 * (classifier + 1)


@pytest.mark.parametrize(
    ("name", "published"), [("vit_tiny", 5_717_416), ("vit_small", 22_050_664)]
)
def test_transformers_have_as_many_weights_as_published(name, published):
    """The numbers of DeiT without classes, class token and learned positions, which ours lacks."""
    encoder = models.encoder(name, (224, 224, 3))
    width = encoder.output_shape[1]
    without = published - 1000 * (width + 1) - (1 + 14 * 14 + 1) * width
    assert encoder.count_params() == without


def test_a_transformer_knows_where_a_patch_is():
    image = np.zeros((1, 16, 16, 1), "uint8")
    image[:, :4, :4] = 255
    encoder = models.encoder("vit_tiny", (16, 16, 1))
    moved = [np.roll(image, shift, axis) for shift, axis in ((4, 1), (4, 2))]
    features = [encoder.predict(x, verbose=0) for x in (image, *moved)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(features[i] - features[j]).max() > 1e-3


def test_a_transformer_takes_multiples_of_its_patch():
    with pytest.raises(ValueError, match=r"multiples of 16.*\(100, 96, 3\)"):
        models.encoder("vit_tiny", (100, 96, 3))


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "MobileNetV3Small", "MobileNetV2", "VGG16"])
def test_networks_of_keras_are_normalised_once(name):
    """Layers that normalise inputs: of the network itself, or else one before it."""

    def count(layer):
        own = isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)
        return own + sum(count(each) for each in getattr(layer, "layers", []))

    network = getattr(keras.applications, name)(include_top=False, weights=None, pooling="avg")
    encoder = models.encoder(name, (64, 64, 3))
    assert encoder.output_shape == network.output_shape
    assert count(encoder) == max(count(network), 1)


def test_a_model_of_ones_own_comes_from_a_file_with_its_weights(tmp_path):
    own = models.encoder("conv", (12, 12, 1))
    own.save(tmp_path / "own.keras")
    loaded = models.encoder(str(tmp_path / "own.keras"), (12, 12, 1))
    for found, expected in zip(loaded.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"\(12, 12, 1\).*Received.*\(16, 16, 1\)"):
        models.encoder(str(tmp_path / "own.keras"), (16, 16, 1))
    with pytest.raises(ValueError, match=r"no encoder at .*other\.keras"):
        models.encoder(str(tmp_path / "other.keras"), (12, 12, 1))


def test_a_model_of_ones_own_comes_from_a_function(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "our_networks.py").write_text(
        "import keras\n"
        "def small(image_shape):\n"
        "    layers = [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(3)]\n"
        "    return keras.Sequential(layers)\n"
        "def none(image_shape): pass\n"
    )
    assert models.encoder("our_networks:small", (8, 8, 1)).output_shape == (None, 3)
    for name, message in (
        ("our_networks:large", "no encoder our_networks:large"),
        ("their_networks:small", "No module named 'their_networks'"),
        ("our_networks:none", r"must give a keras\.Model"),
    ):
        with pytest.raises(ValueError, match=message):
            models.encoder(name, (8, 8, 1))
