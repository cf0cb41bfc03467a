"""A model with an encoder that has hardly learned, and the phantoms it was trained on."""

from pathlib import Path

import pytest

import synthmed


@pytest.fixture(scope="package")
def styled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The data set, and the model file."""
    folder = tmp_path_factory.mktemp("styled")
    synthmed.phantom("cells", folder / "source", num=10, size=64)
    synthmed.prepare(folder / "source", folder / "data", kind="cells", size=32, test=0.4, holdout=0)
    settings = ["config.images=64", "config.encoder_images=64", "config.latent_size=8"]
    return folder / "data", synthmed.train("style_inversion_tiny", folder / "data", folder / "run", overrides=settings)
