"""`write`: a classifier as a folder that explains itself.

    classifier.keras    images, values 0 .. 255, to probabilities; needs Keras alone
    predictions.csv     what it says of the images without a label, the most doubtful first
    labelling.json      method, figures, and labels to look at again

Every file is written beside its place and renamed when it is on the disk, the last one last.
"""

import importlib.metadata
import os
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from barlow import lock, own, resizing, runs, spreadsheets, vectors
from barlow.errors import InvalidInput
from barlow.labelling.fitting import Fitted, Prediction
from barlow.labelling.model import as_model, from_vectors
from barlow.paths import as_path, replacing

if TYPE_CHECKING:
    import keras

MODEL, PREDICTIONS, RESULTS = "classifier.keras", "predictions.csv", own.CLASSIFIER


class Classifier(NamedTuple):
    """A classifier on the disk."""

    folder: pathlib.Path
    file: pathlib.Path
    """The Keras model."""
    takes_images: bool
    """Whether it takes images; else vectors, since it is not known which encoder made them."""


def write(
    fitted: Fitted,
    out: str | os.PathLike[str],
    encoder: "keras.Model | str | os.PathLike[str] | None" = None,
    *,
    overwrite: bool = False,
) -> Classifier:
    """Write a classifier, its predictions and its figures.

    Args:
        fitted: Of :func:`barlow.labelling.fit`.
        out: The folder.
        encoder: The encoder that made the vectors, or where it is. Defaults to ``None``: where it
            was; if that is not known, the model takes vectors.
        overwrite: Whether a classifier that is there is replaced; other files in the folder stay.
            Defaults to False.

    Raises:
        FileExistsError: If the folder is there, and has no classifier to be overwritten.
        FileNotFoundError: If there is no encoder where it was.
        InvalidInput: If the encoder is another one.
        OSError: If the folder cannot be written.

    Example:
        >>> encoder, images = barlow.models.encoder("conv", (8, 8, 1)), barlow.data.digits()
        >>> some = [str(label) if row < 100 else "" for row, label in enumerate(images.labels)]
        >>> fitted = barlow.labelling.fit(barlow.embed(encoder, images), some)
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "classifier"
        >>> written = barlow.labelling.write(fitted, folder, encoder)
        >>> written.file.name, keras.saving.load_model(written.file).output_shape
        ('classifier.keras', (None, 10))
    """
    out = check_place(out, overwrite=overwrite)
    takes_images = encoder is not None or bool(fitted.embeddings.origin.get("run"))
    if takes_images:
        model = vectors.encoder_of(fitted.embeddings, encoder)
        model = as_model(model, fitted.head, fitted.embeddings.image_shape)
    else:
        model = from_vectors(fitted.embeddings.vectors.shape[1], fitted.head)
    rows = [
        (each.path, each.label, f"{each.probability:.6f}", each.second, f"{each.margin:.6f}")
        for each in fitted.predictions()
    ]
    # They replace those of before when all are written, the last one first: a spreadsheet that has
    # the predictions open may not let them go, and then all stay.
    with (
        lock.locked(out, f"A classifier is being written to {out}"),
        replacing(out / MODEL) as new_model,
        replacing(out / RESULTS) as new_results,
        replacing(out / PREDICTIONS) as new_predictions,
    ):
        model.save(new_model)
        results = {**as_json(fitted), "background": _background(fitted, encoder)}
        new_results.write_text(runs.as_json(results, indent=2) + "\n")
        spreadsheets.write(new_predictions, Prediction._fields, rows)
    return Classifier(out, out / MODEL, takes_images)


def check_place(out: str | os.PathLike[str], *, overwrite: bool = False) -> pathlib.Path:
    """The path, if a classifier can be written there now; to be asked before computing.

    Raises:
        FileExistsError: If it is taken.
        InvalidInput: If it is the name of a file of Keras.
        OSError: If nothing can be written there.
    """
    out = as_path(out)
    if out.suffix == ".keras":
        raise InvalidInput(f"A classifier is a folder that has {MODEL}. Received: {out}.")
    is_classifier = any((out / name).is_file() for name in (MODEL, RESULTS))  # or a part of one
    if is_classifier and not overwrite:
        raise FileExistsError(
            f"There is a classifier at {out} already. Replace it (--overwrite, overwrite=True) or "
            "choose another folder."
        )
    if not is_classifier and out.exists() and not runs.is_empty(out):
        raise FileExistsError(f"{out} exists and is no classifier. Choose another folder.")
    try:
        with lock.locked(out, f"A classifier is being written to {out}"):
            pass
    except FileExistsError:
        raise
    except OSError as error:
        raise type(error)(
            f"No classifier can be written at {out}: {error.strerror}. Choose another folder."
        ) from error
    return out


def _background(fitted: Fitted, encoder: Any) -> str:
    """Of the images, by what made the vectors, or by the run of the encoder."""
    reading = fitted.embeddings.origin.get("reading", {})
    beside = resizing.of(encoder) if isinstance(encoder, str | os.PathLike) else {}
    return {**resizing.RECOMMENDED, **beside, **reading}["background"]


def as_json(fitted: Fitted) -> dict[str, Any]:
    """The content of ``labelling.json``."""
    choice, scores, embeddings = fitted.choice, fitted.scores, fitted.embeddings
    content: dict[str, Any] = {
        "method": choice.method,
        "why": choice.why,
        "temperature": choice.temperature,
        "log_loss": choice.log_loss,
        "images": len(embeddings),
        "labels": len(fitted.given.rows),
        "classes": [each._asdict() for each in fitted.by_class()],
        "scores": None,
        "look_again": [each._asdict() for each in fitted.doubts()],
        "encoder": embeddings.encoder,
        "resize": resizing.named(embeddings.resize),
        "versions": {name: importlib.metadata.version(name) for name in ("barlow", "keras")},
    }
    if scores is not None:
        content["scores"] = {**scores._asdict(), "confusion": scores.confusion.tolist()}
    return content
