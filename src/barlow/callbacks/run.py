"""The callbacks that every run has."""

import pathlib

import keras

from barlow import data, errors, evaluation
from barlow.callbacks.watch import Probe, Rank

_LOOKS = 20  # at the encoder, in a training
_PICTURES = 512  # images whose features are ranked and shown


def usual(
    log_dir: pathlib.Path,
    images: data.Images,
    epochs: int,
    seed: int = 0,
    probe: data.Images | None = None,
) -> list[keras.callbacks.Callback]:
    """Callbacks that look at an encoder some twenty times in a training.

    With labelled images: :class:`Probe`, trained on three quarters of them and tested on the rest.
    Always: :class:`Rank` and :class:`TensorBoard`, on the test images of the probe or else on
    random training images. What cannot be looked at, such as logs without tensorboardX, is missing
    and never stops the training: a warning says so.

    Args:
        log_dir: Folder of the logs for TensorBoard.
        images: Training images.
        epochs: Epochs of the training.
        seed: Seed of the choice of images. Defaults to 0.
        probe: Labelled images. Defaults to ``None``, no probes.

    Returns:
        Keras callbacks, in the order in which ``fit`` needs them.

    Raises:
        ModuleNotFoundError: If probes are asked for and scikit-learn is not installed.
        ValueError: If the images of ``probe`` have no labels or fewer than two classes.

    Example:
        >>> from barlow import callbacks
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> usual = callbacks.usual(folder, barlow.data.digits(), epochs=100)
        >>> [type(callback).__name__ for callback in usual]
        ['Rank', 'TensorBoard']
    """
    every = epochs_between_looks(epochs)
    watching: list[keras.callbacks.Callback] = []
    if probe is None:
        chosen = data.sample(images, _PICTURES, seed)
    else:
        train, chosen = evaluation.split(probe, seed=seed)
        watching.append(Probe(train, chosen, every=every))
    shown = None
    with errors.as_warning("The run has no rank of the features, and no pictures of them"):
        shown = data.in_memory(chosen[:_PICTURES])
        watching.append(Rank(shown, every=every))
    with errors.as_warning("The run has no logs for TensorBoard"):
        from barlow.callbacks.tensorboard import TensorBoard  # noqa: PLC0415 - if it can be

        pixels, labels = (None, None) if shown is None else (shown.pixels, shown.labels)
        watching.append(TensorBoard(log_dir, pixels, labels, every))
    return watching


def epochs_between_looks(epochs: int) -> int:
    """After how many epochs the callbacks of :func:`usual` look at the encoder, of so many."""
    return max(1, epochs // _LOOKS)
