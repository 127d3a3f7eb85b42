"""Seconds of a training step on one or two devices, in one line of JSON; see `devices_cost.py`.

    KERAS_BACKEND=... python benchmarks/_devices_cost_worker.py alone|idle|two
    KERAS_BACKEND=torch torchrun --nproc-per-node 2 benchmarks/_devices_cost_worker.py link

The last one gives the speed of the link between the two, and of products.
"""
# ruff: noqa: E402 - devices must be there before anything runs

import contextlib
import json
import os
import sys
import time

CASE = sys.argv[1]
BACKEND = os.environ["KERAS_BACKEND"]
DEVICES = 1 if CASE in ("alone", "idle") else 2
if BACKEND == "jax":
    os.environ["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={DEVICES}"
if BACKEND == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * DEVICES
    tf.config.set_logical_device_configuration(cpu, logical)

import keras
import numpy as np

import barlow
from barlow import backend

BATCH, IMAGES, WARM, STEPS = 256, 4096, 5, 40


class Timer(keras.callbacks.Callback):
    """From the end of the first steps to that of the last; and what of it was waiting."""

    step, waited = 0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step == WARM:
            self.begin, Timer.waited = time.perf_counter(), 0.0
        self.end = time.perf_counter()


def timed(function):
    """The function, with its time added to what was waited."""

    def run(*arguments, **options):
        begin = time.perf_counter()
        result = function(*arguments, **options)
        Timer.waited += time.perf_counter() - begin
        return result

    return run


def place():
    """Where the model is built and trained."""
    if CASE == "alone" or BACKEND == "torch":
        return contextlib.nullcontext()
    if BACKEND == "jax":
        return keras.distribution.DataParallel(
            devices=keras.distribution.list_devices(), auto_shard_dataset=False
        ).scope()
    return tf.distribute.MirroredStrategy([f"cpu:{index}" for index in range(DEVICES)]).scope()


def speed_of_link():
    """Gigabytes that a process receives per second, and 1e12 operations per second of products."""
    import torch
    from torch import distributed

    own = torch.ones(2**22)
    parts = [torch.empty_like(own) for _ in range(DEVICES)]
    matrix = torch.ones(2048, 2048)
    seconds = {"gather": [], "product": []}
    for _ in range(20):
        for name, run in (
            ("gather", lambda: distributed.all_gather(parts, own)),
            ("product", lambda: matrix @ matrix),
        ):
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    gather, product = (float(np.median(seconds[name])) for name in ("gather", "product"))
    return {
        "gigabytes_per_second": (DEVICES - 1) * own.numel() * 4 / 1e9 / gather,
        "teraflops": 2 * len(matrix) ** 3 / 1e12 / product,
    }


backend.join_processes()
if CASE == "link":
    speed = speed_of_link()
    if backend.process_index() == 0:
        print(json.dumps(speed), flush=True)
    sys.exit()
if BACKEND == "torch" and CASE != "alone":
    from torch import distributed

    distributed.all_gather = timed(distributed.all_gather)
    distributed.all_reduce = timed(distributed.all_reduce)

images = np.random.default_rng(0).integers(0, 256, (IMAGES, 28, 28, 1), "uint8")
settings = barlow.Settings(batch_size=BATCH, optimizer="adamw")
recommended = barlow.recommend(IMAGES, images.shape[1:], settings)
shard = (backend.process_index(), backend.process_count())
with place():
    model = barlow.BarlowTwins(
        barlow.models.encoder(recommended.encoder, images.shape[1:]),
        recommended.projector,
        barlow.views.ImageViews(recommended.views, seed=0),
    )
    model.compile(barlow.recommendation.optimizer(recommended, IMAGES))
    timer = Timer()
    batches = barlow.data.Batches(images, BATCH, 0, shard=shard)
    model.fit(
        batches,
        steps_per_epoch=WARM + STEPS,
        shuffle=False,
        callbacks=[timer],
        verbose=0,
    )
if backend.process_index() == 0:
    seconds = (timer.end - timer.begin) / STEPS
    print(json.dumps({"seconds": seconds, "waiting": Timer.waited / STEPS}), flush=True)
