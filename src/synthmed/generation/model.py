"""One model, one file: the generator side as safetensors, and a JSON header that says what it is.

The header holds the method's name and settings, the images' shape, intensity mapping and classes, and the lineage (the
digests of what it was trained on). There is no code in the file, no discriminator and no optimizer state:
those would tell more about the patients than the images do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synthmed import artifacts
from synthmed.config import did_you_mean, parse
from synthmed.draws import Draws, seed_of
from synthmed.errors import ArtifactError, ConfigError, DataError, TrainingError
from synthmed.generation import model_file
from synthmed.methods import find_method
from synthmed.methods._contract import Codes, Encodes, Method, build
from synthmed.running.devices import find_device
from synthmed.shapes import Given, Image, ImageSpec, LabelMap, Latent, Pairs
from synthmed.zoo.folder import find_model

_GROUP = 8
"""Images are always made in the same groups of eight, so that neither their number nor where a run starts
changes a single bit of any of them."""
_GOLDEN = 0.6180339887498949
_FLAGS = {"masks": "--masks", "images": "--masks", "labels": "--label", "styles": "--styles"}


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained generator.

    Args:
        method: the method with its trained generator networks.
        header: what the file says of itself.
        digest: SHA-256 of the file.
    """

    method: Method
    header: dict[str, Any]
    digest: str

    @property
    def spec(self) -> ImageSpec:
        """The images it makes."""
        return ImageSpec(**self.header["images"])

    def generate(self, num: int, *, seed: int = 0, first: int = 0, given: Given = Given()) -> Pairs:
        """Make images number ``first`` to ``first + num - 1`` of the given seed.

        Args:
            num: how many.
            seed: the run seed; image i depends on (seed, i) and what it is made under alone.
            first: number of the first.
            given: what they are made under, ``num`` rows; classes that are needed and not given are ``labels``.

        Raises:
            DataError: something that the model needs is missing, or what is given is of another size, number or
                meaning than it was trained with.
        """
        return self.make(self.latents(num, seed=seed, first=first), self.completed(given, num, seed, first), first)

    @torch.no_grad()
    def make(self, latents: Latent, given: Given = Given(), first: int = 0) -> Pairs:
        """Make an image of each row of latents, in groups of eight, on the CPU.

        Args:
            latents: [N *latent_shape].
            given: what the images are made under, N rows.
            first: number of the first image, which says where in its group it stands.

        Raises:
            DataError: as ``generate`` does, or latents of another shape.
            TrainingError: an image is not finite.
        """
        num, shape = len(latents), self.method.latent_shape
        if not num:
            raise DataError("There are no latents to make images of; expected 1 row or more.")
        if latents.shape[1:] != shape:
            raise DataError(
                f"The latents have the shape {tuple(latents.shape[1:])}; a {self.header['method']} model of these "
                f"settings takes {shape}."
            )
        self.check(given, num)
        groups, wanted = _groups(num, first)
        parts = [self.method.generate(latents[group].to(self.device), given[group].to(self.device)) for group in groups]
        images = torch.cat([part.images for part in parts])[wanted].cpu()
        for place in (~torch.isfinite(images.flatten(1)).all(1)).nonzero().flatten().tolist():
            raise TrainingError(
                f"Image {first + place} of the model is not finite; expected pixels in [-1, 1]. The training went "
                "wrong: train anew, with a lower learning rate."
            )
        masks = [part.masks for part in parts if part.masks is not None]
        return Pairs(
            images=images,
            masks=torch.cat(masks)[wanted].cpu() if masks else None,
        )

    @property
    def encoder(self) -> Encodes:
        """The method, where it finds the codes of images.

        Raises:
            DataError: it does not.
        """
        if not isinstance(self.method, Encodes):
            raise DataError(
                f"A {self.header['method']} model has no encoder, so no image can be found in it. Train "
                "style_inversion."
            )
        return self.method

    @torch.no_grad()
    def codes(self, latents: Latent, given: Given = Given()) -> Tensor:
        """The codes of drawn latents, in groups of eight, on the CPU: ``decode`` makes their images of them.

        Args:
            latents: [N *latent_shape].
            given: what the images are made under, N rows.

        Raises:
            DataError: the model has no encoder, or what it makes images under is missing or does not fit.
        """
        method, (groups, wanted) = self.encoder, _groups(len(latents))
        self.check(given, len(latents))
        if not isinstance(method, Codes):
            return latents
        moved = ((latents[rows].to(self.device), given[rows].to(self.device)) for rows in groups)
        return torch.cat([method.codes(*both).cpu() for both in moved])[wanted]

    @torch.no_grad()
    def encode(self, images: Image) -> Tensor:
        """The codes of images [N C H W] in [-1, 1], in groups of eight, on the CPU.

        Raises:
            DataError: the model has no encoder, or makes images of another shape.
        """
        encoder, expected = self.encoder, (self.spec.channels, *self.spec.size)
        if tuple(images.shape[1:]) != expected:
            raise DataError(
                f"The images are {tuple(images.shape[1:])}; the model makes {expected}. Prepare them alike."
            )
        groups, wanted = _groups(len(images))
        return torch.cat([encoder.encode(images[rows].to(self.device), Given()).cpu() for rows in groups])[wanted]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Image:
        """The images of codes, in groups of eight, on the CPU.

        Raises:
            DataError: the model has no encoder.
        """
        encoder, (groups, wanted) = self.encoder, _groups(len(codes))
        return torch.cat([encoder.decode(codes[rows].to(self.device), Given()).cpu() for rows in groups])[wanted]

    def latents(self, num: int, *, seed: int = 0, first: int = 0) -> Latent:
        """The latents [num *latent_shape] of images number ``first`` on."""
        shape = self.method.latent_shape
        drawn = [Draws(image_seed(seed, index)).normal(*shape) for index in range(first, first + num)]
        return torch.stack(drawn) if drawn else torch.empty(0, *shape)

    def label(self, name: str) -> int:
        """The place of a class.

        Raises:
            DataError: the model takes no classes, or knows none of that name; says which it knows.
        """
        if "labels" not in self.method.needs | self.method.accepts:
            raise DataError(
                f"A {self.header['method']} model makes images of no class; it was asked for {name!r}. Leave out "
                "--label."
            )
        if name not in self.spec.classes:
            raise DataError(
                f"The model knows no class {name!r}{did_you_mean(name, self.spec.classes)}; it was trained on "
                f"{', '.join(self.spec.classes)}."
            )
        return self.spec.classes.index(name)

    def style_weights(self, words: Iterable[str]) -> list[float] | None:
        """How much of each label's texture is the style's, of words such as "lung=0.3"; None = all of all.

        Raises:
            DataError: the model takes no styles, or has no such label.
            ConfigError: no number from 0 to 1.
        """
        names = self.header["mask_labels"]
        weights = {int(place): 1.0 for place in names}
        for word in words:
            if "styles" not in self.method.needs | self.method.accepts:
                raise DataError(f"A {self.header['method']} model takes no styles; generate without --style-weight.")
            name, equals, share = word.partition("=")
            places = [int(place) for place, known in names.items() if known == name.strip()]
            if not places:
                near, known = did_you_mean(name, names.values()), ", ".join(names.values())
                raise DataError(f"--style-weight names {name!r}{near}; the model's labels are {known}.")
            try:
                weights[places[0]] = float(share) if equals else -1.0
            except ValueError:
                weights[places[0]] = -1.0
            if not 0 <= weights[places[0]] <= 1:
                raise ConfigError(f"--style-weight got {word!r}; expected LABEL=SHARE, a share from 0 to 1.")
        return [weights[place] for place in sorted(weights)] if set(weights.values()) != {1.0} else None

    def completed(self, given: Given, num: int, seed: int, first: int) -> Given:
        """What is given, with classes in the proportions of the training set where they are needed and missing.

        The numbers i * golden ratio + offset, modulo 1, fill [0, 1] evenly: of any run of images as many are of a
        class as its share asks for, up to one or two.
        """
        if given.labels is not None or "labels" not in self.method.needs or not num:
            return given
        counts = torch.tensor([self.header["classes"][name] for name in self.spec.classes], dtype=torch.float64)
        offset = seed_of("classes", seed) / 2**63
        places = (torch.arange(first, first + num, dtype=torch.float64) * _GOLDEN + offset) % 1
        labels = torch.searchsorted(counts.cumsum(0) / counts.sum(), places, right=True)
        return replace(given, labels=labels)

    def check(self, given: Given, num: int) -> None:
        """Refuse what the images cannot be made under.

        Raises:
            DataError: says what is missing, not taken, or does not fit.
        """
        name, spec = self.header["method"], self.spec
        for one in sorted(self.method.needs - given.names):
            raise DataError(f"A {name} model makes images under {one}, and none are given; give some by {_FLAGS[one]}.")
        for one in sorted(given.names - self.method.needs - self.method.accepts):
            raise DataError(f"A {name} model takes no {one}; generate without {_FLAGS[one]}.")
        if given.masks is not None:
            _check_masks(given.masks, spec, num)
        for one, images in (("images", given.images), ("styles", given.styles.images if given.styles else None)):
            if images is not None and tuple(images.shape) != (num, spec.channels, *spec.size):
                raise DataError(
                    f"The {one} are {tuple(images.shape)}; expected {(num, spec.channels, *spec.size)}. Prepare them "
                    "alike."
                )
        if given.styles is not None:
            if given.styles.masks is None:
                raise DataError(
                    "The styles are images without label maps; expected one for each. Give images and maps."
                )
            _check_labels(given.styles.masks, spec, "style's label map")
        if given.labels is not None:
            wrong = [label for label in given.labels.tolist() if not 0 <= label < len(spec.classes)]
            if len(given.labels) != num or wrong:
                raise DataError(
                    f"There are {len(given.labels)} labels, {len(wrong)} of them of no class; expected {num} from 0 to "
                    f"{len(spec.classes) - 1}."
                )

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        return next(self.method.networks.parameters()).device


