import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import barlow
from barlow import models
from barlow.errors import InvalidInput, MissingPackage

SHAPES = [(8, 8, 1), (28, 28, 1), (32, 48, 3), (64, 64, 3)]
OTHERS = [name for name in models.ENCODERS if name != "conv"]


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [
        *(("conv", shape) for shape in SHAPES),
        *(pytest.param(name, (16, 24, 1), marks=pytest.mark.once) for name in OTHERS),
        ("resnet18", (96, 80, 3)),
        ("vit_tiny", (96, 80, 3)),
        pytest.param("MobileNetV3Small", (32, 48, 3), marks=pytest.mark.once),
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
    with pytest.raises(ValueError, match=r"'their_net'\. Known: conv.*keras\.applications"):
        models.encoder("their_net", (8, 8, 1))


@pytest.mark.parametrize(
    ("name", "near"), [("resnet81", "resnet18"), ("mobilenetv2", "MobileNetV2"), ("con", "conv")]
)
def test_for_a_mistyped_encoder_the_nearest_one_is_suggested(name, near):
    with pytest.raises(InvalidInput, match=f"'{name}'. Did you mean '{near}'?"):
        models.find(name)


@pytest.mark.parametrize(
    ("name", "published", "classifier"),
    [
        ("resnet18", 11_689_512, 512),
        ("resnet34", 21_797_672, 512),
        ("resnet50", 25_557_032, 2048),
    ],
)
@pytest.mark.once
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


@pytest.mark.once
def test_a_transformer_knows_where_a_patch_is():
    image = np.zeros((1, 16, 16, 1), "uint8")
    image[:, :4, :4] = 255
    encoder = models.encoder("vit_tiny", (16, 16, 1))
    moved = [np.roll(image, shift, axis) for shift, axis in ((4, 1), (4, 2))]
    features = [encoder.predict(x, verbose=0) for x in (image, *moved)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(features[i] - features[j]).max() > 1e-3


def test_a_transformer_takes_multiples_of_its_patch():
    with pytest.raises(ValueError, match=r"multiples of 16.*\(100, 96, 3\).*--image-size"):
        models.encoder("vit_tiny", (100, 96, 3))


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "MobileNetV3Small", "MobileNetV2", "VGG16"])
@pytest.mark.once
def test_networks_of_keras_are_normalised_once(name):
    """Layers that normalise inputs: of the network itself, or else one before it."""

    def count(layer):
        own = isinstance(layer, keras.layers.Rescaling | keras.layers.Normalization)
        return own + sum(count(each) for each in getattr(layer, "layers", []))

    network = getattr(keras.applications, name)(include_top=False, weights=None, pooling="avg")
    encoder = models.encoder(name, (64, 64, 3))
    assert encoder.output_shape == network.output_shape
    assert count(encoder) == max(count(network), 1)


def test_a_user_s_model_comes_from_a_file_with_its_weights(tmp_path):
    own = models.encoder("conv", (12, 12, 1))
    own.save(tmp_path / "own.keras")
    loaded = models.encoder(str(tmp_path / "own.keras"), (12, 12, 1))
    for found, expected in zip(loaded.get_weights(), own.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match=r"\(12, 12, 1\).*Received.*\(16, 16, 1\)"):
        models.encoder(str(tmp_path / "own.keras"), (16, 16, 1))
    with pytest.raises(ValueError, match=r"no encoder at .*other\.keras"):
        models.encoder(str(tmp_path / "other.keras"), (12, 12, 1))


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "own.keras").write_text("no model")
    with pytest.raises(InvalidInput, match=r"Cannot load the encoder .*own\.keras\. This is no "):
        models.encoder(str(tmp_path / "own.keras"), (12, 12, 1))


@pytest.mark.parametrize(
    ("name", "image_shape"), [("MobileNetV2", (16, 16, 3)), ("Xception", (40, 80, 3))]
)
def test_images_that_a_network_of_keras_does_not_take_are_refused(name, image_shape):
    message = rf"{name} does not take images of shape \({', '.join(map(str, image_shape))}\)"
    with pytest.raises(InvalidInput, match=f"{message}.*--image-size"):
        models.encoder(name, image_shape)


