"""Embed parts on a Ray cluster: the parts are the same as those of one process."""

import logging
import os
import pathlib
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from barlow.errors import InvalidInput, extra
from barlow.vectors.parts import Embedder, Ray, Settings, Skipped, Task

# Before Ray is imported: nothing leaves the machine, and what it logs is not for the user.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

with extra("ray", "Embedding on a cluster"):
    import ray
    from ray.data import ActorPoolStrategy, DataContext

_SECONDS = 10  # to wait for a cluster to answer
_MENDABLE = {"input": InvalidInput, "nan": FloatingPointError, "files": OSError}
"""Errors that the user can mend. Ray would wrap them in its own, without their kind."""


def run(
    engine: Ray, encoder: str | os.PathLike[str], settings: Settings, tasks: Iterable[Task]
) -> Iterator[Skipped]:
    """Write all parts; yields the images that cannot be read, by part.

    Args:
        engine: The cluster, and how many workers.
        encoder: Where the workers load the encoder from.
        settings: What is the same for all parts.
        tasks: The parts.

    Raises:
        InvalidInput: If the number of workers is not valid.
        OSError: If there is no cluster at the address.
    """
    if engine.workers is not None and engine.workers < 1:
        raise InvalidInput(f"`workers` must be at least 1. Received: {engine.workers}.")
    is_ours = not ray.is_initialized()
    if is_ours:
        _start(engine)
    try:
        yield from _found(engine, pathlib.Path(encoder).absolute(), settings, [*tasks])
    finally:
        if is_ours:
            ray.shutdown()


def _start(engine: Ray) -> None:
    host, colon, port = (engine.address or "").removeprefix("ray://").rpartition(":")
    try:
        if colon:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), _SECONDS).close()
        ray.init(
            engine.address or "local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            num_cpus=None if engine.address else max(engine.workers or 1, os.cpu_count() or 1),
        )
    except (OSError, ValueError) as error:  # no cluster, no host, no port
        raise ConnectionError(
            f"There is no Ray cluster at {engine.address}. `ray start --head` starts one."
        ) from error


def _found(
    engine: Ray, encoder: pathlib.Path, settings: Settings, tasks: list[Task]
) -> Iterator[Skipped]:
    """What the workers return, in the order in which they are ready."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    workers = engine.workers or gpus or max(1, len(ray.nodes()))
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    parts = ray.data.from_items(
        [{"number": number} for number in range(len(tasks))], override_num_blocks=len(tasks)
    )
    worker: Any = _Worker
    written = parts.map(
        worker,
        fn_constructor_args=(encoder, settings, [ray.put(tasks)]),
        compute=ActorPoolStrategy(size=min(workers, len(tasks))),
        runtime_env={"env_vars": {"KERAS_BACKEND": keras.backend.backend()}},
        num_gpus=1 if gpus else 0,
        num_cpus=0 if gpus else 1,
    )
    for row in written.iter_rows():
        if row["error"]:
            raise _MENDABLE[row["error"]](row["message"])
        yield [(where, why) for where, why in row["skipped"]]


class _Worker:
    """A process of the cluster, which loads the encoder once."""

    def __init__(self, encoder: pathlib.Path, settings: Settings, tasks: list[Any]):
        (self._tasks,) = ray.get(tasks)
        self._embed = Embedder(encoder, settings)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        skipped, error, message = [], "", ""
        try:
            skipped = [list(pair) for pair in self._embed(self._tasks[row["number"]])]
        except tuple(_MENDABLE.values()) as mendable:
            error = next(name for name, kind in _MENDABLE.items() if isinstance(mendable, kind))
            message = str(mendable)
        return {"skipped": skipped, "error": error, "message": message}
