"""Whatever holds or names the files, they become the images that they are in a folder."""

import csv
import io
import pathlib
import pickle
import tarfile

import datasets
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from barlow.data import BadImage, Batches, load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Class folders of images that are upright or not, opaque or not; and one bad file."""
    folder, noise = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for i, name in enumerate(("cat/1.png", "cat/2.jpg", "cat/tabby/3.webp", "Hund ä/4.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(noise.integers(0, 256, (9 + i, 12, 4)).astype("uint8"))
        exif = image.getexif()
        exif[0x0112] = 6  # to be shown turned by 90 degrees
        image.convert("RGB" if i == 1 else "RGBA").save(path, exif=exif)
    (folder / "cat" / "bad.png").write_bytes(b"no image")
    return folder


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def label(path, folder):
    return path.relative_to(folder).parts[0]


def a_pattern(folder, place):
    return f"{folder}/**/*.*"


def a_list(folder, place):
    return [str(path) for path in files(folder)]


def a_text(folder, place):
    lines = [f"{path}\t{label(path, folder)}\n" for path in files(folder)]
    (place / "x.txt").write_text("".join(lines), encoding="utf-8")
    return place / "x.txt"


def a_csv(folder, place):
    with (place / "x.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerows([("label", "path"), *((label(p, folder), p) for p in files(folder))])
    return place / "x.csv"


def a_tsv(folder, place):
    with (place / "x.tsv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, "excel-tab")
        table.writerows([("path", "label"), *((p, label(p, folder)) for p in files(folder))])
    return place / "x.tsv"


def a_parquet(folder, place):
    paths = files(folder)
    columns = {"path": list(map(str, paths)), "label": [label(p, folder) for p in paths]}
    parquet.write_table(pa.table(columns), place / "x.parquet")
    return place / "x.parquet"


def a_shard(folder, place):
    with tarfile.open(place / "x.tar", "w") as archive:
        for path in files(folder):
            text = label(path, folder).encode()
            member = tarfile.TarInfo(str(path.relative_to(folder).with_suffix(".cls")))
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
            archive.add(path, path.relative_to(folder))
    return place / "x.tar"


def a_dataset(folder, place):
    paths = files(folder)
    names = sorted({label(path, folder) for path in paths})
    # Every other one as a path, the rest as bytes, as they come in reality.
    images = [
        {"path": str(path), "bytes": None} if i % 2 else {"path": None, "bytes": path.read_bytes()}
        for i, path in enumerate(paths)
    ]
    return datasets.Dataset.from_dict(
        {"image": images, "class": [label(path, folder) for path in paths]},
        features=datasets.Features(
            {"image": datasets.Image(), "class": datasets.ClassLabel(names=names)}
        ),
    )


def a_saved_dataset(folder, place):
    a_dataset(folder, place).save_to_disk(str(place / "saved"))
    return place / "saved"


UNLABELLED = (a_pattern, a_list)
LABELLED = (a_text, a_csv, a_tsv, a_parquet, a_shard, a_dataset, a_saved_dataset)


@pytest.mark.parametrize("make", [*UNLABELLED, *LABELLED])
@pytest.mark.parametrize("memory", [0, 2**20], ids=["lazy", "in memory"])
def test_every_source_gives_the_images_of_the_folder(make, memory, folder, tmp_path):
    expected = load(folder, image_size=(8, 8), memory=memory)
    images = load(make(folder, tmp_path), image_size=(8, 8), memory=memory)
    assert len(images) == 4
    assert isinstance(images.pixels, np.ndarray) == (memory > 0)
    np.testing.assert_array_equal(images.pixels[:], expected.pixels[:])
    assert images.notes == expected.notes  # sizes, and what is transparent
    if make in LABELLED:
        assert images.labels.tolist() == expected.labels.tolist()
    else:
        assert images.labels is None
    ((_, reason),) = images.skipped
    ((_, expected_reason),) = expected.skipped
    assert reason == expected_reason


@pytest.mark.parametrize("make", [*UNLABELLED, *LABELLED])
def test_what_is_skipped_says_where_it_is(make, folder, tmp_path):
    source = make(folder, tmp_path)
    ((where, _),) = load(source).skipped
    number = files(folder).index(folder / "cat" / "bad.png")
    expected = {
        a_shard: f"{tmp_path}/x.tar/cat/bad.png",
        a_dataset: f"dataset, row {number}",
        a_saved_dataset: f"{tmp_path}/saved, row {number}",
    }
    assert where == expected.get(make, str(folder / "cat" / "bad.png"))


@pytest.mark.parametrize("make", [*UNLABELLED, *LABELLED])
def test_batches_read_every_source_with_many_threads_as_with_one(make, folder, tmp_path):
    pixels = load(make(folder, tmp_path), memory=0).pixels
    many, one = (Batches(pixels, 4, seed=0, workers=workers) for workers in (8, 1))
    for step in range(10):
        np.testing.assert_array_equal(many[step][0], one[step][0])
    assert not many.skipped


@pytest.mark.parametrize("make", [*UNLABELLED, *LABELLED])
def test_lazy_pixels_of_every_source_go_to_other_processes(make, folder, tmp_path):
    pixels = load(make(folder, tmp_path), memory=0).pixels
    copy = pickle.loads(pickle.dumps(pixels))  # noqa: S301 - our own
    np.testing.assert_array_equal(copy[:], pixels[:])


def test_an_image_that_goes_away_after_it_was_listed_is_a_bad_image(folder, tmp_path):
    source = a_shard(folder, tmp_path)
    pixels = load(source, memory=0).pixels
    with source.open("r+b") as file:
        file.truncate(600)
    with pytest.raises(BadImage, match=r"x\.tar/"):
        pixels[3]
    pathlib.Path(source).unlink()
    with pytest.raises(BadImage, match="No such file"):
        pixels[0]
