"""A run is a folder that explains itself.

    config.json         every setting and its reason
    metrics.jsonl       one line per epoch
    images.npz          hashes of the training images, by which a resumed run knows its images
    skipped.json        images that could not be read, and why; if there are any
    correlation.npz     cross-correlation of the two views before and after training
    checkpoints/        where training stands, until it is complete
    encoder.keras       the encoder: images with values 0 .. 255 to features
    model.keras         encoder, projector, views, loss and optimizer
    training.png        loss and cross-correlations as a picture
    tensorboard/        logs for TensorBoard
    evaluation.json     what the encoder is worth, by `barlow evaluate`
    confusion.png       which classes are taken for which, by the same

Every file but the growing ``metrics.jsonl`` is written beside its place and renamed when it is on
the disk: a file that is there is complete. While a process trains, the folder also has the file
``.lock``, see :mod:`barlow.lock`.

JSON has no NaN and no Inf: both are ``null`` in the files.
"""

import json
import math
import os
import pathlib
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from barlow import backend, lock, own, resizing
from barlow.errors import InvalidInput
from barlow.own import CHECKPOINTS, CONFIG, CORRELATION, IMAGES, PICTURE, TENSORBOARD
from barlow.paths import as_path, replacing

if TYPE_CHECKING:  # a taken place is refused before Keras is imported
    import keras

METRICS = "metrics.jsonl"
SKIPPED, EVALUATION = "skipped.json", "evaluation.json"
REMOVED = ".checkpoints.removed"  # while they are
ENCODER = "encoder.keras"
MODEL = "model.keras"
CONFUSION = "confusion.png"


