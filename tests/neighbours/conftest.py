"""Photos in folders, and an encoder without training."""

import keras
import pytest
from pictures import draw


@pytest.fixture
def photos(tmp_path):
    """Ten pictures in two folders."""
    for number in range(10):
        place = tmp_path / "photos" / ("a" if number < 5 else "b")
        place.mkdir(parents=True, exist_ok=True)
        draw(number).save(place / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """An encoder whose vectors are the images on 8 x 8 pixels, saved; without any training."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(x))
    path = tmp_path_factory.mktemp("encoder") / "mean.keras"
    keras.Model(inputs, x).save(path)
    return path
