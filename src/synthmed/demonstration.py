"""The demo: from nothing to a report and an audit, on phantoms, saying at every step what it does.

Each step is a call that anyone can make; beside it stands the command that does the same on one's own data.
"""

import shutil
import time
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthmed.artifacts import refuse_existing, verify, write_json
from synthmed.errors import ArtifactError, ConfigError, GateError
from synthmed.files.paths import takes_paths
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.pages.numbers import duration
from synthmed.sources.exact import write_pixels

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

SIZE = 64
RECIPE = "dual_gan_tiny"
_SETTINGS = "demo.json"
_DRAW = 0.09
"""Seconds that one phantom takes a core of the machine on which the parts below were measured, two cores in all."""
_SECONDS = {
    "source": 4,
    "data": 3,
    "run/model.safetensors": 120,
    "samples": 4,
    "report": 67,
    "audit": 18,
    "audit-with-a-copy": 9,
}
"""What each part takes there, by what stands when it is finished."""
_MEGABYTES = 30


@takes_paths
def demo(
    out: Path, *, seed: int = 0, budget: float = 1.0, steps: int = 100, say: Callable[[str], None] = print,
    show: bool = True,
) -> Path:  # fmt: skip
    """Make phantom retinas, prepare them, train the dual GAN, generate pairs, evaluate and audit them.

    About three minutes on two cores; how long here is measured and told first. The numbers are those of a small
    network after a minute of training at 64x64: they show what the report tells, not what the method can do.

    Args:
        out: a new directory for everything, or that of a demo that was stopped and goes on here.
        seed: seed of everything random.
        budget: multiplies the length of the training.
        steps: optimizer steps of each network that judges.
        say: what is done with each line.
        show: whether the report is opened in a browser, where there is one.

    Returns:
        The report, an HTML file.

    Raises:
        ConfigError: the budget or the steps are not above 0, or a demo with others stands at ``out``.
        ArtifactError: something else stands at ``out``.
        Interrupted: a signal asked to stop; what was made is kept.
    """
    from synthmed.auditing import audit
    from synthmed.data.dataset import PreparedDataset
    from synthmed.data.prepare import prepare
    from synthmed.evaluation.report import evaluate
    from synthmed.generation.generate import generate
    from synthmed.phantoms import phantom
    from synthmed.running.progress import Bar
    from synthmed.training.loop import train

    if budget <= 0 or steps <= 0:
        raise ConfigError(f"The demo got budget {budget} and {steps} steps; expected numbers above 0.")
    _claim(out, {"seed": seed, "budget": budget, "steps": steps})
    say(f"{_takes(out, budget, steps)} Ctrl-C stops it; the same command goes on from there.")
    began = time.monotonic()

    def step(number: int, what: str, command: str) -> None:
        say(f"\n{number}. {what}\n   On your own data: {command}   [{time.monotonic() - began:.0f} s]")

    step(1, "Making 40 phantom fundus photographs with vessel masks, in the layout of the DRIVE data set.",
         "nothing to do; a folder with images/ and masks/ is enough")  # fmt: skip
    if not (out / "source").exists():
        with Bar("Drawing") as bar:
            phantom("retina", out / "source", num=40, seed=seed, size=128, progress=bar)

    step(2, "Preparing them: read, checked, brought to one size, split by patient.",
         "synthmed prepare FOLDER DATA --kind retina --size 256 --holdout 0.2")  # fmt: skip
    if not (out / "data").exists():
        prepare(out / "source", out / "data", kind="retina", size=SIZE, seed=seed, holdout=0.2, workers=1)
    data = PreparedDataset.open(out / "data")
    say("   " + ", ".join(f"{split.images} {name}" for name, split in data.info.splits.items()) + " images")

    step(3, "Training the dual GAN: masks, then photographs. Sample grids appear in run/samples.",
         "synthmed train dual_gan DATA RUN")  # fmt: skip
    with Bar() as bar:
        overrides = [f"training.seed={seed}", f"training.budget={budget}"]
        model = train(RECIPE, out / "data", out / "run", overrides=overrides, progress=bar, say=bar.say)

    step(4, "Generating 50 pairs of mask and photograph that belong to nobody.",
         "synthmed generate RUN/model.safetensors SAMPLES --num 50")  # fmt: skip
    if not (out / "samples").exists():
        generate(model, out / "samples", num=50, seed=seed)

    step(5, "Measuring them: segmentation networks trained on synthetic and on real pairs, tested on real patients.",
         "synthmed evaluate SAMPLES DATA REPORT")  # fmt: skip
    page = out / "report" / "report.html"
    if not page.exists():
        with Bar("Evaluating") as bar:
            evaluate(out / "samples", out / "data", out / "report", steps=steps, seed=seed, progress=bar)
    verify(out / "report", "report", ("report.json", page.name))
    found = read_json((out / "report" / "report.json").read_bytes())
    for sentence in found["answers"]:
        say("   " + sentence["sentence"])

    step(6, "Looking for patients among them: as they are, then with one training image hidden between them.",
         "synthmed audit SAMPLES DATA AUDIT --run RUN")  # fmt: skip
    for samples, report, canaries in (("samples", "audit", 3), ("with-a-copy", "audit-with-a-copy", 0)):
        if not (out / report).exists():
            if samples != "samples":
                _hide_a_copy(out / "samples", data, out / samples)
            with Bar("Auditing") as bar, suppress(GateError):
                audit(out / samples, out / "data", out / report, canaries=canaries, seed=seed, progress=bar)
        told = verify(out / report, "audit", ("report.json", page.name)).facts
        say(f"   {samples}: {told['verdict'].partition(' (')[0].partition(' Unknown')[0]}")
    say(f"\nReport: {page}\nAudits: {out / 'audit' / page.name}, {out / 'audit-with-a-copy' / page.name}   "
        f"[{time.monotonic() - began:.0f} s in all]")  # fmt: skip
    if show:
        webbrowser.open(page.resolve().as_uri())
    return page


