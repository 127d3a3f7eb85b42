"""Images in a dataset of Hugging Face's ``datasets``, loaded or saved to disk."""

import io
import pathlib
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

from barlow.data.listing import Entry, Label, Listing
from barlow.errors import InvalidInput, extra
from barlow.text import printable

_MODULES = ("datasets.arrow_dataset", "datasets.dataset_dict", "datasets.iterable_dataset")
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"
_LABEL = "label"

PARQUET = ".parquet"
"""Extension of Parquet files."""


class Row(NamedTuple):
    """The image of a row of a dataset, which opens as a path does."""

    dataset: Any
    column: str
    number: int
    name: str

    def open(self, mode: str = "rb", /) -> IO[bytes]:
        """Open the image to read bytes."""
        image = self.dataset[self.number][self.column]
        if image is None:
            raise InvalidInput("it has no image")
        if image["bytes"] is not None:
            return io.BytesIO(image["bytes"])
        return pathlib.Path(image["path"]).open(mode)

    def __str__(self) -> str:
        return f"{self.name}, row {self.number}"


def is_dataset(source: Any) -> bool:
    """Whether an object is a dataset or a dict of datasets, without importing ``datasets``."""
    return any(kind.__module__ in _MODULES for kind in type(source).__mro__)


def is_saved_dataset(folder: pathlib.Path) -> bool:
    """Whether a folder was written by ``save_to_disk``."""
    return (folder / _SAVED_SPLITS).exists() or (
        (folder / _SAVED).exists() and (folder / "dataset_info.json").exists()
    )


def list_saved_dataset(folder: pathlib.Path) -> Listing:
    """Images of the dataset that was saved in a folder, named by their row numbers.

    Raises:
        InvalidInput: If the folder is damaged, or the dataset has no images.
        MissingPackage: If ``datasets`` is not installed.
    """
    with extra("data", f"Reading {folder}"):
        import datasets  # noqa: PLC0415 - optional
    if (folder / _SAVED_SPLITS).exists():
        splits = sorted(path.name for path in folder.iterdir() if is_saved_dataset(path))
        raise InvalidInput(
            f"The dataset in {folder} has the splits {', '.join(splits)}. Choose one by its "
            f"folder, such as {folder / splits[0] if splits else folder}."
        )
    try:
        dataset = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"Cannot read the dataset in {folder}: {error}") from error
    return list_dataset(dataset, str(folder))


def is_parquet_of_images(path: pathlib.Path) -> bool:
    """Whether a file is Parquet with a column of images, as ``datasets`` writes it.

    Raises:
        MissingPackage: If it is Parquet and pyarrow is not installed.
    """
    if path.suffix.lower() != PARQUET or not path.is_file():
        return False
    with extra("data", f"Reading {path}"):
        import pyarrow as pa  # noqa: PLC0415 - optional
        from pyarrow import parquet  # noqa: PLC0415
    try:
        schema = parquet.read_schema(path)
    except (OSError, ValueError):
        return False
    return any(_holds_images(pa, column.type) for column in schema)


def list_parquet(paths: Sequence[pathlib.Path]) -> Listing:
    """Images in the rows of Parquet files, named by their row numbers.

    ``datasets`` copies them once into its cache, from which it reads any row.

    Raises:
        InvalidInput: If they are damaged or do not go together.
        MissingPackage: If ``datasets`` is not installed.
    """
    datasets = _library()
    import pyarrow as pa  # noqa: PLC0415 - `datasets` brings it

    were_shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        dataset = datasets.Dataset.from_parquet([str(path) for path in paths])
    except (OSError, ValueError, TypeError, datasets.exceptions.DatasetsError) as error:
        raise InvalidInput(f"Cannot read {', '.join(map(printable, paths))}: {error}") from error
    finally:
        if were_shown:
            datasets.enable_progress_bars()
    for column in dataset.features.arrow_schema:
        if _holds_images(pa, column.type) and not _columns(dataset, datasets.Image):
            dataset = dataset.cast_column(column.name, datasets.Image())
    return list_dataset(dataset, printable(paths[0]))


def _holds_images(pa: Any, kind: Any) -> bool:
    """Whether the type of a column is that of images: their bytes and a path."""
    return pa.types.is_struct(kind) and {field.name for field in kind} == {"bytes", "path"}


def list_dataset(dataset: Any, name: str = "dataset") -> Listing:
    """Images of a ``datasets.Dataset``, named by their row numbers.

    The images are those of the only column with the feature ``Image``. The labels are the class
    names of the only column with the feature ``ClassLabel``, or else the values of a column
    ``label``.

    Raises:
        InvalidInput: If it has several splits, is a stream, or does not have exactly one column
            of images.
    """
    datasets = _library()
    if isinstance(dataset, dict):
        splits = list(dataset)
        raise InvalidInput(
            f"The dataset has the splits {', '.join(map(str, splits))}. Choose one, such as "
            f"dataset[{splits[0] if splits else 'train'!r}]."
        )
    if not isinstance(dataset, datasets.Dataset):
        raise InvalidInput(
            "The dataset is a stream, which cannot be shuffled or read twice. Load it without "
            "streaming=True."
        )
    column = _image_column(dataset)
    if not len(dataset):
        raise InvalidInput("The dataset has no rows.")
    # As bytes, so that they are decoded like all other files; without the dataset's format, which
    # may be the arrays of a framework, or a function.
    images = dataset.with_format(None).select_columns(column)
    images = images.cast_column(column, datasets.Image(decode=False))
    classes = _columns(dataset, datasets.ClassLabel)
    several = len(classes) > 1
    labels = [None] * len(dataset) if several else _labels(dataset.with_format(None), *classes)
    entries = [
        Entry(str(number), Row(images, column, number, name), label)
        for number, label in enumerate(labels)
    ]
    note = f"Labels are left out: {' and '.join(classes)} are columns of labels. {_CHOOSE}"
    return Listing(entries, notes=[note] if several else [])


_CHOOSE = "Choose with dataset.select_columns([...])."


def _library() -> Any:
    with extra("data", "Reading a dataset"):
        import datasets  # noqa: PLC0415 - optional

        return datasets


def _image_column(dataset: Any) -> str:
    columns = _columns(dataset, _library().Image)
    if len(columns) > 1:
        raise InvalidInput(f"The dataset has the columns of images {', '.join(columns)}. {_CHOOSE}")
    if not columns:
        raise InvalidInput(
            f"None of the columns {', '.join(dataset.column_names)} of the dataset has the "
            "feature Image. Where one holds images, say so with dataset.cast_column(NAME, "
            "datasets.Image())."
        )
    return columns[0]


def _columns(dataset: Any, feature: type) -> list[str]:
    return [name for name, found in dataset.features.items() if isinstance(found, feature)]


def _labels(dataset: Any, column: str = _LABEL) -> Sequence[Label]:
    if column not in dataset.column_names:
        return [None] * len(dataset)
    labels = dataset[column][:]
    names = getattr(dataset.features[column], "names", None)
    if names is None:
        return labels
    # `datasets` writes -1 for no class.
    return [None if label in (None, -1) else names[label] for label in labels]
