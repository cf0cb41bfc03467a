"""The weight files that are known: where they are published, and by which digest they are recognised.

The digests are those of the published files. Where a publisher gives the first eight digits only (as part of the file
name), these are compared. No licence is ours to give: each file comes with the terms of its publisher.
"""

from dataclasses import dataclass

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One published file.

    Args:
        name: how it is asked for.
        file_name: how it is called in the weights folder.
        url: where it is published, "" where there is no fixed address.
        sha256: of the file, in full or its first digits; "" where none is published: who has the file says it (see
            ``folder.status``).
        licence: as its publisher states it.
        about: what it is.
    """

    name: str
    file_name: str
    url: str
    sha256: str
    licence: str
    about: str


_TORCHVISION = "https://download.pytorch.org/models/"
_DINO = "https://dl.fbaipublicfiles.com/dinov2/"
_FID = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"

CATALOGUE = {
    weights.name: weights
    for weights in (
        Weights(
            name="inception",
            file_name="pt_inception-2015-12-05-6726825d.pth",
            url=_FID + "pt_inception-2015-12-05-6726825d.pth",
            sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            licence="Apache-2.0",
            about="Inception-v3 of December 2015, ported from TensorFlow: the network of the FID",
        ),
        Weights(
            name="vgg16",
            file_name="vgg16-397923af.pth",
            url=_TORCHVISION + "vgg16-397923af.pth",
            sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            about="VGG-16, ImageNet",
        ),
        Weights(
            name="vgg19",
            file_name="vgg19-dcbb9e9d.pth",
            url=_TORCHVISION + "vgg19-dcbb9e9d.pth",
            sha256="dcbb9e9d",
            licence="BSD-3-Clause (torchvision); trained on ImageNet",
            about="VGG-19, ImageNet",
        ),
        Weights(
            name="dinov2_small",
            file_name="dinov2_vits14_pretrain.pth",
            url=_DINO + "dinov2_vits14/dinov2_vits14_pretrain.pth",
            sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            licence="Apache-2.0",
            about="DINOv2 ViT-S/14, 142 million photographs without labels",
        ),
        Weights(
            name="dinov2_base",
            file_name="dinov2_vitb14_pretrain.pth",
            url=_DINO + "dinov2_vitb14/dinov2_vitb14_pretrain.pth",
            sha256="0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
            licence="Apache-2.0",
            about="DINOv2 ViT-B/14, 142 million photographs without labels",
        ),
        Weights(
            name="radimagenet",
            file_name="RadImageNet-ResNet50.pt",
            url="",
            sha256="",
            licence="non-commercial; ask its publishers",
            about="ResNet-50 of RadImageNet: 1.35 million CT, MR and ultrasound images; a link comes on request",
        ),
        Weights(
            name="squeezenet",
            file_name="squeezenet1_1_fp16.npz",
            url="",
            sha256="59c4c4a759a0efd7a716650afa6770ca314baef49bfb70815aef637cd9765a01",
            licence="BSD-2-Clause (DeepScale); trained on ImageNet",
            about="SqueezeNet 1.1, ImageNet, converted from the Caffe model to float16",
        ),
    )
}


def find_weights(name: str) -> Weights:
    """The known file of that name.

    Raises:
        ConfigError: an unknown name; the message lists the known ones.
    """
    if name not in CATALOGUE:
        meant = did_you_mean(name, CATALOGUE)
        raise ConfigError(f"The weights {name!r} are unknown{meant}; expected one of {', '.join(CATALOGUE)}.")
    return CATALOGUE[name]
