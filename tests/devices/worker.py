"""One process of a training on several devices; writes what it computed, as one on one device does.

    python worker.py REPLICAS FOLDER [FLOATS]

TensorFlow and JAX: so many devices of this process. PyTorch: a process of so many, by torchrun.
"""
# ruff: noqa: E402 - devices must be there before anything runs

import contextlib
import dataclasses
import os
import pathlib
import sys
import warnings

REPLICAS, FOLDER = int(sys.argv[1]), pathlib.Path(sys.argv[2])
FLOATS = (sys.argv[3:] or ["float32"])[0]
BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "jax":
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + f" --xla_force_host_platform_device_count={REPLICAS}"
    )
    os.environ["JAX_ENABLE_X64"] = str(int(FLOATS == "float64"))
if BACKEND == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
    tf.config.set_logical_device_configuration(cpu, devices)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # for time

import keras
import numpy as np
from differentiation import differentiate

import barlow
from barlow import backend, data
from barlow.losses import Barlow

SAMPLES, FEATURES = 17, {"gram": 30, "correlation": 6}
# Of a fit: TensorFlow and JAX want a multiple of the number of devices.
BATCH = 35 if BACKEND == "torch" else 36
FEW = 4 if BACKEND == "jax" else 2  # with so many devices everything is computed
SIZES = {1: [17], 2: [9, 8], 4: [5, 1, 0, 11]}[REPLICAS]
OPTIMIZERS = {
    "adamw": lambda: keras.optimizers.AdamW(1e-3),
    "lars": lambda: barlow.optimizers.LARS(0.2),
    # With a small epsilon a weight without gradient moves by the sign of a rounding error.
    "muon": lambda: barlow.optimizers.Muon(1e-3, epsilon=1e-3),
}
GLYPHS = dataclasses.replace(barlow.views.RECIPES["glyphs"], noise=0.05)
# Which TensorFlow traces in a quarter of the time. With views that differ less, a disturbance of
# the first weights in their last digit moves the metrics by 9e-7.
NOISE = barlow.views.Recipe(noise=0.2)
VIEWS = {
    **{("dense", "adamw"): GLYPHS, ("conv", "muon"): GLYPHS},
    **{("dense", "lars"): NOISE, ("dense", "muon"): NOISE},
}


def samples(form, dtype):
    """Embeddings of both views, weights and a mask of a global batch."""
    rng = np.random.default_rng(0)
    za = rng.normal(3.0, 2.0, (SAMPLES, FEATURES[form]))
    zb = za + rng.normal(size=za.shape)
    weights, mask = rng.uniform(0.5, 2.0, SAMPLES), rng.uniform(size=SAMPLES) < 0.7
    return za.astype(dtype), zb.astype(dtype), weights.astype(dtype), mask


def losses_of_rows(own):
    """By name, weighted values and their gradients for the rows of this replica, a slice."""
    found = {}
    for form in FEATURES:
        for dtype in ("float32", "float64"):
            za, zb, weights, mask = (values[own] for values in samples(form, dtype))
            for name, kept in (("all", None), ("masked", mask)):
                name = f"{form} {dtype} {name}"  # noqa: PLW2901

                def weighted(a, b, dtype=dtype, weights=weights, kept=kept, name=name):
                    if kept is not None:
                        b._keras_mask = keras.ops.convert_to_tensor(kept)
                    values = Barlow(reduction="none", dtype=dtype)(a, b)
                    values = values * keras.ops.convert_to_tensor(weights)
                    found[f"{name} values"] = keras.ops.convert_to_numpy(values)
                    return keras.ops.sum(values)

                _, gradients = differentiate(weighted, za, zb)
                for which, gradient in zip("ab", gradients, strict=True):
                    found[f"{name} d{which}"] = gradient
    return found


class Idle(keras.layers.Layer):
    """Has a weight without a part in the outputs, whose gradient does not exist."""

    def build(self, input_shape):
        self.weight = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x):
        return x


def network(kind, normalized):
    inputs = x = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 255)(x)
    if kind == "conv":
        x = keras.layers.Conv2D(8, 3, use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.Dense(16, use_bias=False)(Idle()(keras.layers.Flatten()(x)))
    x = keras.layers.BatchNormalization()(x) if normalized else x
    return keras.Model(inputs, keras.layers.Activation("tanh")(x))


def devices_scope():
    if REPLICAS == 1 or BACKEND == "torch":
        return contextlib.nullcontext()
    return backend.on_devices("all")


def pairs():
    """Endless batches of pairs that never change.

    Copies: on several logical CPUs TensorFlow computes in the memory of arrays that it is given.
    """
    rng = np.random.default_rng(0)
    first = rng.uniform(0, 255, (BATCH, 8, 8, 1))
    second = first + rng.normal(0, 20, first.shape)
    while True:
        yield ((first.copy(), second.copy()),)


class Keep(keras.callbacks.Callback):
    """Keeps the weights after the first step and after the last."""

    def __init__(self, found, name):
        super().__init__()
        self.found, self.name = found, name

    def keep(self, when):
        weights = [keras.ops.convert_to_numpy(weight) for weight in self.model.trainable_variables]
        self.found[f"{self.name} {when}"] = np.concatenate([weight.ravel() for weight in weights])

    def on_train_batch_end(self, batch, logs=None):
        if f"{self.name} first" not in self.found:
            self.keep("first")

    def on_train_end(self, logs=None):
        self.keep("last")


def fits(kinds, disturbed=0.0):
    """By name, weights after 1 and 20 steps, and the metrics, of small networks."""
    found = {}
    images = np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1)).astype("uint8")
    for kind, optimizer in kinds:
        keras.utils.set_random_seed(1)
        with devices_scope():
            # Views, and on JAX Keras' batch normalisation, are float32 whatever the floats.
            exact = FLOATS == "float64"
            views = None if exact else barlow.views.ImageViews(VIEWS[kind, optimizer], seed=3)
            projector = (24,) if exact else (16, 24)
            model = barlow.BarlowTwins(network(kind, not exact), projector, views)
            if disturbed:
                random = np.random.default_rng(0)
                for weight in model.trainable_variables:
                    noise = random.normal(size=weight.shape).astype("float32")
                    weight.assign(keras.ops.convert_to_numpy(weight) * (1 + disturbed * noise))
            model.compile(OPTIMIZERS[optimizer]())
            name = f"{kind} {optimizer}"
            batches = pairs() if exact else data.Batches(images, BATCH, seed=0)
            history = model.fit(
                batches,
                steps_per_epoch=5,
                epochs=4,
                shuffle=False,
                verbose=0,
                callbacks=[Keep(found, name)],
            ).history
        terms = [history[term] for term in ("loss", "invariance", "redundancy")]
        found[f"{name} metrics"] = np.array(terms)
    return found


