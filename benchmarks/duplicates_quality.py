"""Copies that are planted: how many are found, beside what the calibration said.

    python benchmarks/duplicates_quality.py [--pictures 1500] [--epochs 15] [--folder PICTURES]

Pictures are drawn: shapes of many colours on a gradient, at 32, 64, 128 and 224 pixels; or those of
a folder. For each size an encoder is trained on two thirds of them without labels (32 x 32 pixels,
PyTorch), and the similarity of copies is measured on these. Of every picture of the last third,
which neither has seen, one copy of each kind is planted. Then `barlow.duplicates` looks for copies
in that third, as measured and from similarities of 0.9 and 0.95 on. Recall: planted copies that
lie in the group of their picture. Precision: images taken for copies that are copies.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
from _results import save
from _tables import table
from PIL import Image, ImageDraw, ImageEnhance

import barlow

SIZES = (32, 64, 128, 224)
KINDS = ("jpeg", "size", "crop", "light")


def draw(seed: int, size: int) -> Image.Image:
    """A picture that no other seed has."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (3, 3, 3)).astype("uint8"))
    image = image.resize((size, size), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(image)
    for _ in range(8):
        left, top = random.uniform(0, 0.8 * size, 2)
        width, height = random.uniform(0.1 * size, 0.5 * size, 2)
        shape = (drawing.ellipse, drawing.rectangle)[random.integers(2)]
        shape((left, top, left + width, top + height), fill=tuple(random.integers(0, 256, 3)))
    return image


def plant(image: Image.Image, kind: str, path: pathlib.Path, random: np.random.Generator) -> None:
    """Save a copy of one kind."""
    width, height = image.size
    if kind == "jpeg":
        image.save(path.with_suffix(".jpg"), quality=int(random.integers(40, 96)))
        return
    if kind == "size":
        factor = 2 ** random.uniform(-1, 1)
        size = (max(8, round(width * factor)), max(8, round(height * factor)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    elif kind == "crop":
        left, top, right, bottom = random.uniform(0, 0.05, 4)
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        image = image.crop(tuple(map(round, box)))
    else:
        image = ImageEnhance.Brightness(image).enhance(1.25 ** random.uniform(-1, 1))
    image.save(path.with_suffix(".png"))


def pictures(arguments: argparse.Namespace, size: int) -> list[Image.Image]:
    if not arguments.folder:
        return [draw(number, size) for number in range(arguments.pictures)]
    images = barlow.data.load(arguments.folder, (size, size), channels=3)
    rows = np.random.default_rng(0).permutation(len(images))[: arguments.pictures]
    return [Image.fromarray(each) for each in images.pixels[np.sort(rows)]]


def measure(folder: pathlib.Path, arguments: argparse.Namespace, size: int) -> list[dict]:
    seen, new = folder / "seen", folder / "new"
    seen.mkdir()
    new.mkdir()
    random = np.random.default_rng(size)
    every = pictures(arguments, size)
    for number, image in enumerate(every):
        if number % 3:
            image.save(seen / f"{number}.png")
            continue
        image.save(new / f"{number}.png")
        for kind in KINDS:
            plant(image, kind, new / f"{number} {kind}", random)
    settings = barlow.Settings(epochs=arguments.epochs)
    run = barlow.pretrain(barlow.data.load(seen, (32, 32)), folder / "run", settings)
    for name, place in (("seen", seen), ("new", new)):
        barlow.vectors.write(run, place, folder / f"{name}.parquet")
    measured = barlow.duplicates(folder / "seen.parquet").calibration
    planted = len(KINDS) * len(list(new.glob("*[0-9].png")))
    rows = []
    for name, threshold in (("measured", measured), ("0.9", 0.9), ("0.95", 0.95)):
        found = barlow.duplicates(folder / "new.parquet", threshold=threshold)
        groups: dict[int, list[str]] = {}
        for each in found.members:
            groups.setdefault(each.group, []).append(each.path.split(".")[0].split()[0])
        right = sum(sum(picture == group[0] for picture in group[1:]) for group in groups.values())
        taken = sum(len(group) - 1 for group in groups.values())
        row = {
            "size": size,
            "cut": name,
            "similarity": found.threshold,
            "planted": planted,
            "recall": right / planted,
            "precision": right / max(1, taken),
        }
        if name == "measured":
            low, high = measured.misses.low, measured.misses.high
            row |= {
                "expected_recall": 1 - measured.misses.value,
                "expected_recall_from": 1 - high,
                "expected_recall_to": 1 - low,
                "expected_false_alarms": measured.false_alarms.value,
                "expected_false_alarms_to": measured.false_alarms.high,
            }
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--folder", type=pathlib.Path, help="pictures in place of drawn ones")
    arguments = parser.parse_args()
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(pathlib.Path(folder), arguments, size)
        print(table(rows[-3:]), flush=True)
    name = "duplicates_quality" + (f"_{arguments.folder.name}" if arguments.folder else "")
    save(name, rows, pictures=arguments.pictures, epochs=arguments.epochs)


if __name__ == "__main__":
    main()
