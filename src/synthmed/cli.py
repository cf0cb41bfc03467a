"""The command line: one verb, one call of the function of the same name; parse, call, print.

Exit codes: 0 done, 1 our fault or a training that went wrong, 2 the user's input (one sentence), 3 a gate said
no, 130 interrupted and saved. Heavy modules are imported inside the verbs, so that ``--help`` is quick.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synthmed import __version__
from synthmed.errors import ConfigError, InputError, SynthmedError

app = typer.Typer(
    name="synthmed",
    help="Synthetic medical images: prepare, train, generate, evaluate. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="New directory; nothing is ever overwritten.")]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="Prepared data set.")]


def main() -> None:
    """Run the command line; errors of ours become one sentence and an exit code."""
    try:
        app()
    except SynthmedError as error:
        print(f"synthmed: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"synthmed: {error}. Check that the path is there and that you may read and write it.", file=sys.stderr)
        sys.exit(InputError.exit_code)


def _version(asked: bool) -> None:
    if asked:
        print(f"synthmed {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _tell(as_json: bool, sentence: str, **facts: Any) -> None:
    print(json.dumps({name: str(value) if isinstance(value, Path) else value for name, value in facts.items()})
          if as_json else sentence)  # fmt: skip


@app.command()
def demo(out: Annotated[Path, typer.Argument(metavar="[OUT]", help="New directory.")] = Path("demo"),
         seed: Seed = 0) -> None:  # fmt: skip
    """From nothing to a report on phantoms, in about three minutes on two cores."""
    from synthmed.demonstration import demo as run

    run(out, seed=seed)


@app.command()
def phantom(kind: Annotated[str, typer.Argument(metavar="KIND", help="retina")], out: Out,
            num: Annotated[int, typer.Option(help="How many images.")] = 40,
            size: Annotated[int, typer.Option(help="Height in pixels.")] = 584,
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Write example images made by code, as source files, so that prepare is really used."""
    from synthmed.phantoms import phantom as run

    run(kind, out, num=num, seed=seed, size=size)
    _tell(as_json, f"{num} {kind} phantoms are in {out}. Next: synthmed prepare {out} DATA --kind {kind}",
          out=out, num=num)  # fmt: skip


@app.command()
def prepare(source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of images and masks.")], out: Out,
            kind: Annotated[str, typer.Option(help="retina, cells or generic.")] = "generic",
            size: Annotated[str, typer.Option(help="Side in pixels, or HEIGHTxWIDTH.")] = "256",
            holdout: Annotated[float, typer.Option(help="Share of patients sealed away for the audit.")] = 0.1,
            test: Annotated[float, typer.Option(help="Share of patients kept for testing.")] = 0.2,
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Turn a folder of images into a prepared data set, split by patient."""
    from synthmed.data.prepare import prepare as run

    with _bar("Preparing") as progress:
        made = run(source, out, kind=kind, size=_size(size), holdout=holdout, test=test, seed=seed, progress=progress)
    splits = {name: split.images for name, split in made.info.splits.items()}
    told = ", ".join(f"{count} {name}" for name, count in splits.items())
    rejected = sum(1 for _ in (out / "rejected.csv").open()) - 1
    _tell(as_json, f"{out} holds {len(made)} images ({told}); {rejected} rejected, see {out / 'rejected.csv'}.",
          out=out, digest=made.digest, rejected=rejected, **splits)  # fmt: skip


@app.command()
def label(photographs: Annotated[Path, typer.Argument(metavar="PHOTOGRAPHS", help="Folder of images without masks.")],
          data: Data, out: Out, seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Give photographs masks, by a segmenter trained on DATA's labelled training pairs, and add them to DATA's."""
    from synthmed.labelling import label as run

    with _bar("Labelling") as progress:
        made = run(photographs, data, out, seed=seed, device=device, progress=progress)
    added = sum(row.mask_source == "segmenter" for row in made.rows)
    _tell(as_json, f"{out} holds {len(made)} images, {added} of them with masks by the segmenter.",
          out=out, digest=made.digest, added=added)  # fmt: skip


@app.command()
def train(recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a path to one.")],
          data: Data,
          run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of the training.")],
          overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE",
                               help="Change a setting, such as training.budget=0.1.")] = None,
          device: Device = "cpu",
          dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, train nothing.")] = False,
          as_json: Json = False) -> None:  # fmt: skip
    """Train a recipe. The same command again goes on where it stopped."""
    from synthmed.training.log import Bar
    from synthmed.training.loop import plan
    from synthmed.training.loop import train as start

    if dry_run:
        stages = plan(recipe, data, overrides=overrides or ())
        told = "; ".join(f"{name}: {images} images" for name, images in stages.items())
        _tell(as_json, f"Recipe {recipe} and {data} fit. It would train {told}.", stages=stages)
        return
    with Bar() as progress:
        model = start(recipe, data, run, overrides=overrides or (), device=device, progress=progress)
    _tell(as_json, f"Next: synthmed generate {model} SAMPLES --num 50", model=model)


