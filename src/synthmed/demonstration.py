"""The demo: from nothing to an open report, on phantoms, saying at every step what it does.

Each step is a call that anyone can make; beside it stands the command that does the same on one's own data.
"""

import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from synthmed.artifacts import refuse_existing
from synthmed.errors import ConfigError, Interrupted


@contextmanager
def _own_words(out: Path) -> Iterator[None]:
    try:
        yield
    except Interrupted as error:
        raise Interrupted(
            f"The demo was stopped; what it made is in {out}. A new one needs another directory."
        ) from error


SIZE = 64
RECIPE = "dual_gan_tiny"


def demo(
    out: Path, *, seed: int = 0, budget: float = 1.0, steps: int = 150, say: Callable[[str], None] = print,
    show: bool = True,
) -> Path:  # fmt: skip
    """Make phantom retinas, prepare them, train the dual GAN, generate pairs and evaluate them.

    About three minutes on two cores. The numbers are those of a small network after a minute of training at
    64x64: they show what the report tells, not what the method can do.

    Args:
        out: a new directory for everything.
        seed: seed of everything random.
        budget: multiplies the length of the training.
        steps: optimizer steps of each network that judges.
        say: what is done with each line.
        show: whether the report is opened in a browser, where there is one.

    Returns:
        The report, an HTML file.

    Raises:
        ConfigError: the budget or the steps are not above 0.
        ArtifactError: ``out`` exists and is not empty.
    """
    from synthmed.data.prepare import prepare
    from synthmed.evaluation.report import evaluate
    from synthmed.generation.generate import generate
    from synthmed.phantoms import phantom
    from synthmed.progress import Bar
    from synthmed.training.loop import train

    if budget <= 0 or steps <= 0:
        raise ConfigError(f"The demo got budget {budget} and {steps} steps; expected numbers above 0.")
    refuse_existing(out)
    out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def step(number: int, what: str, command: str) -> None:
        say(f"\n{number}. {what}\n   On your own data: {command}   [{time.monotonic() - began:.0f} s]")

    step(1, "Making 40 phantom fundus photographs with vessel masks, in the layout of the DRIVE data set.",
         "nothing to do; a folder with images/ and masks/ is enough")  # fmt: skip
    phantom("retina", out / "source", num=40, seed=seed, size=128)

    step(2, "Preparing them: read, checked, brought to one size, split by patient.",
         "synthmed prepare FOLDER DATA --kind retina --size 256")  # fmt: skip
    data = prepare(out / "source", out / "data", kind="retina", size=SIZE, seed=seed, workers=1)
    say("   " + ", ".join(f"{split.images} {name}" for name, split in data.info.splits.items()) + " images")

    step(3, "Training the dual GAN: masks, then photographs. Sample grids appear in run/samples.",
         "synthmed train dual_gan DATA RUN")  # fmt: skip
    with _own_words(out), Bar() as bar:
        overrides = [f"training.seed={seed}", f"training.budget={budget}"]
        model = train(RECIPE, out / "data", out / "run", overrides=overrides, progress=bar, say=bar.say)

    step(4, "Generating 50 pairs of mask and photograph that belong to nobody.",
         "synthmed generate RUN/model.safetensors SAMPLES --num 50")  # fmt: skip
    generate(model, out / "samples", num=50, seed=seed)

    step(5, "Measuring them: segmentation networks trained on synthetic and on real pairs, tested on real patients.",
         "synthmed evaluate SAMPLES DATA REPORT")  # fmt: skip
    with Bar("Evaluating") as bar:
        report = evaluate(out / "samples", out / "data", out / "report", steps=steps, seed=seed, progress=bar)

    page = out / "report" / "report.html"
    say(f"\n{report.verdict}\n\nThe report is {page}   [{time.monotonic() - began:.0f} s in all]")
    if show:
        webbrowser.open(page.resolve().as_uri())
    return page