def check_free(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path, if a run can be written there.

    Raises:
        FileExistsError: If the path exists and is not an empty folder.
    """
    run = as_path(path)
    if is_run(run):
        raise FileExistsError(
            f"There is a run at {run} already. Resume it (--resume, resume=True), replace it "
            "(--overwrite, overwrite=True) or choose another folder."
        )
    if run.exists() and not is_empty(run):
        raise FileExistsError(f"{run} exists and is not a run. Choose another folder.")
    return run


def is_empty(folder: pathlib.Path) -> bool:
    """Whether it is a folder with nothing in it but a lock, and files that a kill left unfinished.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> (folder / ".model.partial.keras").touch()
        >>> barlow.runs.is_empty(folder)
        True
    """
    return folder.is_dir() and all(
        path.name == lock.NAME or ".partial" in path.name for path in folder.iterdir()
    )


def check_place(
    path: str | os.PathLike[str], *, resume: bool = False, overwrite: bool = False
) -> pathlib.Path:
    """The path, if a run can be written there now; to be asked before minutes of reading.

    A place where there is nothing is tried out: the folder is made and deleted again.

    Args:
        path: Folder of a run; ``~`` is the home folder.
        resume: Whether a run that is there is resumed. Defaults to False.
        overwrite: Whether a run that is there is replaced. Defaults to False.

    Raises:
        FileExistsError: If the path exists and is not an empty folder, unless it is a run to be
            resumed or overwritten; or if another process trains there.
        InvalidInput: If the run is to be both resumed and overwritten.
        OSError: If nothing can be written there.
    """
    if resume and overwrite:
        raise InvalidInput("A run is either resumed or overwritten. Received: both.")
    run = as_path(path)
    try:
        if not (is_run(run) and (resume or overwrite)):
            check_free(run)
        if not (resume and is_complete(run)):  # which stays as it is
            with lock.locked(run):
                pass
    except FileExistsError:
        raise
    except OSError as error:
        raise type(error)(
            f"No run can be written at {run}: {error.strerror}. Choose another folder."
        ) from error
    return run


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether there is a run at the path, complete or not: others have a ``config.json``, too."""
    return own.is_run(as_path(path))


def is_complete(path: str | os.PathLike[str]) -> bool:
    """Whether there is a run at the path that has trained all its epochs."""
    run = as_path(path)
    return is_run(run) and (run / MODEL).is_file() and not (run / CHECKPOINTS).exists()


def clear(path: str | os.PathLike[str]) -> None:
    """Delete the files of a run; other files in its folder stay.

    Raises:
        FileExistsError: If the path exists and is not a run.
    """
    run = as_path(path)
    if not is_run(run):
        check_free(run)
        return
    (run / MODEL).unlink(missing_ok=True)  # first: without checkpoints it says complete
    for folder in (CHECKPOINTS, REMOVED, TENSORBOARD):
        shutil.rmtree(run / folder, ignore_errors=True)
    numbered = [name.replace(".", "*.") for name in (EVALUATION, CONFUSION)]
    for file in (
        *(run / name for name in (METRICS, IMAGES, SKIPPED, CORRELATION, ENCODER, PICTURE)),
        *(path for pattern in numbered for path in run.glob(pattern)),
        *run.glob(".*.partial.*"),
        run / CONFIG,  # last: without it the folder is no run
    ):
        file.unlink(missing_ok=True)


def load_encoder(run: str | os.PathLike[str]) -> "keras.Model":
    """The encoder of a run, or of a ``.keras`` file, not compiled.

    Raises:
        FileNotFoundError: If the path has no encoder.
        ValueError: If the encoder came from ``module:function`` and the function is gone.
    """
    path = as_path(run)
    if path.suffix == ".keras" and path.is_file():
        from barlow import models  # noqa: PLC0415

        return models.check_is_encoder(_load(path, run), run)
    path /= ENCODER
    if not path.is_file():
        raise FileNotFoundError(
            f"{run} is not a finished run: it has no {ENCODER}. Make one with "
            "`barlow pretrain`, or resume one with `--resume`."
        )
    return _load(path, run)


def load_views(run: str | os.PathLike[str]) -> "keras.layers.Layer | None":
    """The layer that makes the random views of a run; ``None`` of a ``.keras`` file, or of a copy.

    It takes inputs and returns two views of each. A copy of a run may have no ``model.keras``.
    """
    path = as_path(run) / MODEL
    return getattr(_load(path, run), "views", None) if path.is_file() else None


def _load(path: pathlib.Path, run: str | os.PathLike[str]) -> "keras.Model":
    from barlow import models  # noqa: PLC0415

    name = str(read_config(run).get("encoder")) if is_run(run) else ""
    if models.is_function(name) or models.is_hub(name):
        models.find(name)  # its module registers layers
    with backend.keras_defaults("float32"):  # of what is around the layers, which have their own
        return models.load(path)


def image_shape(run: str | os.PathLike[str]) -> tuple[int, ...]:
    """``(height, width, channels)`` of the training images of a run; ``()`` if it is no run."""
    return tuple(read_config(run)["image_shape"]) if is_run(run) else ()


def reading(run: str | os.PathLike[str]) -> dict[str, Any]:
    """Options of :func:`barlow.data.load` for images as the encoder of a run takes them.

    Size and channels are only those of a run; the others may be written beside a ``.keras`` file.

    Example:
        >>> barlow.runs.reading("somewhere/encoder.keras")
        {'resize': 'stretch', 'background': 'white'}
    """
    shape, options = image_shape(run), resizing.of(run)
    size = {"image_size": shape[:2], "channels": shape[2]} if len(shape) == 3 else {}
    return {**size, **options}


def read_metrics(run: str | os.PathLike[str]) -> list[dict[str, float]]:
    """The metrics of every epoch of a run. A value that is ``null`` in the file is NaN."""
    lines = (as_path(run) / METRICS).read_text().splitlines()
    return [_with_nan(json.loads(line)) for line in lines]


class Summary(NamedTuple):
    """How a training ended."""

    epochs: int
    """Epochs trained."""
    planned: int
    """Epochs to train."""
    complete: bool
    seconds: float
    metrics: dict[str, float]
    """The last value of each, with the epoch of the last row as ``epoch``."""
    start: float
    """Loss of unrelated embeddings; see :func:`barlow.losses.levels`."""
    floor: float
    """Loss of perfect embeddings, from sampling noise."""
    planned_seconds: float | None = None
    """That the epochs were to take; ``None`` of a training without a time."""


def summary(run: str | os.PathLike[str]) -> Summary:
    """How the training of a run ended, in numbers."""
    config, rows = read_config(run), read_metrics(run)
    levels = _with_nan({name: config[name] for name in ("loss_at_start", "loss_floor")})
    return Summary(
        len(rows),
        config["epochs"],
        is_complete(run),
        sum(row["seconds"] for row in rows),
        {name: value for row in rows for name, value in row.items()},
        levels["loss_at_start"],
        levels["loss_floor"],
        config.get("planned_seconds"),
    )


def read_config(run: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings of a run."""
    return json.loads((as_path(run) / CONFIG).read_text())


def read_skipped(run: str | os.PathLike[str]) -> dict[str, str]:
    """Images that a run could not read, and why."""
    path = as_path(run) / SKIPPED
    return json.loads(path.read_text()) if path.exists() else {}


def write_metrics(run: pathlib.Path, rows: list[dict[str, float]]) -> None:
    """Replace the metrics of a run."""
    with replacing(run / METRICS) as temporary:
        temporary.write_text("".join(as_json(row) + "\n" for row in rows))


def append_metrics(run: pathlib.Path, metrics: dict[str, float]) -> None:
    """Add one epoch's metrics to a run."""
    with (run / METRICS).open("a") as file:
        file.write(as_json(metrics) + "\n")


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(as_json(content, indent=2) + "\n")


def as_json(content: Any, indent: int | None = None) -> str:
    """Text of valid JSON: NaN and Inf are ``null``, and NumPy's numbers are numbers.

    Example:
        >>> barlow.runs.as_json({"rank": np.float32(1.5), "losses": [0.25, float("nan")]})
        '{"rank": 1.5, "losses": [0.25, null]}'
    """
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(content: Any) -> Any:
    if isinstance(content, np.generic):
        content = content.item()
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _with_nan(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}
