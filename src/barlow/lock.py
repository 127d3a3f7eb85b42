"""One process at a time in a folder: a lock that ends with its process.

The lock is the system's own on a file in the folder: ``flock``, which network file systems pass on
to their server, and ``msvcrt.locking`` on Windows. However a process ends, its lock is gone; a file
that a kill leaves behind locks nothing.
"""

import contextlib
import datetime
import errno
import getpass
import json
import os
import pathlib
import socket
import sys
import warnings
from collections.abc import Iterator

NAME = ".lock"
"""The file in the folder. It holds who has the lock, and since when."""

# What a file system answers that has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # the last is Windows'
_FAR = 2**30  # where Windows locks, which lets nobody read what is locked
_TRIES = 100  # another process may delete the file, or its folder, in between

_descriptors: set[int] = set()


@contextlib.contextmanager
def locked(folder: pathlib.Path, what: str = "") -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is not there.

    At the end the file is deleted, and with it the folders that were made if nothing else is in
    them. A file system without locks gets a warning.

    Args:
        folder: The folder.
        what: What the lock says of it to others. Defaults to that the run there is in training.

    Raises:
        FileExistsError: If another process or thread has the lock: which one, and since when.
        OSError: If the folder cannot be made, or nothing can be written in it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    path = folder / NAME
    try:
        descriptor = _open(path, what or f"The run at {folder} is in training")
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(_holder()).encode())
            yield
        finally:
            _release(descriptor, path)
    finally:
        with contextlib.suppress(OSError):  # something is in it
            for each in made:
                each.rmdir()


def _open(path: pathlib.Path, what: str) -> int:
    """Descriptor of the locked file."""
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue
        try:
            _lock(descriptor, path, what)
            # Whoever held the lock until now has deleted the file: the lock is one of no file.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                _descriptors.add(descriptor)
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _lock(descriptor: int, path: pathlib.Path, what: str) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - not elsewhere

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise FileExistsError(_refusal(path, what)) from error
        if error.errno not in _NO_LOCKS:
            raise
        warnings.warn(
            f"The file system of {path.parent} has no locks ({error.strerror}): nothing keeps two "
            "processes from writing there.",
            stacklevel=6,
        )


def _release(descriptor: int, path: pathlib.Path) -> None:
    """Delete the file and let others lock."""
    if descriptor not in _descriptors:
        return  # in a process that was forked meanwhile, which has no part in the lock
    _descriptors.discard(descriptor)
    if sys.platform == "win32":  # which deletes no open file
        os.close(descriptor)
        with contextlib.suppress(OSError):  # it is open again, in another process
            path.unlink()
        return
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # before the lock ends: it may be another's afterwards
    os.close(descriptor)


def _holder() -> dict[str, str | int]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        user = "unknown"
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return {"host": socket.gethostname(), "process": os.getpid(), "user": user, "since": since}


def _refusal(path: pathlib.Path, what: str) -> str:
    who = "another process or thread"
    with contextlib.suppress(OSError, ValueError, KeyError):  # it is being written
        holder = json.loads(path.read_text())
        who = "process {process} of user {user} on {host}, since {since}".format(**holder)
    return (
        f"{what}: {who}. Wait until it ends, or stop it, which leaves something to resume; or "
        "choose another place."
    )


def _forget() -> None:
    """Close the locks of the parent in a forked process: they end with the parent."""
    for descriptor in _descriptors:
        os.close(descriptor)
    _descriptors.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
