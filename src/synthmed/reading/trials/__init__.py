"""Types of trials, one a file; a new file is found by its name and touches nothing else."""

from importlib import import_module
from pkgutil import iter_modules

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError
from synthmed.reading.trials._contract import TrialType


def trial_names() -> list[str]:
    """Names of all types of trials."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def find_trial(name: str) -> TrialType:
    """A type of trial by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in trial_names():
        raise ConfigError(f"There is no paradigm {name!r}{did_you_mean(name, trial_names())}; known are "
                          f"{', '.join(trial_names())}.")  # fmt: skip
    found: TrialType = import_module(f"synthmed.reading.trials.{name}").TRIAL
    return found
