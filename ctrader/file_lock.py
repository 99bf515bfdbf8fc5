"""Lock a file against other threads and processes.

The system lets go of the lock of a process that dies.
"""

from __future__ import annotations

__all__ = ["locked_file"]

import contextlib
import os
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

_PAUSE: Final = 0.05
"""Seconds between tries."""

if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        """Do nothing: a process inherits no lock, so closing the file lets go of it."""

else:
    import fcntl

    def _try_to_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked_file(
    path: Path,
    timeout: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Generator[None, None, None]:
    """Hold a file locked while the context lasts. The file is made, and stays.

    A lock belongs to the opened file, so it also keeps other threads of this process away, and
    may be let go on another thread than the one that took it. A child that this process forks
    meanwhile shares the lock: it neither keeps it nor lets go of it for its parent, unless the
    parent dies.

    Args:
        path: A file that is never replaced or removed: whoever locked the old one would not keep
            out those who lock the new one.
        timeout: Seconds to try.
        clock: Tells the seconds, for tests.
        sleep: Lets them pass.

    Raises:
        TimeoutError: somebody else held it all the time.
        OSError: the file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
    descriptor = os.open(path, flags, 0o600)
    owner = os.getpid()
    try:
        until = clock() + timeout
        while not _try_to_lock(descriptor):
            if clock() >= until:
                raise TimeoutError(f"{path} is locked by somebody else")
            sleep(_PAUSE)
        try:
            yield
        finally:
            # Closing would not do where a child of a fork still has the file open.
            if os.getpid() == owner:
                _unlock(descriptor)
    finally:
        os.close(descriptor)
