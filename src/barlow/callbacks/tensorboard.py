"""Logs for TensorBoard, with any backend."""

import contextlib
import pathlib
import socket
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import backend, data, errors, losses, models, own
from barlow.callbacks.watch import check_every
from barlow.embedding import embed
from barlow.errors import InvalidInput
from barlow.text import printable

with errors.extra("cli", "Logging for TensorBoard"):
    import matplotlib as mpl
    from tensorboardX import SummaryWriter, summary
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter, directory_check

_FEATURES = 256  # of a cross-correlation, at most
_BATCH = 32  # images
_THUMBNAIL = 32  # pixels


class TensorBoard(keras.callbacks.Callback):
    """Logs for TensorBoard, on any backend.

    At the end of every epoch: the metrics, including those of callbacks before this one, and the
    learning rate. At the end of training: the features of some images, for the embedding projector.
    For a :class:`barlow.BarlowTwins` also the cross-correlation of two views of these images, its
    first 256 features: red is 1, blue is -1. Open them with ``tensorboard --logdir LOG_DIR``.

    What cannot be written or computed is missing from the logs, a warning says so, and training
    continues. NaN or Inf in the features raises a ``FloatingPointError``, as from :class:`Probe`.

    Args:
        log_dir: Folder of the logs; made if it does not exist.
        images: Some images, shape ``[images, height, width, channels]``, values 0 .. 255; a few
            hundred show enough. Defaults to ``None``, only metrics.
        labels: Their labels, for the embedding projector: of any type, shown as text in which tabs,
            line breaks and what cannot be printed are escaped. Defaults to ``None``.
        every: Epochs between two cross-correlations, >= 1. Defaults to 1.

    Raises:
        ModuleNotFoundError: If tensorboardX or Matplotlib is not installed.
        ValueError: If ``every`` is below 1, or labels and images differ in number.

    Example:
        >>> from barlow import callbacks
        >>> model = barlow.BarlowTwins(
        ...     barlow.models.encoder("conv", (8, 8, 1)), views=barlow.views.ImageViews("glyphs")
        ... )
        >>> model.compile("adamw")
        >>> folder, digits = tempfile.mkdtemp(), barlow.data.digits()
        >>> board = callbacks.TensorBoard(folder, digits.pixels[:64], digits.labels[:64])
        >>> history = model.fit(digits.pixels[:512], callbacks=[board], verbose=0)
        >>> any("tfevents" in path.name for path in pathlib.Path(folder).iterdir())
        True
    """

    def __init__(
        self,
        log_dir: str | pathlib.Path,
        images: Any = None,
        labels: np.ndarray | None = None,
        every: int = 1,
    ):
        super().__init__()
        check_every(every)
        if labels is not None and (images is None or len(images) != len(labels)):
            raise InvalidInput(
                "There must be one label for each image. Received: "
                f"{len(labels)} labels, {0 if images is None else len(images)} images."
            )
        self._log_dir, self._every = str(log_dir), every
        self._images, self._labels = images, labels
        self._colours = mpl.colormaps["RdBu_r"]
        self._close: Callable[[], Any] = lambda: None  # there is nothing open yet

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the logs."""
        self._records, self._epoch = None, 0
        self._correlates = (
            self._images is not None
            and isinstance(self.model, models.BarlowTwins)
            and self.model.views is not None
        )
        with errors.as_warning("There are no logs for TensorBoard"):
            directory_check(self._log_dir)
            # No `SummaryWriter`: its thread ends when the disk is full, and then training hangs.
            name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
            records = RecordWriter(f"{self._log_dir}/{name}")
            self._close = weakref.finalize(self, records.close)  # also after an interrupt
            _write(records, file_version="brain.Event:2")
            self._records = records

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the metrics, and every ``every``-th epoch the cross-correlation."""
        self._epoch = epoch + 1
        self._log(self._metrics(logs or {}))
        if not self._records or not self._correlates or self._epoch % self._every:
            return
        self._correlates = False
        with errors.as_warning(f"The logs have no cross-correlation from epoch {epoch + 1} on"):
            picture = self._colours((self._correlation() + 1) / 2)[..., :3]
            self._log([summary.image("cross-correlation", picture, dataformats="HWC")])
            self._correlates = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Log the features of the images, and close the logs."""
        if self._records is None:
            return
        self.close()
        if self._images is not None:
            with errors.as_warning("The logs for TensorBoard have no features"):
                self._log_features()

    def close(self) -> None:
        """Close the logs; needed only after a ``fit`` that failed."""
        self._records = None
        with errors.as_warning("The logs for TensorBoard are not complete"):
            self._close()

    def _log(self, summaries: Iterable[Any]) -> None:
        """Add to the logs, until that fails."""
        records, self._records = self._records, None
        if records is None:
            return
        with errors.as_warning(f"The logs for TensorBoard end before epoch {self._epoch}"):
            for each in summaries:
                _write(records, step=self._epoch, summary=each)
            records.flush()
            self._records = records
        if self._records is None:
            with contextlib.suppress(OSError):
                self._close()

    def _metrics(self, logs: dict[str, Any]) -> Iterator[Any]:
        optimizer = getattr(self.model, "optimizer", None)
        rate = {"learning_rate": optimizer.learning_rate} if optimizer else {}
        for name, value in {**logs, **rate}.items():
            with contextlib.suppress(TypeError, ValueError):  # metrics that are no numbers
                yield summary.scalar(name, float(value))

    def _correlation(self) -> np.ndarray:
        """Cross-correlation of two views of the images, which leaves the training as it is.

        The views draw their next values, and then get back the random state that they had.
        """
        model, variables = self.model, list(getattr(self.model.views, "variables", ()))
        # Copies: a backend may compute the next state in the same memory.
        states = [np.copy(ops.convert_to_numpy(variable)) for variable in variables]
        try:
            # Not `predict`: if that fails, Keras with JAX leaves the model without its weights.
            embeddings = [
                backend.predict(model, self._images[i : i + _BATCH])
                for i in range(0, len(self._images), _BATCH)
            ]
        finally:
            for variable, state in zip(variables, states, strict=True):
                variable.assign(state)
        za, zb = (
            np.concatenate([np.asarray(z[:, :_FEATURES], "float32") for z in view])
            for view in zip(*embeddings, strict=True)
        )
        return ops.convert_to_numpy(losses.cross_correlation(za, zb))

    def _log_features(self) -> None:
        images = data.Images(ops.convert_to_numpy(self._images))  # whose values are 0 .. 255
        # It writes files of its own, and no events.
        writer = SummaryWriter(self._log_dir, write_to_disk=False)
        with np.errstate(all="ignore"):  # its empty thumbnails are uninitialised memory
            writer.add_embedding(
                embed(getattr(self.model, "encoder", self.model), images).vectors,
                metadata=None if self._labels is None else list(map(_line, self._labels)),
                label_img=_thumbnails(self._images),
                global_step=self._epoch,
                tag="features",
            )
        for sprite in pathlib.Path(self._log_dir).glob(f"*/features/{own.SPRITE}"):
            own.mark(sprite)


def _write(records: RecordWriter, **event: Any) -> None:
    records.write(Event(wall_time=time.time(), **event).SerializeToString())


def _line(label: Any) -> str:
    """A label as a line that TensorBoard shows; it skips empty ones, and labels would shift."""
    return printable(label).strip() or "(empty)"


def _thumbnails(images: Any) -> np.ndarray | None:
    """Small square pictures, shape ``[images, 3, height, width]``, values 0 .. 1."""
    if len(images.shape) != 4:  # signals, or rows of a table
        return None
    small = ops.image.resize(ops.cast(images, "float32"), (_THUMBNAIL, _THUMBNAIL))
    pixels = np.clip(ops.convert_to_numpy(small) / 255, 0, 1)
    if pixels.shape[3] not in (1, 3):  # the first ones, as of colour with something more
        pixels = pixels[..., : 3 if pixels.shape[3] > 3 else 1]
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3)).transpose(0, 3, 1, 2)