def _groups(num: int, first: int = 0) -> tuple[list[Tensor], slice]:
    """Rows in whole groups of eight, the missing ones in the place of which others stand, and which are wanted."""
    start = first % _GROUP
    rows = torch.arange(-start, -(-(start + num) // _GROUP) * _GROUP - start).clamp(0, max(num - 1, 0))
    return list(rows.split(_GROUP)), slice(start, start + num)


def _check_masks(masks: LabelMap, spec: ImageSpec, num: int) -> None:
    if tuple(masks.shape) != (num, *spec.size):
        raise DataError(f"The masks are {tuple(masks.shape)}; expected {(num, *spec.size)}. Prepare them alike.")
    _check_labels(masks, spec, "mask")
    empty = (masks.flatten(1).amax(1) == 0).nonzero()
    if len(empty):
        raise DataError(
            f"Mask {int(empty[0])} is empty ({len(empty)} of {num} are); expected a shape to fill. Leave it out."
        )


def _check_labels(maps: LabelMap, spec: ImageSpec, what: str) -> None:
    if int(maps.max()) >= spec.num_labels:
        raise DataError(
            f"A {what} has label {int(maps.max())}; the model was trained with labels 0 to {spec.num_labels - 1}."
        )


def image_seed(seed: int, index: int) -> int:
    """The seed of one image: a hash of the run seed and the image's number, below 2**63."""
    return seed_of("image", seed, index)


def load_model(path: Path | str, device: str = "cpu") -> Model:
    """Open a model file.

    Args:
        path: the file, or the name of a model of the package or of one that was fetched.
        device: "cpu", "cuda".

    Raises:
        ArtifactError: no such file or name, not a model of ours, or a damaged one.

    Example:
        ``load_model("RUN/model.safetensors").generate(16, seed=0)``
    """
    path = find_model(path)
    header, tensors = model_file.read(path)
    kind = find_method(header["method"])
    try:
        method = build(kind, parse(kind.Config, header["config"], "config"), ImageSpec(**header["images"]))
    except ConfigError as error:
        raise ArtifactError(f"{path} says what no model can be. {error}") from error
    model_file.fill({name: method.networks[name] for name in method.generator_networks}, tensors, path)
    method.networks.to(find_device(device)).eval().requires_grad_(False)
    return Model(method=method, header=header, digest=artifacts.file_digest(path))
