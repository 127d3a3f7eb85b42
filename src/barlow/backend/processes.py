"""Processes of one training: of ``torch.distributed`` or, with JAX, of ``jax.distributed``.

With TensorFlow there is one process, whatever its devices: Keras 3 trains on one machine with it.
"""

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from barlow.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Who starts many processes says so in variables: torchrun; Keras, or a person who starts them by
# hand; schedulers that jax.distributed knows.
_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_KERAS = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_COORDINATORS = ("JAX_COORDINATOR_ADDRESS", "COORDINATOR_ADDRESS")
_INDICES = (
    *("RANK", "KERAS_DISTRIBUTION_PROCESS_ID"),
    *("SLURM_PROCID", "OMPI_COMM_WORLD_RANK"),
)
_TIMEOUT = 60  # seconds that a process waits for another, which may have died
_LEAVING = 10  # seconds that it waits for another to leave, which may have failed


def process_count() -> int:
    """Number of processes of this training; 1 if it is alone."""
    return _place()[1]


def process_index() -> int:
    """Number of this process, from 0 on; 0 writes the run."""
    return _place()[0]


def launched_index() -> int:
    """The same before a backend is imported, as what started the processes says it."""
    given = (os.environ.get(name, "") for name in _INDICES)
    return next((int(index) for index in given if index.isdecimal()), 0)


def _place() -> tuple[int, int]:
    import keras  # noqa: PLC0415 - not before a backend is chosen

    if keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        group = torch.distributed
        if group.is_available() and group.is_initialized():
            return group.get_rank(), group.get_world_size()
    elif keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        if jax.distributed.is_initialized():
            return jax.process_index(), jax.process_count()
    return 0, 1


def join_processes() -> None:
    """Join the other processes of this training, if variables of the environment say there are any.

    PyTorch: those of ``torchrun``. JAX: those of ``keras.distribution.initialize``, or of a
    scheduler that ``jax.distributed`` knows, such as SLURM with more than one task.

    Raises:
        InvalidInput: If there are, and the backend is TensorFlow.
    """
    import keras  # noqa: PLC0415

    name = keras.backend.backend()
    if name == "tensorflow":
        _refuse_workers()
    elif process_count() > 1:
        return
    elif name == "torch" and all(variable in os.environ for variable in _TORCHRUN):
        _join_torch()
    elif name == "jax" and (_KERAS in os.environ or _scheduled()):
        keras.distribution.initialize()


def _join_torch() -> None:
    import datetime  # noqa: PLC0415

    import torch  # noqa: PLC0415

    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group(
        "nccl" if gpus else "gloo", timeout=datetime.timedelta(seconds=_TIMEOUT)
    )
    atexit.register(_leave_torch)


def _leave_torch() -> None:
    """Leave the group together: with gloo a process may abort if another one has left before it."""
    import datetime  # noqa: PLC0415

    import torch  # noqa: PLC0415

    group = torch.distributed
    if group.is_initialized():
        with contextlib.suppress(RuntimeError):  # another one has ended, or does not come
            if group.get_backend() == "gloo":
                group.monitored_barrier(timeout=datetime.timedelta(seconds=_LEAVING))
        group.destroy_process_group()


def _refuse_workers() -> None:
    import json  # noqa: PLC0415

    try:
        workers = json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"]["worker"]
    except (ValueError, KeyError, TypeError):
        return
    if len(workers) > 1:
        raise InvalidInput(
            f"TF_CONFIG names {len(workers)} workers, but Keras 3 trains on one machine with "
            "TensorFlow. For many machines set KERAS_BACKEND=jax or KERAS_BACKEND=torch; on one, "
            "unset TF_CONFIG and give --devices all (devices='all')."
        )


def _scheduled() -> bool:
    # Of a step that srun has started: a batch script is one process, however many tasks it has.
    tasks = [os.environ.get(name, "1") for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")]
    return any(name in os.environ for name in _COORDINATORS) or tasks != ["1", "1"]


def exchange(values: "NDArray[Any]") -> "NDArray[Any]":
    """The values of all processes, ``[processes, ...]``; all must call it together.

    Args:
        values: A few numbers, of one shape and dtype on all processes.

    Raises:
        ConnectionError: If another process has ended.
    """
    if process_count() == 1:
        return values[None]
    import keras  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    if keras.backend.backend() == "jax":
        from jax.experimental import multihost_utils  # noqa: PLC0415

        return np.asarray(multihost_utils.process_allgather(values, tiled=False))
    import torch  # noqa: PLC0415

    own = torch.from_numpy(np.array(values)).to(keras.src.backend.torch.core.get_device())
    parts = [torch.empty_like(own) for _ in range(process_count())]
    torch.distributed.all_gather(parts, own)
    return torch.stack(parts).cpu().numpy()


# What a backend says when another process is gone; its errors have no class of their own.
_LOST = ("connection closed", "connection reset", "broken pipe", "timed out", "deadline_exceeded")


@contextlib.contextmanager
def noticing_the_lost() -> Iterator[None]:
    """Say so where an error in the block comes from another process that has ended.

    Raises:
        ConnectionError: In place of such an error.
    """
    try:
        yield
    except RuntimeError as error:
        if process_count() == 1 or not any(sign in str(error).lower() for sign in _LOST):
            raise
        _leave_without_the_lost()
        raise ConnectionError(
            f"Another of the {process_count()} processes of this training has ended or does not "
            f"answer: {' '.join(str(error).split())[:200]}. What started them says which one. The "
            "run has its last checkpoint: resume it (--resume, resume=True), on as many devices as "
            "there are."
        ) from error


def _leave_without_the_lost() -> None:
    """Let this process end by its error, and say it."""
    import signal  # noqa: PLC0415
    import threading  # noqa: PLC0415

    import keras  # noqa: PLC0415

    if keras.backend.backend() != "jax":
        if threading.current_thread() is threading.main_thread():
            # torchrun sends it to those that are left, perhaps before they have shown the error.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return
    # At the end JAX would wait for the lost one, and abort.
    with contextlib.suppress(ImportError):
        import ctypes  # noqa: PLC0415

        from jax._src.api import clean_up  # noqa: PLC0415 - what JAX does at the end
        from jax._src.distributed import global_state  # noqa: PLC0415

        atexit.unregister(clean_up)
        for part in (global_state.client, global_state.service):  # never destroyed
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))


def launch(processes: int, arguments: list[str]) -> int:
    """Run a command of barlow in so many processes of PyTorch on this machine, by ``torchrun``.

    Args:
        processes: Number of processes.
        arguments: Of the command ``barlow``.

    Returns:
        The exit code.
    """
    import signal  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    threads = max(1, (os.cpu_count() or 1) // processes)  # torchrun gives each process one
    # The working folder is data, not code: it is on no path.
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(processes), "--module", "_barlow_command", *arguments),
    ]
    process = subprocess.Popen(  # noqa: S603 - the same command again
        command,
        env={"OMP_NUM_THREADS": str(threads), **os.environ, "PYTHONSAFEPATH": "1"},
        start_new_session=True,  # else a terminal interrupts all of them, and torchrun once more
    )
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # they stop after the step in which they are
            process.terminate()
