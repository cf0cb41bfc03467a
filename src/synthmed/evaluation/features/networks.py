"""The extractors that are networks: what each does to the pixels, which weights it reads, what it gives.

All take three planes. Stored numbers of 16 bits are divided by 257, so that both depths reach from 0 to 255; only the
Inception of the FID, defined on 8 bits, also rounds them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from synthmed.errors import WeightsError
from synthmed.evaluation.features._contract import VERSION, Extractor
from synthmed.networks.inception import Inception, resize_like_tensorflow
from synthmed.networks.resnet import ResNet50
from synthmed.networks.squeezenet import SqueezeNet
from synthmed.networks.vgg import Vgg, random_vgg
from synthmed.networks.vision_transformer import VisionTransformer
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.running.devices import find_device

_MEAN = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
_SPREAD = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
_CAFFE_MEAN = torch.tensor([104.0, 117.0, 123.0]).reshape(3, 1, 1)  # blue, green, red
RANDOM_SIDE = 128
_LEAST = 32  # five halvings of a smaller image leave nothing
RANDOM_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network of others, and how it is made into an extractor.

    Args:
        about: for the report.
        build: the network without its weights.
        prepare: [N 3 H W] in 0 to 255 -> what the network takes.
        rename: name in the file -> name in the network, "" to leave it out.
        arbitrary_units: see ``Extractor``.
        has_file: whether its weights come from a file of the same name.
    """

    about: str
    build: Callable[[], nn.Module]
    prepare: Callable[[Tensor], Tensor]
    rename: Callable[[str], str] = lambda name: name
    arbitrary_units: bool = False
    has_file: bool = True


def _resized(images: Tensor, side: int, mode: str = "bilinear") -> Tensor:
    return functional.interpolate(images, (side, side), mode=mode, antialias=True, align_corners=False)


def _imagenet(images: Tensor, mode: str = "bilinear") -> Tensor:
    mean, spread = _MEAN.to(images.device), _SPREAD.to(images.device)
    return (_resized(images, 224, mode).clamp(0, 255) / 255 - mean) / spread


def _fid(images: Tensor) -> Tensor:
    return (resize_like_tensorflow(images.round()) - 128) / 128


def _caffe(images: Tensor) -> Tensor:
    return _resized(images, 227).flip(1) - _CAFFE_MEAN.to(images.device)


def _random(images: Tensor) -> Tensor:
    mean, spread = _MEAN.to(images.device), _SPREAD.to(images.device)
    longest = max(images.shape[2:])
    if longest > RANDOM_SIDE or min(images.shape[2:]) < _LEAST:
        images = _resized(images, RANDOM_SIDE)
    return (images / 255 - mean) / spread


def _radimagenet_name(name: str) -> str:
    """The published file keeps the layers in a list: backbone.0 is conv1, backbone.4 to 7 are layer1 to 4."""
    layers = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    parts = name.removeprefix("backbone.").split(".")
    return ".".join([layers.get(parts[0], parts[0]), *parts[1:]]) if name.startswith("backbone.") else name


def _no_classes(*prefixes: str) -> Callable[[str], str]:
    return lambda name: "" if name.startswith(prefixes) else name


def _dino(size: str) -> Architecture:
    return Architecture(
        about=f"DINOv2 ViT-{size[0].upper()}/14 (Oquab et al. 2023): class token, 224 x 224 by antialiased bicubic",
        build=lambda: VisionTransformer(size),
        prepare=lambda images: _imagenet(images, "bicubic"),
    )


NETWORKS: dict[str, Architecture] = {
    "random_vgg": Architecture(
        about=f"VGG-16 with fixed random weights (Naeem et al. 2020): 64 features, sides of at most {RANDOM_SIDE}; "
        "not comparable with any other extractor",
        build=lambda: random_vgg(RANDOM_SEED),
        prepare=_random,
        arbitrary_units=True,
        has_file=False,
    ),
    "inception": Architecture(
        about="Inception-v3 of the FID (Heusel et al. 2017): 8 bits, 299 x 299 as TensorFlow 1 resized, 2,048 features",
        build=Inception,
        prepare=_fid,
        rename=_no_classes("fc.", "AuxLogits."),
    ),
    "vgg16": Architecture(
        about="VGG-16, ImageNet: second dense layer, 4,096 features, 224 x 224",
        build=lambda: Vgg(16),
        prepare=_imagenet,
        rename=_no_classes("classifier.6."),
    ),
    "vgg19": Architecture(
        about="VGG-19, ImageNet: second dense layer, 4,096 features, 224 x 224",
        build=lambda: Vgg(19),
        prepare=_imagenet,
        rename=_no_classes("classifier.6."),
    ),
    "dinov2_small": _dino("small"),
    "dinov2_base": _dino("base"),
    "radimagenet": Architecture(
        about="ResNet-50 of RadImageNet (Mei et al. 2022): 2,048 features, 224 x 224, pixels in [-1, 1]",
        build=ResNet50,
        prepare=lambda images: _resized(images, 224) / 127.5 - 1,
        rename=lambda name: "" if name.startswith("fc.") else _radimagenet_name(name),
    ),
    "squeezenet": Architecture(
        about="SqueezeNet 1.1, ImageNet (Iandola et al. 2016): 512 features, 227 x 227",
        build=SqueezeNet,
        prepare=_caffe,
        rename=lambda name: "" if name == "input_add_bgr" else name.replace("/", "."),
    ),
}


def network_extractor(name: str, *, device: str = "cpu", weights: Path | None = None) -> Extractor:
    """The extractor of that network, its weights read and checked.

    Raises:
        WeightsError: its weights are absent, not the published ones, or do not fit.
    """
    recipe = NETWORKS[name]
    network, sha256 = load_network(name, weights) if recipe.has_file else (recipe.build(), f"seed {RANDOM_SEED}")
    place = find_device(device)
    network.to(place).eval().requires_grad_(False)

    @torch.no_grad()
    def run(images: NDArray[np.integer]) -> NDArray[np.float32]:
        numbers = torch.from_numpy(images.astype(np.float32)).to(place)
        if images.dtype == np.uint16:
            numbers = numbers / 257
        return network(recipe.prepare(numbers)).float().cpu().numpy()

    return Extractor(
        name=name,
        about=recipe.about,
        planes=3,
        key={"name": name, "weights": sha256, "version": VERSION},
        arbitrary_units=recipe.arbitrary_units,
        run=run,
    )


def load_network(name: str, weights: Path | None = None) -> tuple[nn.Module, str]:
    """A network with the weights of its published file, and the file's SHA-256.

    Raises:
        WeightsError: the file is absent, not the published one, or its tensors do not fit the network.
    """
    recipe, found = NETWORKS[name], checked_file(name, weights)
    tensors = {recipe.rename(key): value.float() for key, value in read_tensors(found.path).items()}
    tensors.pop("", None)
    with torch.device("meta"):
        network = recipe.build()
    own = network.state_dict()
    # The count of batches serves training only, and older files lack it.
    counts = {
        key: torch.zeros_like(value, device="cpu") for key, value in own.items() if key.endswith("batches_tracked")
    }
    tensors = {**tensors, **counts}
    missing, foreign = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    shapes = [key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape]
    if missing or foreign or shapes:
        first = (missing + foreign + shapes)[0]
        raise WeightsError(
            f"{found.path} does not fit the network {name}: {len(missing)} tensors are missing, {len(foreign)} are "
            f"foreign, {len(shapes)} have another shape (the first is {first}). Take the published file."
        )
    network.load_state_dict(tensors, assign=True)
    return network, found.sha256
