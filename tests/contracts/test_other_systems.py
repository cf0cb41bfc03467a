"""Nothing that other systems lack is needed to import the package."""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

IMPORT_ALL = """
import subprocess, sys, types
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
sys.modules["msvcrt"] = types.SimpleNamespace(locking=lambda *words: None, LK_NBLCK=2)
import os
del os.O_NOFOLLOW
import importlib, pkgutil, synthmed
for module in pkgutil.walk_packages(synthmed.__path__, "synthmed."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from synthmed.files.locks import try_lock
with open(sys.argv[1], "w") as file:
    assert try_lock(file)
"""


def test_every_module_is_imported_without_what_unix_alone_has(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(tmp_path / "lock")], env={"PYTHONPATH": str(SOURCE), "PATH": ""},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
