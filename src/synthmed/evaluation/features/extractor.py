"""All extractors by name."""

from pathlib import Path

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError
from synthmed.evaluation.features._contract import Extractor


def extractor_names() -> list[str]:
    """The names of all extractors."""
    from synthmed.evaluation.features.networks import NETWORKS

    return ["random_vgg", "texture", "random_filters", *(name for name in NETWORKS if name != "random_vgg")]


def about_extractors() -> dict[str, str]:
    """The names of all extractors, each with a sentence."""
    from synthmed.evaluation.features import filters, texture
    from synthmed.evaluation.features.networks import NETWORKS

    own = {"texture": texture, "random_filters": filters}
    return {
        name: (own[name].__doc__ or "").partition("\n")[0] if name in own else NETWORKS[name].about
        for name in extractor_names()
    }


def open_extractor(name: str, *, device: str = "cpu", weights: Path | None = None) -> Extractor:
    """The extractor of that name, its weights read and checked.

    Args:
        name: one of ``extractor_names()``.
        device: where networks run.
        weights: the weights folder; None = the usual one.

    Raises:
        ConfigError: an unknown name; the message lists the known ones.
        WeightsError: its weights are absent or not the published ones; the message says how to get them.
    """
    if name not in extractor_names():
        raise ConfigError(
            f"The extractor {name!r} is unknown{did_you_mean(name, extractor_names())}; expected one of "
            f"{', '.join(extractor_names())}."
        )
    if name == "texture":
        from synthmed.evaluation.features.texture import texture

        return texture()
    if name == "random_filters":
        from synthmed.evaluation.features.filters import random_filters

        return random_filters()
    from synthmed.evaluation.features.networks import network_extractor

    return network_extractor(name, device=device, weights=weights)
