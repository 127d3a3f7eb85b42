"""What an encoder of signals is worth, learned from the motion of wrists without labels.

    pip install 'barlow[jax,bench]'
    python benchmarks/quality_signals.py [--validate]

The data come with seglearn (Burns et al., 2018, "Shoulder physiotherapy exercise recognition"):
acceleration and rotation at a wrist, 6 channels, while 10 people do 7 exercises. Windows are 4
seconds long, 25 samples a second, and begin every 2 seconds. Raw features are the 600 numbers of
a window.

Each of people 6 to 10 is held out in turn, and the encoder learns from the other nine. Two recipes
of views were compared on people 1 to 5 alone (`--validate` holds out each of them in turn and
learns from the other four): the strong one did better with every number of labels, the defaults by
nearest neighbours. Before that a wider encoder on windows of 2 seconds was tried once, tested on
people 1 and 2 but with all others to learn from. Nobody of people 6 to 10 was tested on before the
table.
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from _probes import learn, means, part, probe, report, show
from keras import layers
from seglearn.datasets import load_watch

import barlow
from barlow import data

RATE = 50  # samples per second of the recordings
SECONDS, STRIDE, EVERY = 4, 2, 2  # of a window; between windows; samples, of which one is kept
STEPS, BATCH_SIZE = 300, 256
RECIPES = {
    "defaults": {},
    "strong": {
        "crop": (0.3, 1.0),
        "warp": 0.4,
        "scale": 0.4,
        "jitter": 0.3,
        "time_mask": 0.4,
        "channel_mask": 0.2,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="compare the recipes of views")
    validate = parser.parse_args().validate

    windows, people = load()
    names = np.unique(people)
    chosen, held_out = (names[:5], names[:5]) if validate else (names, names[5:])
    for recipe in RECIPES if validate else ["strong"]:
        runs = []
        for seed, person in enumerate(held_out):
            train = part(windows, np.isin(people, chosen) & (people != person))
            test = part(windows, people == person)
            keras.utils.set_random_seed(seed)
            x = train.pixels
            encoder = convolutions(x.shape[1:], x.mean((0, 1)), x.var((0, 1)))
            views = barlow.views.SignalViews(**RECIPES[recipe], seed=seed)
            learn(encoder, views, x, STEPS, BATCH_SIZE, seed)
            runs.append(probe(encoder, train, test, seed))
        if validate:
            print(recipe)
            show(means(runs))
        else:
            report(
                "quality_signals",
                runs,
                backend=keras.backend.backend(),
                views=RECIPES[recipe],
            )


def load() -> tuple[data.Images, np.ndarray]:
    """Windows `[windows, time, channels]` with their exercises, and the person of each."""
    watch = load_watch()
    windows, exercises, people = [], [], []
    for recording, exercise, person in zip(watch["X"], watch["y"], watch["subject"], strict=True):
        samples = recording[::EVERY].astype("float32")
        length, stride = SECONDS * RATE // EVERY, STRIDE * RATE // EVERY
        found = np.lib.stride_tricks.sliding_window_view(samples, length, axis=0)[::stride]
        windows.append(found.transpose(0, 2, 1))
        exercises += [exercise] * len(found)
        people += [person] * len(found)
    return data.Images(np.concatenate(windows), np.array(exercises)), np.array(people)


def convolutions(shape: tuple[int, ...], mean: np.ndarray, variance: np.ndarray) -> keras.Model:
    """Three strided convolutions and the mean over time, 64 features; normalises its input."""
    inputs = keras.Input(shape)
    x = layers.Normalization(mean=mean, variance=variance)(inputs)
    for filters in (32, 64, 64):
        x = layers.Conv1D(filters, 5, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(x))


if __name__ == "__main__":
    main()
