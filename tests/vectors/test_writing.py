"""Files of vectors: what they hold, and that nothing is lost whatever ends their writing."""

import multiprocessing
import os
import random
import signal
import sys
import time

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small
from PIL import Image

import barlow
from barlow import data, lock, vectors
from barlow.vectors import facts

PART = 4096  # rows


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return small.network((8, 8, 1))


@pytest.fixture
def folder(tmp_path):
    """Twelve images in two classes, and two files that are not images."""
    digits = data.digits().pixels[..., 0]
    for number in range(12):
        place = tmp_path / "photos" / ("even" if number % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits[number]).save(place / f"{number:02}.png")
    (tmp_path / "photos" / "even" / "05.png").write_bytes(b"nothing")
    whole = (tmp_path / "photos" / "odd" / "01.png").read_bytes()
    (tmp_path / "photos" / "odd" / "06.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "photos"


def test_a_file_holds_what_embed_returns(encoder, folder, tmp_path):
    written = vectors.write(encoder, folder, tmp_path / "x.parquet", batch_size=5)
    found, expected = vectors.read(tmp_path / "x.parquet"), barlow.embed(encoder, folder)
    assert found.names.tolist() == expected.names.tolist()
    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_allclose(found.vectors, expected.vectors, rtol=1e-5, atol=1e-6)
    for name in ("encoder", "image_shape", "resize"):
        assert getattr(found, name) == getattr(expected, name)
    assert sorted(found.skipped) == sorted(expected.skipped) == sorted(written.skipped)
    assert len(found.skipped) == 2
    for place, name in enumerate(found.names):
        file = folder / name
        assert found.facts["bytes"][place] == file.stat().st_size
        assert found.facts["modified"][place].astype(int) == file.stat().st_mtime_ns // 1000
        assert (found.facts["width"][place], found.facts["height"][place]) == (8, 8)
    assert len(np.unique(found.facts["content"])) == 12
    assert [path.name for path in tmp_path.iterdir() if "x.parquet" in path.name] == ["x.parquet"]


def test_called_again_only_what_is_new_or_changed_is_embedded(folder, tmp_path, encoder):
    path = tmp_path / "x.parquet"
    assert vectors.write(encoder, folder, path)[:5] == (12, 0, 12, 0, 0)
    before = vectors.read(path)
    content = path.read_bytes()
    assert vectors.write(encoder, folder, path)[:5] == (12, 12, 0, 0, 0)
    assert path.read_bytes() == content

    (folder / "even" / "00.png").unlink()
    (folder / "odd" / "01.png").write_bytes((folder / "odd" / "03.png").read_bytes())
    Image.fromarray(data.digits().pixels[50, ..., 0]).save(folder / "even" / "01.png")
    (folder / "odd" / "05.png").rename(folder / "even" / "11.png")  # its vector is known
    written = vectors.write(encoder, folder, path)
    assert written[:5] == (12, 9, 2, 1, 2)
    found, expected = vectors.read(path), barlow.embed(encoder, folder)
    assert found.names.tolist() == expected.names.tolist()
    np.testing.assert_allclose(found.vectors, expected.vectors, rtol=1e-5, atol=1e-6)
    for name in set(found.names) & set(before.names) - {"odd/01.png"}:
        row, old = found.names.tolist().index(name), before.names.tolist().index(name)
        np.testing.assert_array_equal(found.vectors[row], before.vectors[old])


@pytest.mark.once
def test_files_of_the_same_size_and_time_are_not_read_again(folder, tmp_path, encoder, monkeypatch):
    path = tmp_path / "x.parquet"
    vectors.write(encoder, folder, path)
    before = path.read_bytes()
    read = []
    monkeypatch.setattr(facts, "_hash", lambda *parts: read.append(parts) or "none")
    (folder / "even" / "05.png").unlink()  # those that cannot be read are looked at anew
    (folder / "odd" / "06.png").unlink()
    assert vectors.write(encoder, folder, path).there == 12
    assert not read
    assert vectors.read(path).facts["content"].tolist() == contents_of(before, tmp_path)
    os.utime(folder / "odd" / "01.png", (0, 0))
    vectors.write(encoder, folder, path)
    assert len(read) == 1


def contents_of(whole, folder):
    """The hashes in a file of vectors."""
    (folder / "before.parquet").write_bytes(whole)
    return vectors.read(folder / "before.parquet").facts["content"].tolist()


def test_what_is_known_is_not_embedded_again(folder, tmp_path, encoder):
    path = tmp_path / "x.parquet"
    vectors.write(encoder, folder, path)
    before = vectors.read(path).vectors
    moved = keras.models.clone_model(encoder)
    moved.set_weights(encoder.get_weights())
    moved.call = None  # it cannot embed anything
    moved.predict_on_batch = None
    assert vectors.write(moved, folder, path).there == 12
    np.testing.assert_array_equal(vectors.read(path).vectors, before)


@pytest.mark.once
def test_shards_that_are_joined_are_the_file_of_all(encoder, tmp_path):
    digits = data.digits()[:50]
    vectors.write(encoder, digits, tmp_path / "all.parquet", batch_size=1)
    files = [tmp_path / f"{k}.parquet" for k in (1, 2, 3)]
    for k, file in enumerate(files, 1):
        vectors.write(encoder, digits, file, batch_size=1, shard=(k, 3))
    assert vectors.join(files[::-1], tmp_path / "joined.parquet") == 50
    found, expected = (vectors.read(tmp_path / f"{name}.parquet") for name in ("joined", "all"))
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert found.names.tolist() == expected.names.tolist()
    assert found.labels.tolist() == expected.labels.tolist()
    assert vectors.write(encoder, digits, tmp_path / "joined.parquet").there == 50


@pytest.mark.once
def test_shards_that_do_not_belong_together_are_refused(encoder, tmp_path):
    digits = data.digits()[:20]

    def shard(name, k, model=encoder, images=digits):
        vectors.write(model, images, tmp_path / name, shard=(k, 3))
        return tmp_path / name

    first, third = shard("1.parquet", 1), shard("3.parquet", 3)
    other = small.network((8, 8, 1))
    for files, said in (
        ([], "no files"),
        ([first, third], "Missing: 2/3"),
        ([first, first, third], "Missing: 2/3"),
        ([first, shard("2.parquet", 2, other), third], "the encoder's weights"),
        ([first, shard("2b.parquet", 2, images=digits[::-1]), third], "names of the images"),
        ([first, tmp_path / "nothing.parquet"], "no file"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            vectors.join(files, tmp_path / "joined.parquet")
    assert not (tmp_path / "joined.parquet").exists()


@pytest.mark.once
def test_joining_replaces_only_what_it_would_update(encoder, tmp_path):
    digits = data.digits()[:20]
    files = [tmp_path / f"{k}.parquet" for k in (1, 2)]
    for k, file in enumerate(files, 1):
        vectors.write(encoder, digits, file, shard=(k, 2))
    vectors.write(small.network((8, 8, 1)), digits, tmp_path / "other.parquet")
    pq.write_table(pa.table({"mine": [1, 2]}), tmp_path / "mine.parquet")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name, said in (
        ("other.parquet", "differs in the encoder's weights"),
        ("mine.parquet", "no file of vectors"),
        ("1.parquet", "is one of the shards"),
    ):
        with pytest.raises(ValueError, match=said):
            vectors.join(files, tmp_path / name)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}
    for _ in range(2):
        assert vectors.join(files, tmp_path / "joined.parquet") == 20
    assert not list(tmp_path.glob(".*"))


@pytest.mark.once
def test_a_file_of_another_encoder_or_of_something_else_stays(encoder, folder, tmp_path):
    path = tmp_path / "x.parquet"
    vectors.write(encoder, folder, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="differs in the encoder's weights"):
        vectors.write(small.network((8, 8, 1)), folder, path)
    with pytest.raises(ValueError, match="options of reading"):
        vectors.write(encoder, folder, path, background="black")
    assert path.read_bytes() == before
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="no file of vectors"):
        vectors.write(encoder, folder, path)
    assert path.read_bytes() == b"something else"


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"path": "x.csv"}, r"called \*\.parquet"),
        ({"shard": (0, 3)}, "0/3"),
        ({"shard": (4, 3)}, "4/3"),
        ({"shard": (1, 14)}, "more shards than images"),
        ({"batch_size": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(arguments, said, encoder, folder, tmp_path):
    with pytest.raises(ValueError, match=said):
        vectors.write(encoder, folder, tmp_path / arguments.pop("path", "x.parquet"), **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.once
def test_of_two_that_write_one_file_the_second_is_refused(encoder, folder, tmp_path):
    path = tmp_path / "x.parquet"
    with (
        lock.locked(tmp_path / ".x.parquet.parts", f"The file of vectors {path} is being written"),
        pytest.raises(FileExistsError, match=r"x\.parquet is being written: process"),
    ):
        vectors.write(encoder, folder, path)
    assert not path.exists()


@pytest.mark.once
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_on_a_full_disk_what_was_there_stays_and_goes_on(encoder, tmp_path):
    resource = pytest.importorskip("resource")
    path, limits = tmp_path / "x.parquet", resource.getrlimit(resource.RLIMIT_FSIZE)
    vectors.write(encoder, data.digits()[:10], path)
    before = path.read_bytes()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(OSError, match="large"):
            vectors.write(encoder, data.digits(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert vectors.write(encoder, data.digits(), path)[:5] == (1797, 10, 1787, 0, 0)


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="where names are bytes")
def test_a_name_of_any_bytes_is_written(encoder, folder, tmp_path):
    (folder / "odd" / "01.png").rename(folder / "odd" / os.fsdecode(b"caf\xe9\n.png"))
    vectors.write(encoder, folder, tmp_path / "x.parquet")
    assert "odd/caf\\udce9\n.png" in vectors.read(tmp_path / "x.parquet").names


@pytest.mark.once
def test_pandas_and_duckdb_open_it(encoder, folder, tmp_path):
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    vectors.write(encoder, folder, tmp_path / "x.parquet")
    expected = vectors.read(tmp_path / "x.parquet")
    frame = pandas.read_parquet(tmp_path / "x.parquet")
    assert frame["path"].tolist() == expected.names.tolist()
    np.testing.assert_array_equal(np.stack(frame["vector"]), expected.vectors)
    rows = duckdb.read_parquet(str(tmp_path / "x.parquet"))
    rows = rows.select("path", "vector", "label").fetchall()
    assert [row[0] for row in rows] == expected.names.tolist()
    np.testing.assert_array_equal(np.array([row[1] for row in rows], "float32"), expected.vectors)
    assert [row[2] for row in rows] == expected.labels.tolist()


@pytest.mark.slow
@pytest.mark.once
def test_killed_at_any_moment_the_file_is_that_of_a_call_that_was_not(encoder, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4 * PART + 100, 8, 8)).astype("uint8")
    np.save(tmp_path / "x.npy", images)
    encoder.save(tmp_path / "encoder.keras")
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["barlow"])

    def start(name):
        arguments = (tmp_path / "encoder.keras", tmp_path / "x.npy", tmp_path / name)
        process = processes.Process(target=vectors.write, args=arguments)
        process.start()
        return process

    def exit_code(process):
        process.join()
        return process.exitcode

    assert exit_code(start("whole.parquet")) == 0
    parts = tmp_path / ".killed.parquet.parts"
    moments = random.Random(0)  # noqa: S311 - no secrets
    for kill in range(int(os.environ.get("BARLOW_SEEDS", "3"))):
        process = start("killed.parquet")
        wanted = kill % 5
        while len(list(parts.glob("0*.parquet"))) < wanted and process.is_alive():
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        assert exit_code(process) in (-signal.SIGKILL, 0)
    assert exit_code(start("killed.parquet")) == 0
    whole, killed = (tmp_path / name for name in ("whole.parquet", "killed.parquet"))
    assert killed.read_bytes() == whole.read_bytes()
    assert pq.read_metadata(killed).num_rows == len(images)
    assert not parts.exists()


@pytest.mark.once
def test_numpy_reads_the_vectors_and_their_names(encoder, folder, tmp_path):
    import json

    vectors.write(encoder, folder, tmp_path / "x.parquet")
    values, names = vectors.write_npy(tmp_path / "x.parquet")
    found = vectors.read(tmp_path / "x.parquet")
    np.testing.assert_array_equal(np.load(values, allow_pickle=False), found.vectors)
    assert json.loads(names.read_text()) == found.names.tolist()


@pytest.mark.once
def test_an_array_that_has_no_vectors_is_not_written_over(encoder, tmp_path):
    images = np.zeros((9, 8, 8), "uint8")
    np.save(tmp_path / "x.npy", images)
    vectors.write(encoder, tmp_path / "x.npy", tmp_path / "x.parquet")
    for check in (vectors.write_npy, vectors.check_npy):
        with pytest.raises(FileExistsError, match=r"x\.npy is there, and is no array of vectors"):
            check(tmp_path / "x.parquet")
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), images)
    for rows, names in ((9, None), (9, '{"not": "names"}'), (8, '["a"]'), (None, '["a"]')):
        for name in ("x.npy", "x.names.json"):
            (tmp_path / name).unlink(missing_ok=True)
        if rows:  # vectors of another model, perhaps
            np.save(tmp_path / "x.npy", np.zeros((rows, 4), "float32"))
        if names:
            (tmp_path / "x.names.json").write_text(names)
        with pytest.raises(FileExistsError, match="is no array of vectors with their names"):
            vectors.write_npy(tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", images)
    vectors.write(encoder, tmp_path / "x.npy", tmp_path / "y.parquet")
    for _ in range(2):
        values, _ = vectors.write_npy(tmp_path / "y.parquet")
        assert np.load(values).shape[0] == 9
