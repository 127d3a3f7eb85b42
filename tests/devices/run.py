"""One process of a run on several devices, which may be struck by a signal.

python run.py DEVICES FOLDER [PROCESS SIGNAL]

"{process}" in FOLDER is the number of the process.
"""
# ruff: noqa: E402 - devices must be there before anything runs

import os
import signal
import sys

DEVICES, FOLDER = int(sys.argv[1]), sys.argv[2]
BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND == "jax":
    flag = f" --xla_force_host_platform_device_count={DEVICES}"
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + flag
if BACKEND == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * DEVICES
    tf.config.set_logical_device_configuration(cpu, devices)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # for time

import keras
from small_run import train

from barlow import backend

STEP = 6  # of 4 an epoch


class Strike(keras.callbacks.Callback):
    """Sends a signal to this process, in a step of the second epoch."""

    def __init__(self, number):
        super().__init__()
        self.left, self.number = STEP, number

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


backend.join_processes()
callbacks = []
if len(sys.argv) > 3 and backend.process_index() == int(sys.argv[3]):
    callbacks.append(Strike(getattr(signal, sys.argv[4])))
wanted = DEVICES if BACKEND != "jax" or backend.process_count() == 1 else None
train(FOLDER.format(process=backend.process_index()), callbacks, wanted if DEVICES > 1 else None)
