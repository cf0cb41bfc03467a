"""The demo: from nothing to an open report, on phantoms, saying at every step what it does.

Each step is a call that anyone can make; beside it stands the command that does the same on one's own data.
"""

import time
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthmed.artifacts import refuse_existing, verify, write_json
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.paths import takes_paths
from synthmed.files.seals import read_json, sealed, unsealed

SIZE = 64
RECIPE = "dual_gan_tiny"
_SETTINGS = "demo.json"


@takes_paths
def demo(
    out: Path, *, seed: int = 0, budget: float = 1.0, steps: int = 150, say: Callable[[str], None] = print,
    show: bool = True,
) -> Path:  # fmt: skip
    """Make phantom retinas, prepare them, train the dual GAN, generate pairs and evaluate them.

    About three minutes on two cores. The numbers are those of a small network after a minute of training at
    64x64: they show what the report tells, not what the method can do.

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
    began = time.monotonic()

    def step(number: int, what: str, command: str) -> None:
        say(f"\n{number}. {what}\n   On your own data: {command}   [{time.monotonic() - began:.0f} s]")

    step(1, "Making 40 phantom fundus photographs with vessel masks, in the layout of the DRIVE data set.",
         "nothing to do; a folder with images/ and masks/ is enough")  # fmt: skip
    if not (out / "source").exists():
        with Bar("Drawing") as bar:
            phantom("retina", out / "source", num=40, seed=seed, size=128, progress=bar)

    step(2, "Preparing them: read, checked, brought to one size, split by patient.",
         "synthmed prepare FOLDER DATA --kind retina --size 256")  # fmt: skip
    if not (out / "data").exists():
        prepare(out / "source", out / "data", kind="retina", size=SIZE, seed=seed, workers=1)
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
    verdict = read_json((out / "report" / "report.json").read_bytes())["verdict"]
    say(f"\n{verdict}\n\nThe report is {page}   [{time.monotonic() - began:.0f} s in all]")
    if show:
        webbrowser.open(page.resolve().as_uri())
    return page


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
