"""What an encoder of table rows is worth, learned from the values of rows without labels.

    pip install 'barlow[jax,bench]'
    python benchmarks/quality_tables.py [--validate]

The data come with river: the image segments of UCI, 2,310 rows of 18 measurements (colours, edges,
position) of a piece of a photograph, of 7 kinds.

A third of the rows was set aside for choosing settings (`--validate` learns from three fifths of
it and tests on the rest). Six were tried there, on two splits each: rates of 0.3 and 0.6 with one
or both views corrupted, a shallow encoder, and small batches for many steps, which did best and
are used here (then with a projector of half the width). Every split of the table tests on another
draw of a quarter of all rows, never from that third, and learns from all others.
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from _probes import learn, means, part, probe, report, show
from keras import layers
from river import datasets
from sklearn.model_selection import train_test_split

import barlow
from barlow import data

RATE = 0.3
STEPS, BATCH_SIZE = 2000, 64
SPLITS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="test on the rows set aside")
    validate = parser.parse_args().validate

    rows = load()
    aside, others = np.split(np.arange(len(rows)), [len(rows) // 3])
    candidates, fraction = (aside, 0.4) if validate else (others, len(rows) // 4)
    runs = []
    for seed in range(SPLITS):
        _, tested = train_test_split(
            candidates, test_size=fraction, stratify=rows.labels[candidates], random_state=seed
        )
        train = part(rows, np.setdiff1d(aside if validate else np.arange(len(rows)), tested))
        keras.utils.set_random_seed(seed)
        encoder = perceptron(train.pixels)
        views = barlow.views.TableViews(RATE, seed=seed)
        learn(encoder, views, train.pixels, STEPS, BATCH_SIZE, seed)
        runs.append(probe(encoder, train, part(rows, tested), seed))
    if validate:
        show(means(runs))
    else:
        backend = keras.backend.backend()
        report("quality_tables", runs, backend=backend)


def load() -> data.Images:
    """Rows `[rows, 18]` with their kinds, in an order drawn once."""
    rows = list(datasets.ImageSegments())
    values = np.array([list(row.values()) for row, _ in rows], "float32")
    order = np.random.default_rng(0).permutation(len(rows))
    return data.Images(values[order], np.array([kind for _, kind in rows])[order])


def perceptron(rows: np.ndarray) -> keras.Model:
    """Two hidden layers and a linear one, 128 features; normalises its input."""
    inputs = keras.Input(rows.shape[1:])
    x = layers.Normalization(mean=rows.mean(0), variance=rows.var(0) + 1e-6)(inputs)
    for _ in range(2):
        x = layers.Dense(128, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(128)(x))


if __name__ == "__main__":
    main()
