"""A lock on an open file that dies with its process, on every system."""

from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def try_lock(file: IO[Any]) -> bool:
        """Take the lock; False where another process holds it."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
else:

    def try_lock(file: IO[Any]) -> bool:
        """Take the lock; False where another process holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
