"""The sets of `labelling.py`: their vectors, learned without labels, and their images."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

import barlow
from barlow import data

DATA = "/usr/share/datasets/fashion-mnist"
STAMPS = "/usr/share/tuxpaint/stamps"


def learned(name: str, work: pathlib.Path, arguments: Any) -> dict[str, Any]:
    """Vectors and labels of a set: `x`, `y`, and `test_x`, `test_y` where it has a test set."""
    kept = work / f"{name}.npz"
    if not kept.exists():
        work.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **SETS[name](work / f"run-{name}", arguments))
    with np.load(kept) as found:
        return dict(found)


def fashion_mnist(run: pathlib.Path, arguments: Any) -> dict[str, Any]:
    folder = pathlib.Path(arguments.data)
    train = data.load(folder / "train-images-idx3-ubyte.gz")
    test = data.load(folder / "t10k-images-idx3-ubyte.gz")
    if not barlow.runs.is_complete(run):
        barlow.pretrain(train, run, barlow.Settings(epochs=16))
    x, test_x = (barlow.embed(run, each).vectors for each in (train, test))
    return {"x": x, "y": train.labels, "test_x": test_x, "test_y": test.labels}


def digits(run: pathlib.Path, _: Any) -> dict[str, Any]:
    images = data.digits()
    if not barlow.runs.is_complete(run):
        barlow.pretrain(images, run, barlow.Settings(epochs=40))
    return {"x": barlow.embed(run, images).vectors, "y": images.labels}


def stamps(run: pathlib.Path, arguments: Any) -> dict[str, Any]:
    images = data.load(arguments.stamps, (64, 64))
    if not barlow.runs.is_complete(run):
        barlow.pretrain(images, run, barlow.Settings(epochs=100))
    return {"x": barlow.embed(run, images).vectors, "y": images.labels}


def signals(_: pathlib.Path, __: Any) -> dict[str, Any]:
    import keras
    import quality_signals as own
    from _probes import learn

    windows, _people = own.load()
    keras.utils.set_random_seed(0)
    x = windows.pixels[:]
    encoder = own.convolutions(x.shape[1:], x.mean((0, 1)), x.var((0, 1)))
    views = barlow.views.SignalViews(**own.RECIPES["strong"], seed=0)
    learn(encoder, views, x, own.STEPS, own.BATCH_SIZE, 0)
    return {"x": barlow.embed(encoder, windows).vectors, "y": windows.labels}


def tables(_: pathlib.Path, __: Any) -> dict[str, Any]:
    import keras
    import quality_tables as own
    from _probes import learn

    rows = own.load()
    keras.utils.set_random_seed(0)
    encoder = own.perceptron(rows.pixels[:])
    learn(encoder, barlow.views.TableViews(own.RATE, seed=0), rows.pixels[:], own.STEPS, 64, 0)
    return {"x": barlow.embed(encoder, rows).vectors, "y": rows.labels}


SETS: dict[str, Callable[[pathlib.Path, Any], dict[str, Any]]] = {
    "fashion_mnist": fashion_mnist,
    "digits": digits,
    "stamps": stamps,
    "signals": signals,
    "tables": tables,
}


def pixels_of_fashion_mnist(arguments: Any) -> tuple[np.ndarray, np.ndarray | None]:
    folder = pathlib.Path(arguments.data)
    names = ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz")
    train, test = (data.load(folder / each).pixels[:] for each in names)
    return train, test


IMAGES: dict[str, Callable[[Any], tuple[np.ndarray, np.ndarray | None]]] = {
    "fashion_mnist": pixels_of_fashion_mnist,
    "digits": lambda _: (data.digits().pixels[:], None),
    "stamps": lambda arguments: (data.load(arguments.stamps, (64, 64)).pixels[:], None),
}
