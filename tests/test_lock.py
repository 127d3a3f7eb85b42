"""A lock on a folder: one holder at a time, who is named, and gone with its process."""

import contextlib
import errno
import getpass
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from barlow import lock

pytestmark = pytest.mark.once

HOLD = """
import os, pathlib, sys, time
from barlow import lock
with lock.locked(pathlib.Path(sys.argv[1])):
    if "fork" in sys.argv and not os.fork():
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


def hold(folder, *more):
    """A process that holds the lock of a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, *more],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout
    with process.stdout as output:
        assert output.readline() == "held\n"
    return process


def test_a_refusal_names_the_process_and_since_when_and_ends_with_the_process(tmp_path):
    process = hold(tmp_path / "run")
    try:
        with pytest.raises(FileExistsError) as refused, lock.locked(tmp_path / "run"):
            pass
        holder = f"process {process.pid} of user {getpass.getuser()} on {socket.gethostname()}"
        assert f"{holder}, since 20" in str(refused.value)
        assert "Wait until it ends, or stop it" in str(refused.value)
    finally:
        process.kill()
        process.wait()
    assert (tmp_path / "run" / lock.NAME).exists()  # what a kill leaves locks nothing
    with lock.locked(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / lock.NAME).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_process_that_was_forked_does_not_keep_the_lock_of_its_parent(tmp_path):
    process = hold(tmp_path, "fork")
    try:
        process.kill()
        process.wait()
        with lock.locked(tmp_path):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the fork


def test_another_thread_is_refused(tmp_path):
    refused = []

    def try_it():
        try:
            with lock.locked(tmp_path):
                pass
        except FileExistsError as error:
            refused.append(str(error))

    with lock.locked(tmp_path):
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert f"process {os.getpid()} " in refused[0]
    try_it()
    assert len(refused) == 1


def test_nothing_is_left_but_what_others_put_there(tmp_path):
    with lock.locked(tmp_path / "a" / "b"):
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [lock.NAME]
    assert list(tmp_path.iterdir()) == []
    with contextlib.suppress(RuntimeError), lock.locked(tmp_path / "a" / "b"):
        (tmp_path / "a" / "file").touch()
        raise RuntimeError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def take_turns(folder, turns):
    """Hold the lock again and again; fail if another process holds it, too."""
    held = 0
    while held < turns:
        try:
            with lock.locked(folder):
                mark = folder / "mark"
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))  # fails if it is there
                mark.unlink()
                held += 1
        except FileExistsError as error:
            if "in training" not in str(error):
                raise


def test_of_many_processes_one_has_the_lock_while_files_and_folders_come_and_go(tmp_path):
    context = multiprocessing.get_context("spawn")
    folder = tmp_path / "run"
    processes = [context.Process(target=take_turns, args=(folder, 200)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert list(tmp_path.rglob("*")) in ([], [folder])  # its maker may not have been the last


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_gets_one_warning(code, tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", no_locks)  # no file system here is without
    with pytest.warns(UserWarning, match="has no locks") as warned, lock.locked(tmp_path):
        pass
    assert len(warned) == 1
    assert list(pathlib.Path(tmp_path).iterdir()) == []