@app.command()
def generate(model: Annotated[Path, typer.Argument(metavar="MODEL", help="RUN/model.safetensors")], out: Out,
             num: Annotated[int, typer.Option(help="How many images.")],
             masks: Annotated[Path | None, typer.Option(metavar="DATA|SAMPLES",
                              help="Make images under these masks.")] = None,
             file_format: Annotated[str, typer.Option("--format", help="png, tiff or npy.")] = "png",
             seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Make synthetic images, with masks where the model makes them."""
    from synthmed.generation import generate as run

    if file_format not in ("png", "tiff", "npy"):
        raise ConfigError(f"--format is {file_format!r}; expected png, tiff or npy.")
    with _bar("Generating") as progress:
        made = run(model, out, num=num, seed=seed, masks=masks, file_format=file_format, device=device,  # type: ignore[arg-type]
                   progress=progress)  # fmt: skip
    _tell(as_json, f"{out} holds {len(made)} images. Next: synthmed evaluate {out} DATA REPORT",
          out=out, digest=made.digest, num=len(made))  # fmt: skip


@app.command()
def evaluate(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
             real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set.")], out: Out,
             metrics: Annotated[str, typer.Option(help="Names joined by commas; empty = all.")] = "",
             seeds: Annotated[int, typer.Option(help="Trainings of the judging network per arm.")] = 3,
             steps: Annotated[int, typer.Option(help="Optimizer steps of each of them.")] = 300,
             seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Measure synthetic images against real ones: report.json and report.html."""
    from synthmed.evaluation.report import evaluate as run

    with _bar("Evaluating") as progress:
        report = run(synthetic, real, out, metrics=tuple(name for name in metrics.split(",") if name), seeds=seeds,
                     steps=steps, seed=seed, device=device, progress=progress)  # fmt: skip
    _tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)


@app.command()
def audit(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
          real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set with a holdout.")], out: Out,
          canaries: Annotated[int, typer.Option(help="Copies of each kind planted to measure the power.")] = 20,
          scores: Annotated[Path | None, typer.Option(metavar="CSV",
                            help="Membership scores of other attacks: id and one column each.")] = None,
          seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Look for copies of training patients; may block a release (exit code 3), never certifies one."""
    from synthmed.privacy.audit import audit as run

    with _bar("Auditing") as progress:
        report = run(synthetic, real, out, canaries=canaries, scores=scores, seed=seed, progress=progress)
    _tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and (width or height).isdigit()):
        raise ConfigError(f"--size is {text!r}; expected a number such as 256, or HEIGHTxWIDTH such as 512x256.")
    return int(height), int(width or height)


def _bar(what: str) -> Any:
    from synthmed.training.log import Steps

    return Steps(what)
