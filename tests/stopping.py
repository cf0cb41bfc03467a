"""A verb in a process of its own, stopped by a real signal once it is at work."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

MOST_SECONDS = 120.0
_UNWANTED = ("Traceback", "Warning", "Exception", "never retrieved", "leaked")


def stopped(words: Sequence[object], at_work: Callable[[str], object], number: int, *, before: str = "") -> str:
    """Start the command line, send a signal once it is at work, and give the one sentence that it ends with.

    Args:
        words: of the command line, without its name.
        at_work: whether it is, from what it printed so far.
        number: of the signal; the exit code must be 128 and this.
        before: statements that are run first.
    """
    program = f"import sys\n{before}\nfrom synthmed.cli import main\nsys.argv[0] = 'synthmed'\nmain()"
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", program, *map(str, words)]
    with TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        with out.open("w") as printed, err.open("w") as complained:
            process = subprocess.Popen(command, stdout=printed, stderr=complained)
        try:
            deadline = time.monotonic() + MOST_SECONDS
            while not at_work(out.read_text()) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            assert process.poll() is None, f"it ended by itself: {err.read_text()}"
            process.send_signal(number)
            code = process.wait(MOST_SECONDS)
        finally:
            process.kill()
            process.wait()
        told = err.read_text()
    assert code == 128 + number, told
    assert not [word for word in _UNWANTED if word in told], told
    said = [line for line in told.splitlines() if line.startswith("synthmed: ")]
    assert len(said) == 1 and said[0].endswith("."), told
    return said[0].removeprefix("synthmed: ")
