"""Encoders of KerasHub, from presets that are written here; where it is installed."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import barlow
from barlow import data, models, runs
from barlow.errors import InvalidInput

keras_hub = pytest.importorskip("keras_hub")
pytestmark = pytest.mark.once

SIDE = 32


def resnet():
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
    ), keras_hub.layers.ResNetImageConverter(
        scale=[1 / 60, 1 / 57, 1 / 50], offset=[-2.1, -2.0, -1.8]
    )


def vit():
    return keras_hub.models.ViTBackbone(
        image_shape=(SIDE, SIDE, 3),
        patch_size=(8, 8),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    ), keras_hub.layers.ViTImageConverter(image_size=(SIDE, SIDE), scale=1 / 127.5, offset=-1)


@pytest.fixture(scope="module", params=[resnet, vit], ids=["ResNet", "ViT"])
def preset(request, tmp_path_factory):
    """Folder of a preset, its backbone and its converter."""
    folder = tmp_path_factory.mktemp("presets") / "own"
    backbone, converter = request.param()
    backbone.save_to_preset(str(folder))
    converter.save_to_preset(str(folder))
    return folder, backbone, converter


@pytest.mark.parametrize("channels", [1, 3])
def test_a_preset_gives_the_means_of_its_backbone_on_what_its_converter_gives(channels, preset):
    folder, backbone, converter = preset
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, channels))
    encoder = models.encoder(f"hub:{folder}", images.shape[1:])
    found = keras.ops.convert_to_numpy(encoder(images, training=False))
    colours = np.repeat(images, 3 // channels, axis=-1).astype("float32")
    values = keras.ops.convert_to_numpy(backbone(converter(colours), training=False))
    expected = values.mean(axis=tuple(range(1, values.ndim - 1)))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_a_run_trains_it_and_another_process_loads_it(preset, tmp_path):
    folder, backbone, _ = preset
    images = np.repeat(np.kron(data.digits().pixels[:16], np.ones((1, 4, 4, 1))), 3, axis=-1)
    settings = barlow.Settings(encoder=f"hub:{folder}", epochs=1, batch_size=8, projector=(8,))
    run = barlow.pretrain(images, tmp_path / "run", settings)
    config = runs.read_config(run)
    assert config["optimizer"] == "adamw"
    assert "not compared here" in config["reasons"]["learning_rate"]
    trained = runs.load_encoder(run)
    assert [w.shape for w in trained.weights] == [w.shape for w in backbone.weights]
    program = f"from barlow import runs; print(runs.load_encoder({str(run)!r}).output_shape)"
    output = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert output.splitlines()[-1] == str(trained.output_shape)


def test_images_of_another_size_than_a_transformer_takes_are_refused(tmp_path):
    backbone, converter = vit()
    backbone.save_to_preset(str(tmp_path))
    with pytest.raises(InvalidInput, match=r"could not load the encoder hub:.*image_converter"):
        models.encoder(f"hub:{tmp_path}", (SIDE, SIDE, 3))
    converter.save_to_preset(str(tmp_path))
    with pytest.raises(InvalidInput, match=r"takes images of shape \(32, 32, 3\).*\(48, 32, 3\)"):
        models.encoder(f"hub:{tmp_path}", (48, 32, 3))
    with pytest.raises(InvalidInput, match=r"images of 1 or 3 channels.*\(32, 32, 4\)"):
        models.encoder(f"hub:{tmp_path}", (SIDE, SIDE, 4))
    with pytest.raises(InvalidInput, match="has its own weights"):
        barlow.Settings(encoder=f"hub:{tmp_path}", weights="imagenet")
    with pytest.raises(InvalidInput, match="could not load the encoder hub:nowhere"):
        models.encoder("hub:nowhere", (SIDE, SIDE, 3))


def test_a_network_for_texts_is_refused(tmp_path):
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=8, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4
    )
    backbone.save_to_preset(str(tmp_path))
    with pytest.raises(InvalidInput, match="a preset for images"):
        models.encoder(f"hub:{tmp_path}", (SIDE, SIDE, 3))
