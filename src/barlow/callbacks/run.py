"""The callbacks that every run has."""

import pathlib
import warnings

import keras

from barlow import data, evaluation
from barlow.callbacks.watch import Probe, Rank
from barlow.errors import MissingPackage

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
    random training images. Without tensorboardX there are no logs, and a warning says so.

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
        ValueError: If the images of ``probe`` have no labels or cannot be split.

    Example:
        >>> from barlow import callbacks
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> usual = callbacks.usual(folder, barlow.data.digits(), epochs=100)
        >>> [type(callback).__name__ for callback in usual]
        ['Rank', 'TensorBoard']
    """
    every = max(1, epochs // _LOOKS)
    watching: list[keras.callbacks.Callback] = []
    if probe is None:
        shown = data.in_memory(data.sample(images, _PICTURES, seed))
    else:
        train, test = evaluation.split(probe, seed=seed)
        watching.append(Probe(train, test, every=every))
        shown = test[:_PICTURES]
    watching.append(Rank(shown.pixels, every=every))
    try:
        from barlow.callbacks.tensorboard import TensorBoard  # noqa: PLC0415 - if it can be

        watching.append(TensorBoard(log_dir, shown.pixels, shown.labels, every=every))
    except MissingPackage as missing:
        warnings.warn(f"The run has no logs for TensorBoard. {missing}", stacklevel=2)
    return watching
