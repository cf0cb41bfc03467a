"""Every file of every artifact that is read back: a flipped bit is refused with a sentence, or changes nothing.

The artifacts are made, and their files found: a new kind of file is tested because it is there. A few bits of each are
flipped; ``SYNTHMED_FLIPS=200`` flips as many.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from synthmed import artifacts, demonstration
from synthmed.comparison.compare import _claim, _note, trained
from synthmed.data.dataset import PreparedDataset
from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import read_key
from synthmed.data.shards import FinishedShards, is_whole
from synthmed.errors import SynthmedError
from synthmed.evaluation._arms import Trained, _keep, _read_finished
from synthmed.evaluation._contract import Measurement
from synthmed.evaluation._control import keep, read_kept
from synthmed.evaluation.features.store import read_features, stored
from synthmed.files import lines
from synthmed.generation.generate import generate
from synthmed.generation.model import load_model
from synthmed.phantoms import phantom, phantom_kind
from synthmed.pretrained.catalogue import CATALOGUE, Weights
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.publishing.release import publish
from synthmed.publishing.verifying import verify
from synthmed.publishing.withdrawal import read_tombstone, withdraw
from synthmed.reading.design import study_new
from synthmed.reading.protocol import Study
from synthmed.reading.readings import circumstances, readings
from synthmed.reading.simulate import study_simulate
from synthmed.samples import SampleSet
from synthmed.training import checkpoint
from synthmed.training.claim import read_claim
from synthmed.training.loop import train
from synthmed.zoo.folder import models_fetch
from synthmed.zoo.index import SHIPPED

FLIPS = int(os.environ.get("SYNTHMED_FLIPS", "16"))
RECIPE = """
method = "dcgan"
[config]
makes = "pairs"
latent_size = 4
features = 4
cap = 4
discriminator_features = 4
images = 16
batch_size = 8
[training]
log_images = 8
checkpoint_images = 8
sample_images = 16
"""
KEY = {"images": {"set": "a", "spread": 0.25}, "extractor": {"name": "texture"}, "channels": [[0]]}

ASKED = {"data": "abc", "recipes": ["a"], "minutes": 10.0, "settings": {"a": {"config": {"adam": {"beta1": 0.5}}}}}

Meaning = Callable[[Path], Any]
"""All that a reader takes out of a folder, as values that can be compared."""


def of_dataset(place: Path) -> Any:
    found = PreparedDataset.open(place)
    pixels = [found.images().tobytes(), found.masks().tobytes(), found.fields_of_view().tobytes()]
    return found.info, found.rows, found.digest, pixels, found.num_rejected, found.num_alike


def of_samples(place: Path) -> Any:
    found = SampleSet.open(place)
    pixels = [found.images().tobytes(), found.masks().tobytes()]
    return found.samples, found.facts, found.inputs, found.digest, pixels


def of_run(place: Path) -> Any:
    """What training on, generating, comparing and attacking take out of a run."""
    model = load_model(place / "model.safetensors")
    position = checkpoint.latest(place / "checkpoints")
    assert position is not None
    networks = model.method.networks
    checkpoint.load_trained(place / "checkpoints", position, networks)
    weights = [value.numpy().tobytes() for value in networks.state_dict().values()]
    kept = sorted(entry.name for entry in (place / "checkpoints").iterdir())
    made = load_model(place / "model.safetensors").generate(2).images.numpy().tobytes()
    return (
        read_claim(place),
        trained(place),
        lines.read(place / "log.jsonl"),
        model.header,
        position,
        weights,
        kept,
        made,
    )


def of_features(place: Path) -> Any:
    return [read_features(file, KEY).tobytes() for file in sorted(place.iterdir())]


def of_control(place: Path) -> Any:
    """What is kept of the copier's scores."""
    return [read_kept(file, KEY) for file in sorted(place.iterdir())]


def of_unfinished(place: Path) -> Any:
    """Lines that are lost are no change: their trainings are done again."""
    found = _read_finished(place / "report.unfinished.jsonl")
    return {key: (one.arm, one.seed, one.counts.tolist(), one.shown.tobytes()) for key, one in found.items()}


