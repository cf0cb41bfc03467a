"""What a training writes down for programs: lines of JSON. Never a patient's name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmed.artifacts import storage_errors, write_file


class JsonLines:
    """``log.jsonl``: one line for each logged step, flushed at once.

    Args:
        path: the file; lines that lie beyond where a resumed training starts are cut off.
        stage: number of the stage to go on in.
        images: images of that stage already seen.
    """

    def __init__(self, path: Path, stage: int, images: int) -> None:
        self.path = path
        if path.is_file():
            lines = [line for line in path.read_text().splitlines() if _is_before(line, stage, images)]
            write_file(path, "".join(line + "\n" for line in lines))

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one entry."""
        with storage_errors(self.path), self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def _is_before(line: str, stage: int, images: int) -> bool:
    try:
        entry = json.loads(line)
        return (entry["stage"], entry["images"]) <= (stage, images)
    except (ValueError, KeyError, TypeError):
        return False  # a line cut short by a crash
