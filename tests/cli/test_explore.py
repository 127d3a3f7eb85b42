"""`barlow embed`: what it says, and what it leaves when it cannot write."""

import pathlib

import pytest
import small
from PIL import Image
from typer.testing import CliRunner

from barlow import data, vectors
from barlow.cli import app

pytestmark = pytest.mark.once


def embed(*arguments):
    """Exit code and output of the command."""
    result = CliRunner().invoke(app, ["embed", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def encoder(tmp_path):
    small.network((8, 8, 1)).save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(data.digits().pixels[:10, ..., 0]):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "9.png").write_bytes(b"nothing")
    return tmp_path / "photos"


def test_it_says_what_was_there_and_what_is_new_changed_and_gone(encoder, photos, tmp_path):
    out = tmp_path / "x.parquet"
    code, output = embed(encoder, photos, "--out", out)
    assert code == 0
    assert "9 grey images of 8 x 8 pixels" in output
    assert "9.png: it is damaged, or none of" in output
    assert f"0 there, 9 new, 0 changed, 0 gone: 9 rows written to {out}" in output
    (photos / "0.png").unlink()
    (photos / "1.png").write_bytes((photos / "2.png").read_bytes())
    (photos / "a.png").write_bytes((photos / "3.png").read_bytes())
    code, output = embed(encoder, photos, "--out", out)
    assert "7 there, 1 new, 1 changed, 1 gone: 9 rows" in output


def test_a_file_in_the_folder_of_the_images_is_none_of_them(encoder, photos, monkeypatch):
    monkeypatch.chdir(photos)
    for there, new in ((0, 9), (9, 0)):
        code, output = embed(encoder, ".", "--out", "x.parquet")
        assert code == 0, output
        assert f"{there} there, {new} new, 0 changed, 0 gone: 9 rows" in output


def test_shards_are_embedded_and_joined(encoder, photos, tmp_path):
    files = [tmp_path / f"part-{k}.parquet" for k in (1, 2)]
    for k, file in enumerate(files, 1):
        assert embed(encoder, photos, "--out", file, "--shard", f"{k}/2")[0] == 0
    code, output = embed("--join", *files, "--out", tmp_path / "all.parquet")
    assert (code, f"9 rows written to {tmp_path / 'all.parquet'}" in output) == (0, True)
    assert len(vectors.read(tmp_path / "all.parquet")) == 9
    code, output = embed("--join", files[0], "--out", tmp_path / "half.parquet")
    assert (code, "Missing: 2/2" in output) == (2, True)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (["--shard", "three"], "A shard is K/N, such as 3/16. Received: 'three'."),
        (["--shard", "3/2"], "Received: 3/2"),
        (["--out", "x.csv"], "called *.parquet"),
        (["--out", pathlib.Path("/proc/x.parquet")], "/proc/"),
        (["--out", "photos/1.png/x.parquet"], "x.parquet"),
    ],
)
def test_what_cannot_be_is_one_sentence(rest, said, encoder, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, output = embed(encoder, "photos", "--out", "x.parquet", *rest)
    assert code == 2
    assert output.count("Error: ") == 1
    assert said in output
    assert sorted(tmp_path.rglob("*")) == before


def test_without_images_it_says_what_to_give(encoder, tmp_path):
    code, output = embed(encoder, "--out", tmp_path / "x.parquet")
    assert (code, "Give the images after the encoder" in output) == (2, True)