def of_working_folder(place: Path) -> Any:
    """A damaged shard is removed and made again."""
    with TemporaryDirectory() as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        if not is_whole(Path(folder, "00000")):
            raise SynthmedError("The shard is made again.")
    found = FinishedShards(place, 1)
    return list(found.rows()), found.left_out(), found.prints().tobytes(), found.manifest_entries()


def of_comparison(place: Path) -> Any:
    return _claim(place, ASKED)


def of_demo(place: Path) -> Any:
    return demonstration._claim(place, {"seed": 0, "budget": 1.0, "steps": 150})


def of_key(place: Path) -> Any:
    return read_key(place / "pseudonym.key")


def of_study(place: Path) -> Any:
    found = Study.open(place)
    return found.protocol, found.cases, found.digest, [found.stimulus(number) for number in range(4)]


def of_answers(place: Path) -> Any:
    """A database is opened to write, so that a copy is read."""
    with TemporaryDirectory() as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
        study = Study.open(Path(folder))
        return readings(study), circumstances(study)


def of_weights(place: Path) -> Any:
    return {name: value.tolist() for name, value in read_tensors(checked_file("toy", place).path).items()}


def of_release(place: Path) -> Any:
    found = verify(place)
    pixels = [(image.tobytes(), mask is not None and mask.tobytes()) for _, image, mask in found.images()]
    return found.facts, found.rows, found.digest, pixels


def of_zoo(place: Path) -> Any:
    """What fetching from an index takes out of it."""
    with TemporaryDirectory() as folder:
        found = models_fetch(["phantom-retina"], place, folder=Path(folder))
        return [(one.entry, one.state, artifacts.file_digest(one.path)) for one in found]


