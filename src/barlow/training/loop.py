"""The epochs of a run, as one or two ``fit``."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from barlow import data, models
from barlow.recommendation import Recommendation
from barlow.training import checkpoints
from barlow.training.averages import fit_statistics


def train(
    model: models.BarlowTwins,
    images: data.Images,
    recommended: Recommendation,
    record: checkpoints.Record,
    callbacks: Sequence[keras.callbacks.Callback],
    write_skipped: Callable[[dict[str, str]], None],
) -> None:
    """Train the epochs that are left, until they are done or training is stopped.

    A training with a moving average of the weights ends with the averages in their place, and with
    the statistics of batch normalisation that belong to them.

    Args:
        model: Compiled model.
        images: Training images.
        recommended: Settings, none of them open.
        record: Where training stands.
        callbacks: Keras callbacks, among them ``record``.
        write_skipped: Keeps images that could not be read, after every epoch.
    """
    pixels = images.pixels
    steps, epochs = len(pixels) // recommended.batch_size, recommended.epochs
    parts = [] if record.ended_early else _parts(record.step, steps, epochs)

    # With a moving average, Keras ends a fit with the averages in place of the weights. On JAX both
    # are the same arrays, which the next `predict` donates: so they are copied.
    def own_weights(*_: Any) -> None:
        model.set_weights([np.copy(weight) for weight in model.get_weights()])

    for part in parts:
        given = pixels, recommended.batch_size, recommended.seed, record.step
        batches = data.Batches(*given, values_are_known=images.read is not None)  # of files
        weights: list[np.ndarray] = []  # those of the last step, if there is another part

        def end_of_epoch(*_: Any, batches=batches, part=part, weights=weights) -> None:
            write_skipped(batches.skipped)
            if part.stop < epochs:
                weights[:] = model.get_weights()

        with contextlib.closing(batches):  # Keras never ends with them
            model.fit(
                batches,
                initial_epoch=part.start,
                epochs=part.stop,
                steps_per_epoch=steps - record.step % steps,
                shuffle=False,  # the batches shuffle themselves
                callbacks=[
                    keras.callbacks.LambdaCallback(on_train_end=own_weights),
                    *callbacks,
                    keras.callbacks.LambdaCallback(on_epoch_end=end_of_epoch),
                ],
                verbose=0,
            )
        if model.stop_training:
            break
        if weights:
            model.set_weights(weights)
    if not parts:  # it had died after its last step
        model.optimizer.finalize_variable_values(model.trainable_variables)
        own_weights()
    write_skipped(fit_statistics(model, pixels, recommended))


def _parts(first_step: int, steps_per_epoch: int, epochs: int) -> list[range]:
    """Epochs that are left, by ``fit``: the rest of an interrupted epoch has its own."""
    begun, done = divmod(first_step, steps_per_epoch)
    whole = begun + bool(done)
    return [part for part in (range(begun, whole), range(whole, epochs)) if part]