def weighted_fit():
    """Weights after a fit with weighted samples, whose last batch leaves a device without any.

    Not of three samples: normalised by those, a disturbance of 1e-7 comes out as 3e-6.
    """
    found = {}
    images = np.random.default_rng(1).integers(0, 256, (BATCH + 12, 8, 8, 1)).astype("uint8")
    weights = np.random.default_rng(2).uniform(0.5, 2.0, len(images))
    keras.utils.set_random_seed(1)
    with devices_scope():
        views = barlow.views.ImageViews("glyphs", seed=3)
        model = barlow.BarlowTwins(network("dense", True), (16, 24), views)
        model.compile(barlow.optimizers.LARS(0.2))
        model.fit(
            images,
            np.zeros(len(images)),
            sample_weight=weights,
            batch_size=BATCH,
            shuffle=False,
            verbose=0,
            callbacks=[Keep(found, "dense weighted")],
        )
    return found


def refusals():
    """What is said where the training would not be that of one device."""
    said = {}

    def keep(name, action):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                action()
            except ValueError as error:
                said[name] = np.array(str(error))
                return
        said[name] = np.array(" ".join(str(each.message) for each in caught))

    def model_of(axis):
        inputs = keras.Input((8, 8, 1))
        x = keras.layers.BatchNormalization(axis=axis, name="normal")(inputs)
        x = keras.layers.Dropout(0.1)(keras.layers.Flatten()(x))
        views = barlow.views.ImageViews("glyphs", seed=0)
        return barlow.BarlowTwins(keras.Model(inputs, x), (8,), views)

    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1)).astype("uint8")
    with devices_scope():
        model = model_of(axis=-1)
        if BACKEND != "torch":
            keep("indivisible", lambda: fit(model, data.Batches(images, 2 * REPLICAS + 1, 0)))
        if BACKEND == "jax":
            return said
        keep("jit", lambda: model.compile("sgd", jit_compile=True))
        keep("steps", lambda: model.compile("sgd", steps_per_execution=2))
        other = model_of(axis=1)
        keep("local", lambda: fit(other, data.Batches(images, 4 * REPLICAS, 0)))
        if BACKEND == "torch":
            from torch.distributed.fsdp import fully_shard

            keep("same", lambda: fit(model, images))
            fully_shard(model.encoder)
            keep("fully_shard", lambda: fit(model, data.Batches(images, 12, 0)))
    return said


def fit(model, x):
    model.compile("sgd")
    model.fit(x, steps_per_epoch=1, batch_size=12, verbose=0, shuffle=False)


def write(found, rank=0):
    np.savez(FOLDER / f"{REPLICAS}-{rank}.npz", **found)


def main():
    keras.config.set_floatx(FLOATS)
    # For time many have one optimizer: tracing takes seconds.
    kinds = [("dense", "adamw")]
    if REPLICAS in (1, FEW) and FLOATS == "float32":
        kinds += [("dense", "lars"), ("dense", "muon"), ("conv", "muon")]
    bounds = np.cumsum([0, *SIZES])
    if BACKEND == "torch" and REPLICAS > 1:
        backend.join_processes()
    rank = backend.process_index()
    found = fits(kinds)
    if REPLICAS == 1 and FLOATS == "float32":
        disturbed = fits([("conv", "muon")], 1e-7)
        found |= {f"disturbed {name}": values for name, values in disturbed.items()}
    if BACKEND == "tensorflow" and FLOATS == "float32" and REPLICAS <= 2:
        found |= weighted_fit()
    if REPLICAS == FEW and FLOATS == "float32":
        found |= {f"said of {name}": text for name, text in refusals().items()}
    if BACKEND == "torch":
        found |= losses_of_rows(slice(bounds[rank], bounds[rank + 1]))
    elif BACKEND == "tensorflow" and FLOATS == "float32":
        if REPLICAS == 1:
            found |= losses_of_rows(slice(0, SAMPLES))
        else:
            found |= losses_under_a_strategy(bounds)
    write(found, rank)


def losses_under_a_strategy(bounds):
    import tensorflow as tf

    with devices_scope():
        strategy = tf.distribute.get_strategy()

    def of_replica():
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        return losses_of_rows(slice(bounds[index], bounds[index + 1]))

    found = strategy.run(of_replica)
    return {
        name: np.concatenate(
            [np.asarray(part) for part in strategy.experimental_local_results(values)]
        )
        for name, values in found.items()
    }


main()
