"""Does a slice have the textures of its style, do latents matter, and what does a batched product of matrices save?

    python benchmarks/organ_style.py MODEL DATA [--pairs 10] [--split test] [--textures squeezenet]
    python benchmarks/organ_style.py --speed

For each pair of test patients the map of one and the style of the other make a slice. Its textures are compared, organ
by organ, with those of the style image, of the map's own image and of all other patients, by a network that is named; a
pair is right if the style is nearest by the mean over organs. Then mean intensities by organ, and how far slices lie
apart over latents, and over styles. --speed times Gram matrices of six organs in one product beside plain loops.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.generation.model import load_model
from synthmed.networks.textures import TextureNetwork
from synthmed.objectives.organ_texture import LEAST, organ_grams, organ_levels, reduced, style_distance
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.shapes import Given, Pairs, to_one_hot


def plain(maps: Tensor, shares: Tensor) -> Tensor:
    """Gram matrices organ by organ."""
    weights, found = reduced(shares, maps.shape[2:]), []
    for organ in range(shares.shape[1]):
        weighted = (maps * weights[:, organ : organ + 1]).flatten(2)
        found.append(
            weighted @ maps.flatten(2).transpose(1, 2) / weights[:, organ].sum((1, 2)).clamp_min(LEAST)[:, None, None]
        )
    return torch.stack(found, 1)


def one_by_one(maps: Tensor, shares: Tensor) -> Tensor:
    """The same as the paper's code takes it: masks on maps, image by image, organ by organ."""
    found = []
    for image in range(len(maps)):
        for organ in range(shares.shape[1]):
            weight = reduced(shares[image : image + 1, organ : organ + 1], maps.shape[2:])[0, 0]
            root = (maps[image] * weight.sqrt()).flatten(1)
            found.append(root @ root.T / weight.sum().clamp_min(LEAST))
    return torch.stack(found).view(len(maps), shares.shape[1], maps.shape[1], maps.shape[1])


def speed() -> None:
    """Print times of one layer's matrices, forwards and back."""
    torch.set_num_threads(1)
    for channels, side in ((16, 128), (32, 64), (48, 32), (64, 16), (64, 8)):
        maps = torch.rand(4, channels, side, side, requires_grad=True)
        shares = to_one_hot(torch.randint(0, 7, (4, 128, 128), dtype=torch.uint8), 7)
        took = []
        for grams in (lambda a, b: organ_grams(a, b)[0], plain, one_by_one):
            for counted in (False, True):
                began = time.process_time()
                for _ in range(5):
                    maps.grad = None
                    made = grams(maps, shares)
                    made.square().sum().backward()
                if counted:
                    took.append((time.process_time() - began) / 5 * 1000)
        with torch.no_grad():
            apart = float((organ_grams(maps, shares)[0] - one_by_one(maps, shares)).abs().max())
        print(
            f"{channels} maps of {side}x{side}, 6 organs, 4 images: {took[0]:.1f} ms, by organ {took[1]:.1f}, by image "
            f"and organ {took[2]:.1f} ({took[2] / took[0]:.1f} times); largest difference {apart:.1e}"
        )


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--split", default="test")
    parser.add_argument("--textures", default="random")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    if arguments.speed:
        speed()
        return 0
    torch.set_num_threads(1)
    model, data = load_model(arguments.model), PreparedDataset.open(arguments.data).split(arguments.split)
    network = TextureNetwork(arguments.textures)
    if arguments.textures != "random":
        network.read(read_tensors(checked_file(arguments.textures).path))
    count, labels = len(data), data.spec.num_labels
    images, masks = to_unit_range(data.images()), torch.from_numpy(data.masks())
    organs = to_one_hot(masks, labels)
    names = [data.info.mask_labels[str(label)] for label in range(1, labels)]
    scale = (data.info.intensity.high - data.info.intensity.low) / 2
    with torch.no_grad():
        maps = network(images)[0]

        def textures_apart(made: Tensor, under: int, other: int) -> Tensor:
            """[K] of a slice to image ``other``, over the organs that both have; nan for the rest."""
            own, theirs = organs[under : under + 1], organs[other : other + 1]
            found = style_distance(network(made)[0], own, [one[other : other + 1] for one in maps], theirs)[0]
            both = (own.sum((2, 3)) >= 16)[0] & (theirs.sum((2, 3)) >= 16)[0]
            return torch.where(both, found, torch.nan)

        numbers, right, levels, beside = np.random.default_rng(0), [], [], []
        for pair in range(arguments.pairs):
            content, style = (int(one) for one in numbers.choice(count, 2, replace=False))
            given = Given(masks=masks[content : content + 1],
                          styles=Pairs(images=images[style : style + 1], masks=masks[style : style + 1]))  # fmt: skip
            made = model.generate(1, seed=0, first=pair, given=given).images
            apart = torch.stack([textures_apart(made, content, other) for other in range(count)])  # [N K]
            means = apart.nanmean(1)
            others = [one for one in range(count) if one not in (content, style)]
            right.append(
                [
                    bool(means[style] < means[content]),
                    bool(means[style] < means[others].min()),
                    bool(means[style] < means[others].median()),
                ]
            )
            beside.append([float(means[style]), float(means[content]), float(means[others].median())])
            here, there = (
                organ_levels(*one)[0, :, 0]
                for one in (
                    (made, organs[content : content + 1]),
                    (images[style : style + 1], organs[style : style + 1]),
                )
            )
            both = torch.isfinite(apart[style])
            levels.append(torch.where(both, (here - there).abs() * scale, torch.nan))
        wins = np.array(right).sum(0)
        print(
            f"{arguments.pairs} pairs of {count} patients of {arguments.split}, by {arguments.textures}: "
            f"nearer to the style than to the map's own image {wins[0]}, than to the nearest other patient {wins[1]}, "
            f"than to the median other patient {wins[2]}; mean distances to style, own image, median other: "
            f"{np.mean(beside, 0).round(3).tolist()}"
        )
        for name, value in zip(names, torch.stack(levels).nanmean(0).tolist(), strict=True):
            print(f"mean intensity of {name}: {value:.0f} {data.info.intensity.unit} from the style's")

        eight = torch.arange(min(8, count))
        under = masks[:1].expand(len(eight), -1, -1)
        one_style = Pairs(
            images=images[1:2].expand(len(eight), -1, -1, -1), masks=masks[1:2].expand(len(eight), -1, -1)
        )
        several = Pairs(images=images[eight], masks=masks[eight])
        over = [
            model.generate(len(eight), seed=1, given=Given(masks=under, styles=one)).images
            for one in (one_style, several)
        ]
        pairs = [(a, b) for a in range(len(eight)) for b in range(a)]
        inside = organs[0]
        for number, name in enumerate(names):
            if inside[number].sum() < 16:
                continue
            apart = [
                float(
                    np.mean(
                        [
                            ((one[a] - one[b]).abs() * inside[number]).sum() / inside[number].sum() * scale
                            for a, b in pairs
                        ]
                    )
                )
                for one in over
            ]
            print(
                f"slices of one map lie apart in {name}: over latents {apart[0]:.0f}, over both {apart[1]:.0f} "
                f"{data.info.intensity.unit} ({apart[0] / apart[1]:.2f})"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
