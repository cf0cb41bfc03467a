import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
from synthmed.running.memory import give_back

def held():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))

# Blocks of 64 KiB lie on the heap; the last one keeps it from shrinking by itself.
blocks = [np.ones(8192) for _ in range(2000)]
last = blocks[-1]
del blocks
before = held()
give_back()
print(before - held())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_what_was_freed_is_given_back():
    """In a process of its own: how much this one holds depends on all tests before."""
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(found.stdout) > 100_000  # of 128,000 KiB
