"""The fixed network by whose feature maps single images are compared, with its weights."""

from pathlib import Path
from typing import cast, get_args

from synthmed.errors import ConfigError
from synthmed.networks.textures import FeatureNetwork, TextureNetwork
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors


def perception(name: str, weights: Path | None = None) -> TextureNetwork:
    """The network of a name, in evaluation mode.

    Args:
        name: "random", "squeezenet", "vgg16" or "vgg19".
        weights: folder of pretrained weights; None = where ``weights fetch`` puts them.

    Raises:
        ConfigError: another name.
        WeightsError: the weights are absent or not the published ones.
    """
    if name not in get_args(FeatureNetwork):
        raise ConfigError(f"--extractor is {name!r}; expected one of {', '.join(get_args(FeatureNetwork))}.")
    network = TextureNetwork(cast(FeatureNetwork, name)).eval()
    if name != "random":
        network.read(read_tensors(checked_file(name, weights).path))
    return network
