"""What the tests share: shapes checked at run time, toy data sets made in the test, never a network."""

import os

os.environ.setdefault("JAXTYPING_DISABLE", "0")

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import install_import_hook

from synthmed.running import threads

# As the command line does, before torch is imported: the suite is often run beside other work.
threads.settle()
threads.take_sentence()

# Public borders check their tensors' shapes and types in every test.
_HOOK = install_import_hook(
    ["synthmed.objectives.losses", "synthmed.networks", "synthmed.objectives.augment", "synthmed.data.intensity"],
    "beartype.beartype",
)


_LONGEST = (
    "training/test_loop", "reading/test_simulate", "contracts/test_stops", "reading/test_browser",
    "contracts/test_devices", "test_examples", "privacy/test_audit", "privacy/test_identity", "comparison/test_compare",
    "training/test_discriminators", "running/test_threads", "privacy/test_copies", "contracts/test_seals",
)  # fmt: skip
"""Files that take a tenth of a minute and more, which begin first, so that no worker ends long after the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    names = {item: item.path.with_suffix("").as_posix() for item in items}
    items.sort(key=lambda item: next((at for at, name in enumerate(_LONGEST) if names[item].endswith(name)), 99))


@pytest.fixture(scope="session", autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keys of pseudonyms go to a place of the tests, and work is done in this process unless a test asks for more.

    Nothing waits for the disk: no test takes the power away, and waiting for it would be a tenth of all their time.
    """
    from synthmed.data import work

    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))
    work.cores = lambda: 1
    os.fsync = lambda descriptor: None


@pytest.fixture(scope="session")
def toy_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set of 16 phantom retinas of 32x32, half of them for training."""
    from synthmed.data.prepare import prepare
    from synthmed.phantoms import phantom

    folder = tmp_path_factory.mktemp("toy")
    phantom("retina", folder / "source", num=16, seed=1, size=64)
    prepare(folder / "source", folder / "data", kind="retina", size=32)
    return folder / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    """Numbers for toy objects, the same in every run."""
    return np.random.default_rng(0)
