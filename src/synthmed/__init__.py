"""Synthetic medical images: controllable, honestly measured, judged by readers, audited for copies of patients.

The names below are the verbs of the command line; where they take a path, text will do. They are imported on first use,
so that ``import synthmed`` and ``synthmed --help`` load no torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "demo": "synthmed.demonstration",
    "doctor": "synthmed.checkup.doctor",
    "names": "synthmed.listing",
    "phantom": "synthmed.phantoms",
    "prepare": "synthmed.data.prepare",
    "export": "synthmed.data.export",
    "label": "synthmed.segmentation.labelling",
    "train": "synthmed.training.loop",
    "generate": "synthmed.generation.generate",
    "invert": "synthmed.editing.invert",
    "interpolate": "synthmed.editing.interpolate",
    "splice": "synthmed.editing.splice",
    "perturb": "synthmed.editing.perturb",
    "class_table": "synthmed.comparison.class_table",
    "evaluate": "synthmed.evaluation.report",
    "weights": "synthmed.pretrained.folder",
    "audit": "synthmed.auditing",
    "compare": "synthmed.comparison.compare",
    "study_new": "synthmed.reading.design",
    "study_invite": "synthmed.reading.serving",
    "study_serve": "synthmed.reading.serving",
    "study_simulate": "synthmed.reading.simulate",
    "study_report": "synthmed.reading.report",
    "study_backup": "synthmed.reading.store",
    "publish": "synthmed.publishing.release",
    "verify": "synthmed.publishing.verifying",
    "site": "synthmed.publishing.site",
    "withdraw": "synthmed.publishing.withdrawal",
    "models_list": "synthmed.zoo.folder",
    "models_fetch": "synthmed.zoo.folder",
    "models_verify": "synthmed.zoo.folder",
    "models_publish": "synthmed.publishing.models",
    "models_index": "synthmed.publishing.models",
    "open_release": "synthmed.publishing.verifying",
    "load_model": "synthmed.generation.model",
    "PreparedDataset": "synthmed.data.dataset",
    "SampleSet": "synthmed.samples",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'synthmed' has no attribute {name!r}; it has {', '.join(sorted(_HOME))}")


def __dir__() -> list[str]:
    return __all__
