"""Memory of this process."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Give memory that was freed back to the system.

    The C library keeps what its threads freed, for later; between long steps of unlike needs that would add up. Nothing
    happens where it has no such function.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
