"""`barlow search`, `duplicates` and `outliers`: what they say, write and refuse."""

import csv
import subprocess
import sys

import pytest
from pictures import draw
from PIL import Image
from typer.testing import CliRunner

from barlow import vectors
from barlow.cli import app

pytestmark = pytest.mark.once


def barlow(*arguments):
    """Exit code and output of a command."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def collection(encoder, photos, tmp_path):
    draw(3).save(photos / "b" / "copy.jpg", quality=90)
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


def test_search_shows_a_table_and_writes_a_sheet(collection, photos, tmp_path):
    page = tmp_path / "found.html"
    code, output = barlow(
        "search", collection, "a/3.png", photos / "b" / "7.png", "-k", 3, "--out", page
    )
    assert code == 0, output
    assert "Most similar to a/3.png" in output
    assert "b/copy.jpg" in output
    html = page.read_text(encoding="utf-8")
    assert html.count("<img") == 6
    assert html.count("data:image/png;base64,") == 6
    assert "://" not in html  # it needs nothing else


def test_duplicates_are_planned_moved_and_moved_back(collection, photos, tmp_path):
    plan, trash = tmp_path / "plan.csv", tmp_path / "trash"
    code, output = barlow(
        "duplicates", collection, "--threshold", 0.99, "--out", plan, "--sheet", tmp_path / "x.png"
    )
    assert code == 0, output
    assert "Groups: 1. Exact copies: 0. Near copies: 1." in output
    with plan.open(newline="") as file:
        assert [(row["path"], row["keep"]) for row in csv.DictReader(file)] == [
            ("a/3.png", "yes"),
            ("b/copy.jpg", "no"),
        ]
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.width > 200
    code, output = barlow("duplicates", collection, "--apply", plan, "--move-to", trash)
    assert (code, "1 images moved to" in output) == (0, True)
    assert not (photos / "b" / "copy.jpg").exists()
    code, output = barlow("duplicates", "--undo", trash)
    assert (code, "1 images moved back" in output) == (0, True)
    assert (photos / "b" / "copy.jpg").exists()


def test_a_measured_threshold_is_shown_with_the_mistakes_to_expect(collection):
    code, output = barlow("duplicates", collection)
    assert code == 0, output
    assert "measured on 11 of your images" in output
    assert "of copies are missed (saved as JPEG" in output
    assert "of images without a copy are taken for one" in output


def test_images_of_a_second_file_that_are_in_the_first(encoder, collection, photos, tmp_path):
    (tmp_path / "test").mkdir()
    draw(4).save(tmp_path / "test" / "4.jpg", quality=95)
    draw(50).save(tmp_path / "test" / "50.jpg", quality=95)
    vectors.write(encoder, tmp_path / "test", tmp_path / "y.parquet")
    arguments = ("duplicates", collection, tmp_path / "y.parquet", "--threshold", 0.99)
    code, output = barlow(*arguments, "--out", tmp_path / "p.csv", "--sheet", tmp_path / "s.html")
    assert code == 0, output
    assert "Groups: 1. Exact copies: 0. Near copies: 1." in output
    code, output = barlow(
        *arguments[:3], "--apply", tmp_path / "p.csv", "--move-to", tmp_path / "leaks"
    )
    assert code == 0, output
    assert sorted(path.name for path in (tmp_path / "leaks").iterdir()) == ["4.jpg", "undo.csv"]
    assert (photos / "a" / "4.png").exists()


def test_outliers_are_listed_and_odd_images_named(encoder, photos, tmp_path):
    Image.new("RGB", (40, 40)).save(photos / "black.png")
    vectors.write(encoder, photos, tmp_path / "x.parquet")
    page = tmp_path / "odd.html"
    code, output = barlow("outliers", tmp_path / "x.parquet", "-k", 3, "--number", 4, "--out", page)
    assert code == 0, output
    assert "1 blank: black.png" in output
    assert "Far from all others" in output
    assert page.read_text(encoding="utf-8").count("<img") == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "nothing.parquet", "a.png"], "no file at nothing.parquet"),
        (["search", "x.parquet", "a/3.png", "--out", "x.docx"], "A contact sheet is .html"),
        (["search", "x.parquet", "a/3.png", "--out", "no/x.html"], "no folder no"),
        (["search", "photos/a/3.png", "a.png"], "is no file of vectors"),
        (["duplicates"], "Give one file of vectors, or two"),
        (["duplicates", "x.parquet", "--apply", "plan.csv"], "go together"),
        (["duplicates", "x.parquet", "--undo", "photos"], "no images were moved there"),
        (["duplicates", *["x.parquet"] * 2, "--keep-in", "a", "--exact"], "within one collection"),
        (["duplicates", "--undo", "photos", "--threshold", "0"], "--threshold has no part in"),
        (["duplicates", "--undo", "photos", "--apply", "p.csv"], "--apply has no part in --undo"),
        (
            ["duplicates", "x.parquet", "--apply", "p.csv", "--move-to", "m", "--keep-in", "a"],
            "--keep-in has no part in --apply",
        ),
        (
            ["duplicates", "x.parquet", "--exact", "--threshold", "0.9"],
            "--threshold has no part in --exact",
        ),
        (["duplicates", "x.parquet", "--keep-in", "c", "--exact"], "No image lies in c/"),
        (["duplicates", "x.parquet", "--exact", "--out", "no/p.csv"], "no folder no for p.csv"),
        (["duplicates", "x.parquet", "--exact", "--out", "x.parquet"], "A plan is called *.csv"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, said, collection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, output = barlow(*arguments)
    assert code == 2
    assert output.count("Error: ") == 1
    assert said in output
    assert sorted(tmp_path.rglob("*")) == before


# Python's own hook sees every connection that Python code opens, and every name it looks up.
BLOCKED = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        to = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = to[0] if isinstance(to, tuple) else to
        if host not in ("127.0.0.1", "::1", "localhost", "", None) and "/" not in str(host):
            raise RuntimeError(f"NETWORK {event} {arguments}")

sys.addaudithook(refuse)
"""
COMMANDS = """
from typer.testing import CliRunner
from barlow.cli import app
for line in {commands}:
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
"""


@pytest.mark.slow
def test_no_command_uses_the_network(encoder, photos, tmp_path):
    draw(3).save(photos / "b" / "copy.jpg", quality=90)
    out, run = tmp_path / "y.parquet", tmp_path / "run"
    plan, trash = tmp_path / "plan.csv", tmp_path / "trash"
    commands = [
        ["pretrain", photos, "--out", run, "--epochs", 1, "--batch-size", 4],
        ["evaluate", run, photos],
        ["embed", encoder, photos, "--out", out, "--format", "npy"],
        ["search", out, photos / "a" / "1.png", "--out", tmp_path / "x.html"],
        ["duplicates", out, "--out", plan, "--sheet", tmp_path / "x.png"],
        ["duplicates", out, "--apply", plan, "--move-to", trash],
        ["duplicates", "--undo", trash],
        ["outliers", out, "--out", tmp_path / "y.png"],
    ]
    lines = [[*map(str, command)] for command in commands]

    def run_blocked(code):
        return subprocess.run(
            [sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, check=False
        )

    done = run_blocked(COMMANDS.format(commands=lines))
    assert done.returncode == 0, done.stderr
    done = run_blocked("import socket; socket.create_connection(('192.0.2.1', 80), 1)")
    assert "NETWORK" in done.stderr  # the hook sees it
