"""What is said of the time of a training, and of a machine that is too small for it."""

import datetime
import json

import pytest
import typer

from barlow.cli import progress, show

pytestmark = pytest.mark.once


@pytest.fixture
def bar(tmp_path):
    """Of a run of four epochs of ten steps."""
    config = {"epochs": 4, "images": 105, "batch_size": 10, "reasons": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with progress.TrainingProgress(tmp_path) as callback:
        yield callback


def test_the_rest_of_an_epoch_counts_as_what_it_is(bar, monkeypatch):
    now = 0.0
    said = []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    monkeypatch.setattr(progress, "_clock", lambda seconds: f"in {seconds:.0f} s")
    monkeypatch.setattr(show, "say", said.append)
    for epoch, steps in enumerate((3, 10, 10), 1):  # resumed after 17 of 40 steps
        bar.set_params({"steps": steps})
        bar.on_train_begin()
        bar.on_epoch_begin(epoch)
        for batch in range(steps):
            now += 1
            bar.on_train_batch_end(batch)
            done = 10 * epoch + 10 - steps + batch + 1
            (task,) = bar._progress.tasks
            assert task.completed == pytest.approx(done / 10)
    assert said == ["Training takes about 13 s here, until in 13 s."]  # after ten steps


def test_the_clock_of_any_end_has_what_is_needed():
    before, said, now = datetime.datetime.now(), progress._clock(0), datetime.datetime.now()
    assert said in (f"{before:%H:%M}", f"{now:%H:%M}")
    for days in (1, 732):
        end = now + datetime.timedelta(days)
        year = "" if end.year == now.year else f"{end:%Y} "
        assert progress._clock(86400 * days).startswith(f"{end:%d %b} {year}")
    assert progress._clock(1e15) == "after the year 9999"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 894. GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.\nand pages more"),
    ],
)
def test_too_little_memory_is_no_bug(error, capsys):
    with pytest.raises(typer.Exit) as ended, show.errors(with_traceback=False):
        raise error
    printed = capsys.readouterr().err
    assert ended.value.exit_code == 2
    assert "The memory is not enough" in printed
    assert str(error).splitlines()[0] in printed
    assert "pages" not in printed
    assert "--micro-batch-size" in printed
    assert "bug" not in printed
