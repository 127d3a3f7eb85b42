"""Images in a dataset of Hugging Face's ``datasets``, in memory or saved to disk."""

import io
import pathlib
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

from barlow.data.listing import Label, Listing, labelled
from barlow.errors import InvalidInput

_MODULES = ("datasets.arrow_dataset", "datasets.dataset_dict", "datasets.iterable_dataset")
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"
_LABEL = "label"


class Row(NamedTuple):
    """The image of a row of a dataset; opens as a path does."""

    dataset: Any
    column: str
    number: int
    name: str

    def open(self, mode: str = "rb", /) -> IO[bytes]:
        """Open it to read bytes."""
        image = self.dataset[self.number][self.column]
        if image is None:
            raise InvalidInput("it has no image")
        if image["bytes"] is not None:
            return io.BytesIO(image["bytes"])
        return pathlib.Path(image["path"]).open(mode)

    def __str__(self) -> str:
        return f"{self.name}, row {self.number}"


def is_dataset(source: Any) -> bool:
    """Whether an object is a dataset, or several, without importing ``datasets``."""
    return any(kind.__module__ in _MODULES for kind in type(source).__mro__)


def is_saved_dataset(folder: pathlib.Path) -> bool:
    """Whether a folder was written by ``save_to_disk``."""
    return (folder / _SAVED_SPLITS).exists() or (
        (folder / _SAVED).exists() and (folder / "dataset_info.json").exists()
    )


def list_saved_dataset(folder: pathlib.Path) -> Listing:
    """Images of the dataset that was saved in a folder, and their labels.

    Raises:
        ModuleNotFoundError: If ``datasets`` is not installed.
        ValueError: If the folder is damaged, or the dataset is not one of images.
    """
    try:
        import datasets  # noqa: PLC0415 - only who has such a dataset needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Reading {folder} needs {error.name}. Install it with: pip install 'barlow[data]'"
        ) from error
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


def list_dataset(dataset: Any, name: str = "dataset") -> Listing:
    """Images of a ``datasets.Dataset``, and their labels.

    The images are those of the one column with the feature ``Image``. Labels are the names of the
    classes of the one column with the feature ``ClassLabel``, else what a column ``label`` holds.

    Raises:
        ValueError: If it has several splits, is a stream, or has not one column of images.
    """
    import datasets  # noqa: PLC0415

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
    # As bytes, so that they are decoded as all others are; without the format, which may be
    # that of a framework, or a function.
    images = dataset.with_format(None).select_columns(column)
    images = images.cast_column(column, datasets.Image(decode=False))
    rows = [Row(images, column, number, name) for number in range(len(images))]
    classes = _columns(dataset, datasets.ClassLabel)
    if len(classes) > 1:
        note = f"Labels are left out: {' and '.join(classes)} are columns of labels. {_CHOOSE}"
        return Listing(rows, notes=[note])
    return labelled(rows, _labels(dataset.with_format(None), *classes))


_CHOOSE = "Choose with dataset.select_columns([...])."


def _image_column(dataset: Any) -> str:
    import datasets  # noqa: PLC0415

    columns = _columns(dataset, datasets.Image)
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
    # -1 is how datasets writes that there is none.
    return [None if label in (None, -1) else names[label] for label in labels]