OWN = """
import keras

def small(image_shape):
    layers = [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(3)]
    return keras.Sequential(layers)

def none(image_shape): pass

def broken(image_shape): return image_shape[3]

def unbuilt(image_shape): return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])

def two(image_shape):
    inputs = [keras.Input(image_shape), keras.Input(image_shape)]
    return keras.Model(inputs, keras.layers.Flatten()(keras.layers.Add()(inputs)))

def late(image_shape):
    import our_other_module
    return small(image_shape)
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "our_networks.py").write_text(OWN)
    (tmp_path / "our_other_module.py").write_text("")
    (tmp_path / "our_mistake.py").write_text("1 / 0")
    yield
    for name in ("our_networks", "our_other_module"):
        sys.modules.pop(name, None)


def test_an_encoder_comes_from_a_function_in_the_working_folder(own_module):
    before = list(sys.path)
    assert models.encoder("our_networks:small", (8, 8, 1)).output_shape == (None, 3)
    assert models.encoder("our_networks:late", (8, 8, 1)).output_shape == (None, 3)
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("our_networks:large", r"Cannot import the encoder our_networks:large .*AttributeError: "),
        ("their_networks:small", r"ModuleNotFoundError: No module named 'their_networks'"),
        ("our_mistake:small", r"encoder our_mistake:small .*ZeroDivisionError: division by zero"),
        ("our_networks:none", r"must be a keras\.Model"),
        ("our_networks:unbuilt", r"a keras\.Sequential that begins with a keras\.Input"),
        (
            "our_networks:two",
            r"The encoder our_networks:two holds no encoder, but a Functional",
        ),
        ("our_networks:broken", r"function of the encoder our_networks:broken raised .*IndexError"),
    ],
)
def test_errors_of_a_user_s_function_name_it_and_what_it_raised(own_module, name, message):
    before = list(sys.path)
    with pytest.raises(InvalidInput, match=message):
        models.encoder(name, (8, 8, 1))
    assert sys.path == before


@pytest.mark.once
def test_files_in_the_working_folder_are_not_imported_in_place_of_installed_modules(tmp_path):
    (tmp_path / "ours.py").write_text(OWN)
    installed = {name.partition(".")[0] for name in sys.modules} - {"__main__", "ours"}
    for name in installed | {"PIL", "matplotlib", "tensorboardX", "rich", "typer"}:
        planted = tmp_path / f"{name}.py"
        planted.write_text("import pathlib; pathlib.Path(__file__).with_suffix('.marker').touch()")
    program = (
        "import sys; sys.path.remove('');"  # the command does not have it either
        "from barlow import models; print(models.encoder('ours:small', (8, 8, 1)).output_shape)"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=tmp_path)
    assert output == "(None, 3)\n"
    assert [path.name for path in pathlib.Path(tmp_path).glob("*.marker")] == []


@pytest.mark.once
def test_without_keras_hub_its_encoders_say_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(MissingPackage, match=r"keras_hub.*pip install 'barlow\[hub\]'"):
        models.encoder("hub:resnet_18_imagenet", (64, 64, 3))


def test_names_tell_files_functions_and_transformers():
    names = ["conv", "vit_tiny", "ours:small", "ours.keras", "C:/ours.keras", "VGG16", "hub:C:/vit"]
    assert [name for name in names if models.is_file(name)] == ["ours.keras", "C:/ours.keras"]
    assert [name for name in names if models.is_function(name)] == ["ours:small"]
    assert [name for name in names if models.is_hub(name)] == ["hub:C:/vit"]
    assert [name for name in names if models.is_transformer(name)] == ["vit_tiny"]


@pytest.mark.once
def test_importing_models_registers_all_that_a_saved_model_may_contain(tmp_path):
    model = barlow.BarlowTwins(
        models.encoder("vit_tiny", (8, 8, 1)), (4, 4), barlow.views.ImageViews("glyphs")
    )
    model(np.zeros((2, 8, 8, 1)))
    model.compile(barlow.optimizers.LARS())
    model.save(tmp_path / "model.keras")
    program = "import keras, barlow.models; keras.models.load_model('model.keras')"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
