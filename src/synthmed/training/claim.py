"""``config.toml`` of a run: what its training was asked for, sealed. The one writer and the one reader."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmed import artifacts
from synthmed.config import read_toml, to_toml
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.seals import sealed, unsealed
from synthmed.training.run import LOCK

FILE = "config.toml"
_PARTS = {"method", "description", "data", "training", "config"}
_TABLES = ("data", "training", "config", "machine")


def claim(run: Path, asked: Mapping[str, Any]) -> None:
    """Write config.toml, or make sure that the one there asks for the same; a recipe's description asks for nothing.

    Args:
        run: the directory of the run, which this process holds.
        asked: method, description, data, training, config and machine, every setting with its value.

    Raises:
        ConfigError: the run belongs to a training with other settings or data.
        ArtifactError: config.toml is damaged, or the directory is not empty and no run.
    """
    if not agrees(run, asked):
        artifacts.write_file(run / FILE, to_toml(sealed(asked)))


def agrees(run: Path, asked: Mapping[str, Any]) -> bool:
    """Whether the run was begun before, and asks for the same; False where nothing is there.

    Raises:
        ConfigError, ArtifactError: as ``claim`` does.
    """
    if not (run / FILE).is_file():
        entries = run.iterdir() if run.is_dir() else ()
        if any(entry.name != LOCK and not artifacts.is_leftover(entry) for entry in entries):
            raise ArtifactError(f"{run} is not empty and not a training of synthmed. Give another path for RUN.")
        return False
    before, now = by_key(read_claim(run)), by_key(asked)
    changed = [key for key in sorted({*before, *now} - {"description"}) if before.get(key) != now.get(key)]
    if changed:
        told = (f"{key} was {before.get(key, 'not there')}, now {now.get(key, 'not there')}" for key in changed)
        raise ConfigError(
            f"{run} belongs to a training with other settings or data ({'; '.join(told)}). Give the same settings to "
            "go on, or another RUN to begin anew."
        )
    return True


def read_claim(run: Path) -> dict[str, Any]:
    """What the training of a run was asked for: method, description, data, training, config, and the machine.

    Raises:
        ConfigError: there is no config.toml.
        ArtifactError: it is not as it was written.
    """
    file = run / FILE
    if not file.is_file():
        raise ConfigError(f"{run} is no training of synthmed; expected {FILE} in it. Check the path.")
    try:
        said = read_toml(file.read_text(encoding="utf-8"))
        if said.keys() - {"machine"} != _PARTS:  # runs of before have no seal, and older ones say no machine
            said = unsealed(said)
        if said.keys() - {"machine"} != _PARTS or not all(isinstance(said.get(part, {}), dict) for part in _TABLES):
            raise ValueError(f"its parts are not {', '.join(sorted(_PARTS))}")
    except ValueError as error:
        raise ArtifactError(
            f"{file} is not as it was written ({error}). Restore it, or train anew to another RUN."
        ) from error
    return said


def by_key(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a table by their dotted keys.

    Example:
        >>> by_key({"seed": 1, "adam": {"beta1": 0.5}})
        {'seed': 1, 'adam.beta1': 0.5}
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= by_key(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found
