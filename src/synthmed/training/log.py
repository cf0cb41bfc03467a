"""What a training writes down for programs: lines of JSON. Never a patient's name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmed.files import lines


class JsonLines:
    """``log.jsonl``: one sealed line for each logged step, written at once.

    Args:
        path: the file; lines that lie beyond where a resumed training starts are cut off.
        stage: number of the stage to go on in.
        images: images of that stage already seen.

    Raises:
        ArtifactError: a line is not as it was written.
    """

    def __init__(self, path: Path, stage: int, images: int) -> None:
        self.path = path
        lines.keep(path, lambda entry: (entry["stage"], entry["images"]) <= (stage, images))

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one entry."""
        lines.append(self.path, entry)

    def seconds(self, stage: int) -> float:
        """What the lines tell that a stage took so far; 0 before its first."""
        return max(
            (float(entry.get("seconds", 0)) for entry in lines.read(self.path) if entry["stage"] == stage), default=0.0
        )