READERS: dict[str, Meaning] = {
    "data": of_dataset, "samples": of_samples, "run": of_run, "features": of_features, "control": of_control,
    "unfinished": of_unfinished,
    "phantom": phantom_kind, "working": of_working_folder, "comparison": of_comparison, "weights": of_weights,
    "demo": of_demo, "key": of_key, "study": of_study, "answers": of_answers,
    "release": of_release, "tombstone": read_tombstone, "zoo": of_zoo,
}  # fmt: skip
UNREAD = {
    r"tombstone/README.md": "for people",
    r"run/samples/.*\.png": "shown to people",
    r"run/training\.html": "for people",
    r"run/checkpoints/LATEST": "for people",
    r"run/\.lock": "empty",
}
"""Files that nothing reads back, and why they are there."""


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, toy_dataset: Path, monkeypatch_module: pytest.MonkeyPatch) -> Path:
    """One folder with every artifact."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(toy_dataset, folder / "data")
    (folder / "small.toml").write_text(RECIPE)
    model = train(str(folder / "small.toml"), folder / "data", folder / "run")
    generate(model, folder / "samples", num=3)
    stored(folder / "features", KEY, lambda: np.arange(60, dtype=np.float32).reshape(20, 3))
    (folder / "control").mkdir()
    scored = Measurement(name="mmd", title="CMMD", value=0.5, low=0.25, high=0.75, floor=None, unit="", n=3,
                         direction="lower is better", sentence="It is 0.5.")  # fmt: skip
    keep(folder / "control" / "copier-mmd-0.json", KEY, scored)
    (folder / "unfinished").mkdir()
    for seed in range(3):
        counts = np.arange(12).reshape(4, 3) + seed
        one = Trained(arm="real", seed=seed, counts=counts, shown=np.eye(8, dtype=np.uint8)[None])
        _keep(folder / "unfinished" / "report.unfinished.jsonl", f"key {seed}", one)
    said = {"blocked": False, "sealed": True, "num": 3, "patients": {"train": 8, "holdout": 4}, "power": [],
            "warnings": [], "unproven": ""}  # fmt: skip
    with artifacts.new_directory(
        toy_dataset.parent / "audit", "audit", inputs={"synthetic": SampleSet.open(folder / "samples").digest},
        facts={"blocked": False},
    ) as audit:  # fmt: skip
        artifacts.write_json(audit / "report.json", said)
    publish(folder / "samples", folder / "release", audit=toy_dataset.parent / "audit", licence="CC0-1.0",
            contact="a@b.org", overrule=["text=noise of a toy"])  # fmt: skip
    withdraw(folder / "release", folder / "tombstone", reason="A toy.")
    shutil.copytree(SHIPPED, folder / "zoo")
    phantom("retina", folder / "phantom", num=1, size=64)
    (folder / "comparison").mkdir()
    _note(folder / "comparison", ASKED, {"a": 0.125})
    demonstration._claim(folder / "demo", {"seed": 0, "budget": 1.0, "steps": 150})
    read_key(folder / "key" / "pseudonym.key")
    noise = np.random.default_rng(0).integers(0, 256, (12, 24, 24), np.uint8)
    shown = tmp_path_factory.mktemp("shown")
    for number, pixels in enumerate(noise):
        place = shown / ("real" if number % 2 else "made") / "images"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")
    study_new(shown / "real", folder / "study", synthetic=[f"made={shown / 'made'}"], paradigm="yes_no", num=3,
              overrides=["warmup=1"])  # fmt: skip
    shutil.copytree(folder / "study", folder / "answers")
    study_simulate(folder / "answers", readers=3)
    (folder / "weights").mkdir()
    file = folder / "weights" / "toy.safetensors"
    save_file({"x": torch.arange(50.0)}, file)
    one = Weights(name="toy", file_name=file.name, url="", sha256=artifacts.file_digest(file), licence="", about="")
    monkeypatch_module.setitem(CATALOGUE, "toy", one)
    # The working folder of a preparation that is stopped before the set is put together.
    (folder / "working").mkdir()
    (folder / "half").mkdir()
    monkeypatch_module.setattr(FinishedShards, "link_into", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(toy_dataset.parent / "source", folder / "half" / "set", kind="retina", size=32)
    (kept,) = (folder / "half").glob(".set.*.preparing/00000")
    shutil.move(kept, folder / "working" / "00000")
    shutil.rmtree(folder / "half")
    return folder


def files_of(folder: Path) -> list[Path]:
    """One file of each kind that is read back; numbers in names do not make kinds."""
    found: dict[str, Path] = {}
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = file.relative_to(folder.parent).as_posix()
        if not any(re.fullmatch(one, name) for one in UNREAD):
            found[re.sub(r"[0-9]+", "N", name)] = file.relative_to(folder)
    return list(found.values())


@pytest.mark.parametrize("kind", READERS)
def test_a_flipped_bit_is_refused_with_a_sentence_or_changes_nothing(made: Path, tmp_path: Path, kind: str) -> None:
    numbers, reader, place = np.random.default_rng(0), READERS[kind], tmp_path / kind
    shutil.copytree(made / kind, place)
    expected = reader(place)
    for name in files_of(made / kind):
        whole, refused = (made / kind / name).read_bytes(), 0
        flips = FLIPS * (4 if name.suffix == ".sqlite" else 1)  # most of a database is empty
        for position in numbers.integers(0, 8 * len(whole), flips).tolist():
            content = bytearray(whole)
            content[position // 8] ^= 1 << position % 8
            (place / name).write_bytes(content)
            try:
                found = reader(place)
            except SynthmedError as error:
                assert str(error).endswith("."), error
                refused += 1
                continue
            # A training whose line is lost is done again; what is no phantom any more counts as a patient's.
            lost = (kind == "unfinished" and found.items() < expected.items()) or (kind == "phantom" and not found)
            assert found == expected or lost, f"bit {position} of {name} changes what is read"
            refused += lost
        print(f"{kind}/{name}: {refused} of {flips} refused")
        assert refused, f"nothing is refused in {name}"
        (place / name).write_bytes(whole)
    assert reader(place) == expected


def test_every_artifact_is_among_them(made: Path) -> None:
    assert {entry.name for entry in made.iterdir() if entry.is_dir()} == set(READERS)
    kinds = {artifacts.read_json(file.read_bytes())["kind"] for file in made.rglob(artifacts.MANIFEST)}
    assert kinds == {"dataset", "samples", "checkpoint", "shard", "phantom", "study", "release", "tombstone"}
