"""What the room needs is imported when it is used, and what is missing is named."""

import os
import re
import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

LIGHT = "import _barlow_command\n"  # without which `import barlow` imports Keras


def run(program, *without):
    """Output of a program for which imports of some packages fail."""
    hide = "".join(f"import sys; sys.modules[{name!r}] = None\n" for name in without)
    return subprocess.run(
        [sys.executable, "-c", hide + program],
        env=os.environ,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A source of each kind, with one image."""
    place = tmp_path_factory.mktemp("sources")
    (place / "photos").mkdir()
    Image.new("L", (4, 4)).save(place / "photos" / "1.png")
    parquet.write_table(pa.table({"path": ["photos/1.png"]}), place / "x.parquet")
    (place / "x.csv").write_text("path\nphotos/1.png\n")
    datasets.Dataset.from_dict({"image": [Image.new("L", (4, 4))]}).save_to_disk(str(place / "set"))
    np.save(place / "x.npy", np.zeros((1, 4, 4), "uint8"))
    return place


FILES = ["'{place}/photos'", "'{place}/**/*.png'", "['{place}/photos/1.png']", "'{place}/x.csv'"]


@pytest.mark.parametrize(
    ("package", "program", "message"),
    [
        *(("PIL", f"load({source})", r"image files needs PIL\..*'barlow\[cli\]'")
          for source in (*FILES, "'{place}/set'", "'{place}/x.parquet'")),
        ("pyarrow", "load('{place}/x.parquet')", r"x\.parquet needs pyarrow\..*'barlow\[data\]'"),
        ("datasets", "load('{place}/set')", r"set needs datasets\..*'barlow\[data\]'"),
        ("pyarrow", "load('{place}/set')", r"set needs pyarrow\..*'barlow\[data\]'"),
        ("sklearn", "digits()", r"digits.* needs sklearn\..*'barlow\[cli\]'"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named_with_the_extra_that_brings_it(package, program, message, place):
    program = f"{LIGHT}from barlow.data import digits, load\n{program.format(place=place)}"
    last_line = run(program, package).stderr.strip().splitlines()[-1]
    assert re.search(f"^barlow.errors.MissingPackage: .*{message}$", last_line), last_line


def test_arrays_need_none_of_these_packages(place):
    program = f"from barlow.data import load; print(load({str(place / 'x.npy')!r}).names)"
    result = run(program, "PIL", "pyarrow", "datasets", "sklearn")
    assert result.stdout == "['0']\n", result.stderr


def test_images_are_read_without_importing_keras(place):
    program = f"""{LIGHT}import sys
from barlow.data import MAX_PIXELS, Images, in_memory, load
images = load({str(place / "photos")!r}, memory=0)
print(MAX_PIXELS, in_memory(images).pixels.shape)
print([name for name in ("keras", "sklearn", "datasets", "pyarrow") if name in sys.modules])
"""
    result = run(program)
    assert result.stdout == "89478485 (1, 4, 4, 1)\n[]\n", result.stderr


def test_every_public_name_is_there():
    from barlow import data

    assert set(data.__all__) == set(dir(data))
    assert all(getattr(data, name) is not None for name in data.__all__)
    with pytest.raises(AttributeError, match=r"'barlow\.data' has no attribute 'lod'"):
        data.lod  # noqa: B018
