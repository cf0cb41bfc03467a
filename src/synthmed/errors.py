"""Every exception that synthmed raises on purpose.

::

    SynthmedError                 exit code 1: our fault, or a run that went wrong
    ├── TrainingError             a loss is not finite, a training cannot go on
    ├── InputError                exit code 2: what the user gave cannot be used
    │   ├── SourceError           an image file or a folder of images
    │   │   └── LayoutError       a folder whose files do not say what belongs together
    │   ├── DataError             a prepared data set, a sample set, a split
    │   ├── ConfigError           a recipe, a setting, a flag
    │   ├── ArtifactError         a directory or file of ours that is damaged, missing or of another kind
    │   ├── WeightsError          a file of pretrained weights that is missing, damaged or cannot be fetched
    │   ├── StudyError            a reader study: its design, an invitation, an answer
    │   └── StorageError          the disk is full or cannot be written
    ├── GateError                 exit code 3: a gate said no
    └── Interrupted               exit code 130: a signal asked to stop, and what was done is saved

A message is one sentence or two: what was found, what was expected, what to do. Words from outside, such as names of
files, reach no terminal, page or table with control characters in them.
"""

from synthmed.harmless import printable


class SynthmedError(Exception):
    """The root: ``except SynthmedError`` catches all that synthmed raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class TrainingError(SynthmedError):
    """A training that cannot go on; the last good checkpoint stays."""


class InputError(SynthmedError):
    """What the user gave cannot be used as it is."""

    exit_code = 2


class SourceError(InputError):
    """An image file, or a folder of them, that cannot be read."""


class LayoutError(SourceError):
    """A folder of images of which it cannot be told what belongs together; going on would drop or mix something."""


class DataError(InputError):
    """A prepared data set, a sample set or a split that cannot be used."""


class ConfigError(InputError):
    """A recipe, a setting or a flag that is unknown or out of range."""


class ArtifactError(InputError):
    """One of our own files or directories that is damaged, missing or of another kind."""


class WeightsError(InputError):
    """A file of pretrained weights that is missing, damaged, of another kind, or cannot be fetched."""


class StudyError(InputError):
    """A reader study, an invitation or an answer that cannot be used as it is."""


class StorageError(InputError):
    """The disk is full or may not be written; what was there before is intact."""


class GateError(SynthmedError):
    """A gate said no."""

    exit_code = 3


class Interrupted(SynthmedError):
    """A signal asked to stop; what was done is saved and the same command goes on.

    Args:
        sentence: what was saved, and how it goes on.
        number: of the signal; 2 is that of Ctrl-C.
    """

    exit_code = 130

    def __init__(self, sentence: str, number: int = 2) -> None:
        super().__init__(sentence)
        self.exit_code = 128 + number
