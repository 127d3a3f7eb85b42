"""Embedding on Ray: the file is that of one process, also if a worker is killed."""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import time

import keras
import numpy as np
import pytest
import small

from barlow import data, vectors

pytest.importorskip("ray")
pytestmark = [pytest.mark.once, pytest.mark.slow]

PART = 4096  # rows


def workers():
    """Processes of Ray that run a worker of ours."""
    found = []
    for place in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            if place.read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(place.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="how a worker is found")
def test_the_file_is_that_of_one_process_also_if_a_worker_is_killed(tmp_path):
    keras.utils.set_random_seed(0)
    small.network((8, 8, 1)).save(tmp_path / "encoder.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (3 * PART + 100, 8, 8)).astype("uint8")
    np.save(tmp_path / "x.npy", pixels)
    arguments = (tmp_path / "encoder.keras", tmp_path / "x.npy")
    vectors.write(*arguments, tmp_path / "one.parquet")

    killed = []

    def kill():
        parts = tmp_path / ".many.parquet.parts"
        while not list(parts.glob("0*.parquet")):
            time.sleep(0.01)
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    written = vectors.write(*arguments, tmp_path / "many.parquet", engine=vectors.Ray(workers=2))
    thread.join()
    assert killed
    assert written[:5] == (len(pixels), 0, len(pixels), 0, 0)
    one, many = (vectors.read(tmp_path / f"{name}.parquet") for name in ("one", "many"))
    assert many.names.tolist() == one.names.tolist()
    assert many.facts["content"].tolist() == one.facts["content"].tolist()
    np.testing.assert_allclose(many.vectors, one.vectors, rtol=1e-5, atol=1e-6)
    assert vectors.write(*arguments, tmp_path / "many.parquet").there == len(pixels)


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises((ConnectionError, ValueError), match=r"no Ray cluster at 127\.0\.0\.1:1"):
        vectors.write(
            small.network((8, 8, 1)),
            data.digits()[:10],
            tmp_path / "x.parquet",
            engine=vectors.Ray("127.0.0.1:1"),
        )
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        vectors.write(
            small.network((8, 8, 1)),
            data.digits()[:10],
            tmp_path / "x.parquet",
            engine=vectors.Ray(workers=0),
        )


def test_an_error_of_a_worker_is_that_of_one_process(tmp_path):
    model = small.network((8, 8, 1))
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(FloatingPointError, match="NaN or Inf for the image 0"):
        vectors.write(
            model, data.digits()[:10], tmp_path / "x.parquet", engine=vectors.Ray(workers=1)
        )
