"""`write`: an encoder in another format, that is there only if it gives the same vectors."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from barlow import backend, labelling, resizing, runs
from barlow.errors import InvalidInput
from barlow.export import checking
from barlow.export.card import card
from barlow.export.formats import CARD, CHECK, FACTS, FORMATS, backend_for, find
from barlow.paths import as_path, free_path

if TYPE_CHECKING:
    import keras


_NAMES = ("encoder", "classifier")
_OWN = {
    *(CARD, CHECK, FACTS),
    *(f"{name}.bin" for name in _NAMES),
    *(each.called(name).file for each in FORMATS.values() for name in _NAMES),
}
"""Files and folders of an export."""


class Exported(NamedTuple):
    """An exported encoder."""

    folder: pathlib.Path
    file: pathlib.Path
    """What other programs load."""
    differences: dict[int, float]
    """As :func:`barlow.export.check` returns them."""


def write(
    encoder: "keras.Model | str | os.PathLike[str]",
    out: str | os.PathLike[str] | None = None,
    format: str = "onnx",  # noqa: A002 - as Keras calls it
    *,
    overwrite: bool = False,
) -> Exported:
    """Write an encoder in a format that runs without barlow, with a model card beside it.

    The conversion runs in a process of its own, on the backend that the format needs, whichever
    backend trained the encoder. The file is then run in its own runtime, in another process, and
    nothing is left unless its vectors are those of the encoder to 1e-4.

    The folder holds the file; ``README.md``, the model card; ``export.json``, the facts; and
    ``check.npz``, by which :func:`barlow.export.check` compares again elsewhere.

    Args:
        encoder: Folder of a run or of a classifier, ``.keras`` file, or model from images to
            ``[batch, features]``. The normalisation of values 0 .. 255 is part of it.
        out: The folder. Defaults to ``None``: beside the run, with the format at the end of its
            name, such as ``runs/photos-onnx``.
        format: A key of ``FORMATS``: ``"keras"``, ``"saved_model"``, ``"onnx"``, ``"litert"``,
            ``"torch"`` or ``"openvino"``. Defaults to ``"onnx"``.
        overwrite: Whether an export that is there is replaced. Other files in its folder stay, and
            a card that was edited, as ``README-2.md``. Defaults to False.

    Returns:
        Where it is, and by how much its vectors differ.

    Raises:
        Differs: If the format cannot hold this encoder, or its vectors are others.
        FileExistsError: If the folder is there, and is no export to be overwritten.
        FileNotFoundError: If there is no encoder.
        MissingPackage: If what writes or what runs the format is not installed.
        OSError: If the folder cannot be written.

    Example:
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "digits"
        >>> encoder = barlow.models.encoder("conv", (8, 8, 1))
        >>> exported = barlow.export.write(encoder, folder, "keras")
        >>> exported.file.name, exported.differences[7] < 1e-4
        ('encoder.keras', True)
    """
    chosen = find(format)
    is_model = not isinstance(encoder, str | os.PathLike)
    if out is None and is_model:
        raise InvalidInput("An encoder in memory has no place: name a folder as `out`.")
    source = None if is_model else _source(as_path(encoder))
    if out is None:
        assert source is not None  # noqa: S101 - for the type checker
        absolute = source.absolute()
        beside = absolute.parent if absolute.name == labelling.MODEL else absolute
        out = beside.with_name(f"{_name(source)}-{format}")
    out = as_path(out).absolute()
    _check_free(out, overwrite)
    where = backend_for(format, backend.current())
    classes = _classes(encoder, source)
    if classes:
        chosen = chosen.called("classifier")
    with _place(out) as folder:
        path = source.absolute() if source else folder / "original.keras"
        if is_model:
            encoder.save(path)
        facts = _convert(path, format, chosen.file, where, folder, _shape(encoder, source))
        if is_model:
            path.unlink()
        differences = checking.compare(folder, chosen, where)
        facts |= {
            **(resizing.of(source) if source else resizing.RECOMMENDED),
            "classes": classes,
            "labelling": _figures(source) if classes else None,
            "differences": differences,
            "packages": {name: _version(name) for name in chosen.runs},
        }
        run = source if source and runs.is_run(source) else None
        kind = "Classifier" if classes else "Encoder"
        name = f"{_name(source) if source else kind}, {chosen.title}"
        (folder / CARD).write_text(card(name, chosen, run, facts), "utf-8")
        runs.write_json(folder / FACTS, {**facts, "card": _hash(folder / CARD)})
    return Exported(out, out / chosen.file, differences)


def _check_free(out: pathlib.Path, overwrite: bool) -> None:
    is_export = (out / FACTS).is_file()
    if is_export and not overwrite:
        raise FileExistsError(
            f"There is an export at {out} already. Replace it (--overwrite, overwrite=True) or "
            "choose another folder."
        )
    if not is_export and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is no export. Choose another folder.")


@contextlib.contextmanager
def _place(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder to write to, which becomes ``out`` at the end; nothing is left after an error."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise type(error)(
            f"No export can be written at {out}: {error.strerror}. Choose another place."
        ) from error
    try:
        yield folder
        folder.chmod(0o777 & ~_umask())  # as `mkdir` makes it; `mkdtemp` lets nobody else read
        if out.exists():
            _replace(out, folder)
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(out: pathlib.Path, folder: pathlib.Path) -> None:
    """Put an export in the place of another one; files that are no part of it stay.

    A card that was edited is kept as ``README-2.md``.
    """
    before = json.loads((out / FACTS).read_text("utf-8")) if (out / FACTS).is_file() else {}
    edited = out / CARD
    if edited.is_file() and before.get("card") != _hash(edited):
        edited.rename(free_path(edited.with_stem(f"{edited.stem}-2")))
    for path in [*out.iterdir()]:
        if path.name in _OWN:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(folder.iterdir(), key=lambda path: path.name == FACTS):  # the facts last
        path.rename(out / path.name)


def _hash(file: pathlib.Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _convert(
    path: pathlib.Path,
    format_name: str,
    file: str,
    where: str,
    folder: pathlib.Path,
    shape: tuple[int, ...],
) -> dict[str, Any]:
    """Write the file, and the vectors of the original; returns facts."""
    request = {"encoder": str(path), "folder": str(folder), "file": file, "image_shape": shape}
    cannot = f"{FORMATS[format_name].title} cannot hold this encoder"
    current = backend.current()
    if where == current:
        steps = [(where, cannot, {"examples": True, "format": format_name})]
    else:
        steps = [
            (current, "The encoder cannot be run", {"examples": True, "format": None}),
            (where, cannot, {"examples": False, "format": format_name}),
        ]
    answers = {}
    for backend_, failed, step in steps:
        answer = folder / "answer.json"
        done = checking.run(
            ["-m", "barlow.export.converting"],
            {"KERAS_BACKEND": backend_, "PYTHONPATH": os.pathsep.join(sys.path)},
            pathlib.Path.cwd(),  # where the module of a user's own network may be
            json.dumps({**request, **step, "answer": str(answer)}),
        )
        if not answer.is_file():
            raise checking.Differs(f"{failed}: {checking.last_line(done)}")
        answers = json.loads(answer.read_text())
        answer.unlink()
    return {
        "format": format_name,
        "backend": where,
        "image_shape": list(shape),
        **answers,
        "versions": {name: importlib.metadata.version(name) for name in ("barlow", "keras")},
    }


def _source(path: pathlib.Path) -> pathlib.Path:
    """The file of a classifier in its folder; any other path as it is."""
    file = path / labelling.MODEL
    return file if file.is_file() else path


def _classes(encoder: Any, source: pathlib.Path | None) -> list[str] | None:
    """Names of the classes, of a classifier."""
    if source is not None and runs.is_run(source):
        return None
    return labelling.classes_of(encoder if source is None else runs.load_encoder(source))


def _figures(source: pathlib.Path | None) -> dict[str, Any] | None:
    """What is known of a classifier, if it lies in its folder."""
    path = source and source.with_name(labelling.RESULTS)
    if not path or not path.is_file():
        return None
    content = json.loads(path.read_text("utf-8"))  # without the names of images
    return {name: content[name] for name in ("labels", "method", "classes", "scores")}


def _shape(encoder: Any, source: pathlib.Path | None) -> tuple[int, ...]:
    """Shape of an image."""
    shape = runs.image_shape(source) if source else ()
    if not shape:
        loaded = encoder if source is None else runs.load_encoder(source)
        shape = tuple(loaded.input_shape[1:])
    if None in shape:
        raise InvalidInput(
            f"The encoder leaves the size of images open: {shape}. Export it from its run, which "
            "knows the size, or give its input a size."
        )
    return shape


def _name(source: pathlib.Path) -> str:
    absolute = source.absolute()
    if absolute.name == labelling.MODEL:
        return absolute.parent.name
    return absolute.stem if absolute.suffix == ".keras" else absolute.name


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [module])
    return importlib.metadata.version(names[0])
