"""One process of a training in a given time. The others know enough for a plan before it, or after.

python plan.py DEVICES FOLDER

"{process}" in FOLDER is the number of the process.
"""

import math
import sys

import keras

import barlow
from barlow import backend, data
from barlow.training import planning


class Ends(keras.callbacks.Callback):
    """Ends a training after its first epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


backend.join_processes()
index = backend.process_index()
planning._EPOCHS, planning._LEAST = 3, math.inf
planning._ENOUGH = math.inf if index else 0.0
barlow.pretrain(
    data.digits().pixels[:240],
    sys.argv[2].format(process=index),
    barlow.Settings(minutes=5, batch_size=60, encoder="small:network", projector=(16, 24)),
    [Ends()],
)