def _takes(out: Path, budget: float, steps: int) -> str:
    """What is left to do here takes, by the time in which this processor draws one phantom."""
    from synthmed.phantoms.retina import make_retina

    began = time.thread_time()
    make_retina(np.random.default_rng(0), 128)
    slower = (time.thread_time() - began) / _DRAW
    scale = {"run/model.safetensors": budget, "report": steps / 100}
    parts = [part for part in _SECONDS if not (out / part).exists()]
    left = sum(scale.get(part, 1.0) * _SECONDS[part] for part in parts)
    return f"This takes about {duration(slower * left)} here with nothing else at work, and {_MEGABYTES} MB in {out}."


def _hide_a_copy(samples: Path, data: "PreparedDataset", out: Path) -> None:
    """The samples, and behind them a training image with its mask, mirrored and darker."""
    shutil.rmtree(out, ignore_errors=True)
    for part in ("images", "masks"):
        shutil.copytree(samples / part, out / part)
    train = data.split("train")
    image, mask = train.images([0])[0][..., ::-1], train.masks([0])[0][None, :, ::-1]
    name = f"{len(list((samples / 'images').iterdir())):05d}.png"
    write_pixels(out / "images" / name, (0.9 * image).astype(np.uint8))
    write_pixels(out / "masks" / name, (255 * mask).astype(np.uint8))


def _claim(out: Path, asked: Mapping[str, Any]) -> None:
    """Begin in a new folder, or go on in that of the same demo."""
    file = out / _SETTINGS
    if not file.is_file():
        refuse_existing(out)
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, sealed(asked))
        return
    try:
        found = unsealed(read_json(file.read_bytes()))
    except ValueError as error:
        raise ArtifactError(
            f"{file} is not as it was written ({error}). Give another directory to begin anew."
        ) from error
    if found != asked:
        raise ConfigError(
            f"{out} holds a demo with other settings ({found}). Give the same to go on, or another directory to begin "
            "anew."
        )
