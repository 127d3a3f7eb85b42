"""Logs for TensorBoard, with any backend."""

import functools
import pathlib
from typing import Any

import keras
import numpy as np
from keras import ops

from barlow import errors, models, own
from barlow.callbacks.watch import check_every
from barlow.embedding import embed
from barlow.errors import InvalidInput

with errors.extra("cli", "Logging for TensorBoard"):
    import matplotlib as mpl
    import tensorboardX

_FEATURES = 256  # of a cross-correlation, at most
_THUMBNAIL = 32  # pixels


class TensorBoard(keras.callbacks.Callback):
    """Logs for TensorBoard, on any backend.

    At the end of every epoch: the metrics, including those of callbacks before this one, and the
    learning rate. At the end of training: the features of some images, for the embedding projector.
    For a :class:`barlow.BarlowTwins` also the cross-correlation of two views of these images, its
    first 256 features: red is 1, blue is -1. Open them with ``tensorboard --logdir LOG_DIR``.

    Args:
        log_dir: Folder of the logs.
        images: Some images, shape ``[images, height, width, channels]``, values 0 .. 255; a few
            hundred show enough. Defaults to ``None``, only metrics.
        labels: Their labels, for the embedding projector. Defaults to ``None``.
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
        self._log_dir = log_dir
        self._write = functools.partial(tensorboardX.SummaryWriter, str(log_dir))
        self._colours = mpl.colormaps["RdBu_r"]
        self._images, self._labels, self._every = images, labels, every

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Open the logs."""
        self._writer, self._epoch, self._apart = self._write(), 0, None
        views = getattr(self.model, "views", None)
        if self._images is not None and isinstance(self.model, models.BarlowTwins) and views:
            # A copy: the state of the model's own views belongs to the training.
            views = type(views).from_config(views.get_config())
            self._apart = models.BarlowTwins(
                self.model.encoder, self.model.projector, views, self.model.objective
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the metrics, and every ``every``-th epoch the cross-correlation."""
        self._epoch = epoch + 1
        rate = {"learning_rate": self.model.optimizer.learning_rate}
        for name, value in {**(logs or {}), **rate}.items():
            self._writer.add_scalar(name, float(value), self._epoch)
        if self._apart and self._epoch % self._every == 0:
            correlation = self._apart.cross_correlation(self._images, _FEATURES)
            picture = self._colours((correlation + 1) / 2)[..., :3]
            self._writer.add_image("cross-correlation", picture, self._epoch, dataformats="HWC")
        self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Log the features of the images, and close the logs."""
        if self._images is not None:
            with np.errstate(all="ignore"):  # its empty thumbnails are uninitialised memory
                self._writer.add_embedding(
                    embed(getattr(self.model, "encoder", self.model), self._images).vectors,
                    metadata=None if self._labels is None else list(self._labels),
                    label_img=_thumbnails(self._images),
                    global_step=self._epoch,
                    tag="features",
                )
            for sprite in pathlib.Path(self._log_dir).glob(f"*/features/{own.SPRITE}"):
                own.mark(sprite)
        self.close()

    def close(self) -> None:
        """Close the logs; needed only after a ``fit`` that failed, to end their threads."""
        if hasattr(self, "_writer"):
            self._writer.close()


def _thumbnails(images: Any) -> np.ndarray:
    """Small square pictures, shape ``[images, 3, height, width]``, values 0 .. 1."""
    small = ops.image.resize(ops.cast(images, "float32"), (_THUMBNAIL, _THUMBNAIL))
    pixels = np.clip(ops.convert_to_numpy(small)[..., :3] / 255, 0, 1)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3)).transpose(0, 3, 1, 2)
