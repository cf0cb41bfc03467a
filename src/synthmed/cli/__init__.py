"""The command line: one verb, one call of the function of the same name; parse, call, print.

Exit codes: 0 done, 1 our fault or a training that went wrong, 2 the user's input (one sentence), 3 a gate said no, 130
and 143 stopped by Ctrl-C and SIGTERM. Heavy modules are imported inside the verbs, so that ``--help`` is quick.
"""

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

# Each adds its verbs, in the order in which they are used and listed.
from synthmed.cli import making  # noqa: F401
from synthmed.cli._app import app
from synthmed.errors import InputError, Interrupted, SynthmedError
from synthmed.running.progress import hush, started

# isort: split
from synthmed.cli import changing  # noqa: F401

# isort: split
from synthmed.cli import judging  # noqa: F401

# isort: split
from synthmed.cli import studies  # noqa: F401

# isort: split
from synthmed.cli import handing  # noqa: F401

_NOTHING_LEFT = "Nothing of it is left; the same command begins anew."
_KEPT = {
    "doctor": "It writes nothing.",
    "prepare": "What was finished is kept; the same command goes on from there.",
    "train": "The last checkpoint is kept; the same command goes on from there.",
    "evaluate": "Finished trainings and features are kept; the same command goes on from there.",
    "audit": "Features that were made are kept; the same command goes on from there.",
    "compare": "What was finished is kept; the same command goes on from there.",
    "weights": "What was fetched is kept; the same command goes on from there.",
    "models fetch": "What was fetched is kept; the same command goes on from there.",
    "verify": "It writes nothing.",
    "demo": "What was finished is kept; the same command goes on from there.",
    "study serve": "Every answer that was acknowledged is kept; the same command serves the study again.",
    "study simulate": "Every answer that was acknowledged is kept; the same command goes on from there.",
}
"""What is there after a verb was stopped."""


def main() -> None:
    """Run the command line; errors of ours, Ctrl-C and SIGTERM become one sentence and an exit code."""
    words = _unquiet(sys.argv[1:])
    with _stoppable() as came:
        try:
            app(words)
        except SynthmedError as error:
            _end(str(error), 128 + came[0] if came and isinstance(error, Interrupted) else error.exit_code)
        except OSError as error:
            _end(f"{error}. Check that the path is there and that you may read and write it.", InputError.exit_code)
        except (SystemExit, KeyboardInterrupt):
            if not came:
                raise
            given = [word for word in words if not word.startswith("-")]
            verb = " ".join(given[: 2 if given[:1] in (["study"], ["models"]) else 1])
            _end(f"Stopped. {_KEPT.get(verb, _NOTHING_LEFT)}", 128 + came[0])


def _unquiet(words: list[str]) -> list[str]:
    """The words without ``--quiet``, which may stand anywhere before a ``--`` and is obeyed."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word not in ("--quiet", "-q")]
    if len(kept) < end:
        hush()
    return kept + words[end:]


def _end(sentence: str, code: int) -> NoReturn:
    started()
    print(f"synthmed: {sentence}", file=sys.stderr)
    sys.exit(code)


class _StoppedError(KeyboardInterrupt):
    """Not KeyboardInterrupt itself: where that comes in the middle of an import, Python kills its own process."""


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end a verb as an exception does, so that it cleans up; a second Ctrl-C ends it at once."""
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Between a file's opening and its ``with`` Python may stop too; the file is closed all the same.
        warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
        raise _StoppedError

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
