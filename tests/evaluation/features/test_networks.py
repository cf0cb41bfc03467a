import os
from pathlib import Path

import numpy as np
import pytest
import torch

from synthmed.artifacts import file_digest
from synthmed.errors import ConfigError, WeightsError
from synthmed.evaluation.features.extractor import extractor_names, open_extractor
from synthmed.evaluation.features.networks import NETWORKS, load_network
from synthmed.networks.inception import Inception, resize_like_tensorflow
from synthmed.networks.resnet import ResNet50
from synthmed.networks.squeezenet import SqueezeNet
from synthmed.networks.vgg import Vgg, random_vgg
from synthmed.networks.vision_transformer import VisionTransformer
from synthmed.pretrained.catalogue import CATALOGUE

SHARED = Path(os.environ.get("SYNTHMED_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
SQUEEZENET = SHARED / "weights"

PARAMETERS = {
    "inception": (Inception, 21_785_568),  # 23,851,400 less 2,065,832 of 1,008 classes
    "vgg16": (Vgg, 138_357_544 - 4_097_000),
    "vgg19": (lambda: Vgg(19), 143_667_240 - 4_097_000),
    "dinov2_small": (VisionTransformer, 22_056_576),
    "dinov2_base": (lambda: VisionTransformer("base"), 86_580_480),
    "radimagenet": (ResNet50, 23_508_032),
    "squeezenet": (SqueezeNet, 1_235_496),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_as_many_parameters_as_published(name):
    build, count = PARAMETERS[name]
    with torch.device("meta"):
        assert sum(weight.numel() for weight in build().parameters()) == count


def test_the_random_network_is_the_same_everywhere_and_needs_no_file(rng):
    one, other = random_vgg(0), random_vgg(0)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    # The draws of a Mersenne twister: another value would make every stored feature wrong.
    assert one[0].features[0].weight.flatten()[:3].tolist() == pytest.approx([-0.3064, -0.3136, -0.0682], abs=1e-3)
    images = rng.integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
    run = open_extractor("random_vgg").run
    assert run(images).shape == (4, 64)
    assert run(images[2:3])[0] == pytest.approx(run(images)[2], rel=1e-4, abs=1e-5)
    assert run(images.astype(np.uint16) * 257) == pytest.approx(run(images), rel=1e-4, abs=1e-5)


def test_names_that_are_unknown_and_weights_that_are_absent_get_sentences(tmp_path):
    with pytest.raises(ConfigError, match="random_vgg, texture, random_filters, inception"):
        open_extractor("clip")
    with pytest.raises(WeightsError, match="synthmed weights fetch inception"):
        open_extractor("inception", weights=tmp_path)
    with pytest.raises(WeightsError, match="no fixed address"):
        open_extractor("radimagenet", weights=tmp_path)
    assert set(extractor_names()) == {"texture", "random_filters", *NETWORKS}
    assert {name for name, recipe in NETWORKS.items() if recipe.has_file} == set(CATALOGUE)


def published(name, network):
    """The state of a network under the names of its published file."""
    state = {key: value for key, value in network.state_dict().items() if not key.endswith("batches_tracked")}
    if name == "radimagenet":
        places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
        return {f"backbone.{places[k.split('.')[0]]}.{k.partition('.')[2]}": v for k, v in state.items()}
    return {**state, "fc.weight": torch.zeros(3, 2)} if name == "inception" else state


@pytest.mark.parametrize("name", ["inception", "radimagenet", "dinov2_small"])
def test_a_file_with_published_names_gives_the_networks_own_features(name, tmp_path, monkeypatch, rng):
    torch.manual_seed(0)
    network = PARAMETERS[name][0]().eval()
    path = tmp_path / CATALOGUE[name].file_name
    torch.save(published(name, network), path)
    known = CATALOGUE[name].__class__(**{**vars(CATALOGUE[name]), "sha256": file_digest(path)})
    monkeypatch.setitem(CATALOGUE, name, known)
    loaded, _ = load_network(name, tmp_path)
    images = NETWORKS[name].prepare(torch.tensor(rng.integers(0, 256, (1, 3, 40, 40))).float())
    with torch.no_grad():
        assert torch.equal(loaded.eval()(images), network(images))
        assert loaded(images).shape[1] in (384, 2048)


def test_a_file_of_another_network_is_refused(tmp_path, monkeypatch):
    known = CATALOGUE["radimagenet"]
    path = tmp_path / known.file_name
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    path.with_name(f"{path.name}.sha256").write_text(f"{file_digest(path)}  {path.name}\n")
    with pytest.raises(WeightsError, match="does not fit the network radimagenet"):
        load_network("radimagenet", tmp_path)


def test_the_resize_of_the_fid_is_that_of_tensorflow_1():
    line = torch.tensor([[[[0.0, 10.0, 20.0, 30.0]]]]).expand(1, 1, 4, 4)
    # Output i looks at i * 4 / 6: no half pixels, and the last value is held at the border.
    expected = [0, 20 / 3, 40 / 3, 20, 80 / 3, 30]
    assert resize_like_tensorflow(line, 6)[0, 0, 0].tolist() == pytest.approx(expected)
    assert torch.equal(resize_like_tensorflow(line, 4), line)


def test_positions_of_the_training_size_are_taken_as_they_are():
    network = VisionTransformer("small")
    torch.nn.init.normal_(network.pos_embed)
    assert network._positions(37, 37) is network.pos_embed
    assert network._positions(16, 16).shape == (1, 257, 384)
    assert torch.equal(network._positions(16, 16)[:, :1], network.pos_embed[:, :1])


@pytest.mark.shared_data
@pytest.mark.skipif(
    not (SQUEEZENET / "squeezenet1_1_fp16.npz").is_file(), reason="the SqueezeNet weights are not there"
)
@pytest.mark.parametrize("picture, classes", [("chelsea", range(281, 287)), ("coffee", {504, 967, 968})])
def test_a_real_pretrained_network_knows_the_classes_of_imagenet(picture, classes):
    from skimage import data

    network, _ = load_network("squeezenet", SQUEEZENET)
    pixels = getattr(data, picture)()
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = torch.tensor(pixels[top : top + side, left : left + side].transpose(2, 0, 1)[None]).float()
    best = network.eval().classes(NETWORKS["squeezenet"].prepare(square))[0].topk(3).indices.tolist()
    assert set(best) & set(classes)
