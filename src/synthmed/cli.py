"""The command line: one verb, one call of the function of the same name; parse, call, print.

Exit codes: 0 done, 1 our fault or a training that went wrong, 2 the user's input (one sentence), 3 a gate said no, 130
and 143 stopped by Ctrl-C and SIGTERM. Heavy modules are imported inside the verbs, so that ``--help`` is quick.
"""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from synthmed import __version__, threads
from synthmed.errors import ConfigError, InputError, Interrupted, SynthmedError

if TYPE_CHECKING:
    from synthmed.progress import Bar


class Computing(TyperCommand):
    """A verb that works with networks: before torch is imported it is decided with how many threads, and how."""

    def invoke(self, ctx: Any) -> Any:
        """Decide, then do it."""
        threads.settle()
        return super().invoke(ctx)


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


_NOTHING_LEFT = "Nothing of it is left; the same command begins anew."
_KEPT = {
    "doctor": "It writes nothing.",
    "prepare": "What was finished is kept; the same command goes on from there.",
    "train": "The last checkpoint is kept; the same command goes on from there.",
    "evaluate": "Finished trainings and features are kept; the same command goes on from there.",
    "audit": "Features that were made are kept; the same command goes on from there.",
    "compare": "What was finished is kept; the same command goes on from there.",
    "weights": "What was fetched is kept; the same command goes on from there.",
    "demo": "What was finished is kept; the same command goes on from there.",
}
"""What is there after a verb was stopped."""


def main() -> None:
    """Run the command line; errors of ours, Ctrl-C and SIGTERM become one sentence and an exit code."""
    with _stoppable() as came:
        try:
            app()
        except SynthmedError as error:
            _end(str(error), 128 + came[0] if came and isinstance(error, Interrupted) else error.exit_code)
        except OSError as error:
            _end(f"{error}. Check that the path is there and that you may read and write it.", InputError.exit_code)
        except (SystemExit, KeyboardInterrupt):
            if not came:
                raise
            verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
            _end(f"Stopped. {_KEPT.get(verb, _NOTHING_LEFT)}", 128 + came[0])


def _end(sentence: str, code: int) -> NoReturn:
    print(f"synthmed: {sentence}", file=sys.stderr)
    sys.exit(code)


class _StoppedError(KeyboardInterrupt):
    """Not KeyboardInterrupt itself: where that comes in the middle of an import, Python kills its own process."""


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end a verb as an exception does, so that it cleans up; a second Ctrl-C ends it at once."""
    came: list[int] = []

    def stop(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise _StoppedError

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


@app.command(cls=Computing)
def demo(out: Annotated[Path, typer.Argument(metavar="[OUT]", help="New directory.")] = Path("demo"),
         seed: Seed = 0) -> None:  # fmt: skip
    """From nothing to a report on phantoms, in about three minutes on two cores."""
    from synthmed.demonstration import demo as run

    run(out, seed=seed)


@app.command()
def doctor(source: Annotated[Path | None, typer.Argument(metavar="[SOURCE]", help="Folder of images.")] = None,
           pixels: Annotated[int, typer.Option(help="Pictures whose pixels are looked at too.")] = 0,
           workers: Annotated[int | None, typer.Option(help="Processes; as many as cores if not given.")] = None,
           as_json: Json = False) -> None:  # fmt: skip
    """Tell what the machine has and what a folder holds, and the command to prepare it."""
    from synthmed.checkup.doctor import doctor as run
    from synthmed.checkup.tables import show

    with _bar("Reading") as progress:
        found = run(source, pixels=pixels, workers=workers, progress=progress)
    print(json.dumps(found.facts())) if as_json else show(found)


@app.command()
def phantom(kind: Annotated[str, typer.Argument(metavar="KIND", help="breast_mr, cells, mammogram, retina or thorax.")],
            out: Out,
            num: Annotated[int | None, typer.Option(help="How many images; of thorax and breast_mr how many patients. "
                                                         "Usual for the kind if not given.")] = None,
            size: Annotated[int | None, typer.Option(help="Height in pixels. Usual for the kind if not given.")] = None,
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Write example images made by code, as source files, so that prepare is really used."""
    from synthmed.artifacts import read_manifest
    from synthmed.phantoms import phantom as run

    run(kind, out, num=num, seed=seed, size=size)
    made, data = read_manifest(out, "phantom").facts["num"], {"thorax": "ct"}.get(kind, kind)
    _tell(as_json, f"{made} {kind} phantoms are in {out}. Next: synthmed prepare {out} DATA --kind {data}",
          out=out, num=made)  # fmt: skip


@app.command()
def prepare(source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of images and masks.")], out: Out,
            kind: Annotated[str, typer.Option(help="What they show, such as retina or generic.")] = "generic",
            size: Annotated[str, typer.Option(help="Side in pixels, or HEIGHTxWIDTH; empty = the kind's own.")] = "",
            holdout: Annotated[float | None, typer.Option(help="Share of patients sealed for the audit, of a declared "
                               "training half too; not given: 0.1 of those without a declared split.")] = None,
            test: Annotated[float | None, typer.Option(help="Share of patients kept for testing, likewise; not given: "
                            "0.2.")] = None,
            overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE",
                                 help="Change a setting of the kind.")] = None,
            table: Annotated[Path | None, typer.Option(help="CSV file with patients, labels or classes.")] = None,
            key: Annotated[Path | None, typer.Option(help="File with the key of the pseudonyms; made if new.")] = None,
            workers: Annotated[int | None, typer.Option(help="Processes; as many as cores if not given.")] = None,
            cluster: Annotated[str, typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT.")] = "",
            fast_j2k: Annotated[bool, typer.Option("--fast-j2k", help="JPEG 2000 at lower resolution.")] = False,
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Turn a folder of images into a prepared data set, split by patient."""
    from synthmed.data.keyed_names import list_file
    from synthmed.data.prepare import prepare as run
    from synthmed.data.pseudonyms import default_key_file

    with _bar("Preparing") as progress:
        made = run(source, out, kind=kind, size=_size(size) if size else None, holdout=holdout, test=test, seed=seed,
                   overrides=overrides or (), table=table, key=key, workers=workers, cluster=cluster,
                   fast_j2k=fast_j2k, progress=progress)  # fmt: skip
    facts = {name: split.images for name, split in made.info.splits.items()}
    names = list_file(key or default_key_file(), out)
    told = f"\nWhich files were rejected stands in {names}, beside the key." if made.num_rejected else ""
    _tell(as_json, made.summary + told, out=out, digest=made.digest, rejected=made.num_rejected, alike=made.num_alike,
          cautions=made.cautions, **facts)  # fmt: skip


@app.command(cls=Computing)
def label(photographs: Annotated[Path, typer.Argument(metavar="PHOTOGRAPHS", help="Folder of images without masks.")],
          data: Data, out: Out, seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Give photographs masks, by a segmenter trained on DATA's labelled training pairs, and add them to DATA's."""
    from synthmed.segmentation.labelling import label as run

    with _bar("Labelling") as progress:
        made = run(photographs, data, out, seed=seed, device=device, progress=progress)
    added = sum(row.mask_source == "segmenter" for row in made.rows)
    _tell(as_json, f"{out} holds {len(made)} images, {added} of them with masks by the segmenter.",
          out=out, digest=made.digest, added=added)  # fmt: skip


@app.command(cls=Computing)
def train(recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a path to one.")],
          data: Data,
          run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of the training.")],
          overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE",
                               help="Change a setting, such as training.budget=0.1.")] = None,
          device: Device = "cpu",
          dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, train nothing.")] = False,
          as_json: Json = False) -> None:  # fmt: skip
    """Train a recipe. The same command again goes on where it stopped."""
    from synthmed.data.dataset import PreparedDataset
    from synthmed.training.loop import plan
    from synthmed.training.loop import train as start

    if dry_run:
        stages = plan(recipe, data, overrides=overrides or ())
        told = "; ".join(f"{name}: {images} images" for name, images in stages.items())
        cautions = PreparedDataset.open(data, verify=False).cautions
        _tell(as_json, "\n".join([f"Recipe {recipe} and {data} fit. It would train {told}.", *cautions]),
              stages=stages, cautions=cautions)  # fmt: skip
        return
    with _bar() as bar:
        model = start(recipe, data, run, overrides=overrides or (), device=device, progress=bar, say=bar.say)
    _tell(as_json, f"Next: synthmed generate {model} SAMPLES --num 50", model=model)


@app.command(cls=Computing)
def generate(model: Annotated[Path, typer.Argument(metavar="MODEL", help="RUN/model.safetensors")], out: Out,
             num: Annotated[int, typer.Option(help="How many images.")],
             masks: Annotated[Path | None, typer.Option(metavar="DATA|SAMPLES|FOLDER",
                              help="Make images under these masks.")] = None,
             styles: Annotated[Path | None, typer.Option(metavar="DATA|SAMPLES|FOLDER",
                               help="Make images in the texture of these.")] = None,
             label: Annotated[str, typer.Option(metavar="CLASS", help="Make images of this class; of all classes in "
                                                "the proportions of the training set if not given.")] = "",
             split: Annotated[str, typer.Option(help="Split of DATA whose masks and styles are used.")] = "train",
             file_format: Annotated[str, typer.Option("--format", help="png, tiff or npy.")] = "png",
             seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Make synthetic images, with masks where the model makes them."""
    from synthmed.generation.generate import generate as run

    if file_format not in ("png", "tiff", "npy"):
        raise ConfigError(f"--format is {file_format!r}; expected png, tiff or npy.")
    with _bar("Generating") as progress:
        made = run(model, out, num=num, seed=seed, masks=masks, styles=styles, label=label, split=split,
                   file_format=file_format, device=device, progress=progress)  # type: ignore[arg-type]  # fmt: skip
    _tell(as_json, f"{out} holds {len(made)} images. Next: synthmed evaluate {out} DATA REPORT",
          out=out, digest=made.digest, num=len(made))  # fmt: skip


@app.command(cls=Computing)
def evaluate(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
             real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set, or a folder.")], out: Out,
             metrics: Annotated[str, typer.Option(help="Names joined by commas; quick = all but usefulness; "
                                                       "empty = all.")] = "",
             compare: Annotated[list[Path] | None, typer.Option(metavar="SYNTHETIC",
                                help="A further set for the same table; may be given again.")] = None,
             extractor: Annotated[str, typer.Option(help="What makes the features.")] = "random_vgg",
             channels: Annotated[str, typer.Option(help="auto, each, or one or three joined by commas.")] = "auto",
             reference: Annotated[str, typer.Option(help="Split of REAL to compare with, or all.")] = "train",
             seeds: Annotated[int, typer.Option(help="Trainings of the judging network per arm.")] = 3,
             steps: Annotated[int, typer.Option(help="Optimizer steps of each of them.")] = 300,
             features: Annotated[Path | None, typer.Option(help="Folder of features; default beside OUT.")] = None,
             weights: Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")] = None,
             seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Measure synthetic images against real ones: report.json and report.html."""
    from synthmed.evaluation.report import evaluate as run

    with _bar("Evaluating") as progress:
        report = run(synthetic, real, out, metrics=tuple(name for name in metrics.split(",") if name),
                     compare=compare or (), extractor=extractor, channels=channels, reference=reference, seeds=seeds,
                     steps=steps, seed=seed, device=device, features=features, weights=weights,
                     progress=progress)  # fmt: skip
    _tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)


@app.command(cls=Computing)
def compare(data: Data,
            out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory; the same command goes on in it.")],
            recipes: Annotated[str, typer.Option(help="Names of recipes or paths, joined by commas.")],
            minutes: Annotated[float, typer.Option(help="Of training for each recipe, measured here.")] = 10.0,
            images: Annotated[int, typer.Option(help="Images each recipe sees instead; 0 = by time.")] = 0,
            latents: Annotated[int, typer.Option(help="Images under each mask.")] = 3,
            split: Annotated[str, typer.Option(help="Split of DATA whose masks are used.")] = "test",
            overrides: Annotated[list[str] | None, typer.Option("--set", metavar="[RECIPE.]KEY=VALUE",
                                 help="Change a setting of one recipe or of all.")] = None,
            metrics: Annotated[str, typer.Option(help="Names joined by commas; empty = KID, mask fidelity, "
                                                      "diversity.")] = "",
            extractor: Annotated[str, typer.Option(help="What makes the features.")] = "random_vgg",
            weights: Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")] = None,
            seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Train recipes with one budget each, and compare what they make under the same masks."""
    from synthmed.comparison.compare import METRICS
    from synthmed.comparison.compare import compare as run

    with _bar() as bar:
        page = run(data, out, recipes=tuple(one for one in recipes.split(",") if one), minutes=minutes, images=images,
                   latents=latents, split=split, overrides=overrides or (), extractor=extractor, weights=weights,
                   metrics=tuple(one for one in metrics.split(",") if one) or METRICS, seed=seed, device=device,
                   progress=bar, say=bar.say)  # fmt: skip
    _tell(as_json, f"The comparison is {page}.", out=out, page=page)


@app.command()
def weights(action: Annotated[str, typer.Argument(metavar="ACTION", help="list, fetch or verify.")],
            names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Known weights.")] = None,
            folder: Annotated[Path | None, typer.Option(help="Weights folder; default $SYNTHMED_WEIGHTS, else "
                                                             "below ~/.cache.")] = None,
            as_json: Json = False) -> None:  # fmt: skip
    """List, fetch or verify files of pretrained weights; nothing else ever downloads them."""
    from synthmed.pretrained.folder import weights as run

    with _bar("Fetching") as progress:
        found = run(action, names or (), folder=folder, progress=progress)
    told = "\n".join(f"{one.weights.name:14}{one.state:16}{one.weights.about} ({one.weights.licence})" for one in found)
    _tell(as_json, told, folder=found[0].path.parent, **{one.weights.name: one.state for one in found})


@app.command(cls=Computing)
def audit(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
          real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set with a holdout.")], out: Out,
          run: Annotated[Path | None, typer.Option(metavar="RUN",
                         help="The training behind the images: its discriminators attack membership.")] = None,
          canaries: Annotated[int, typer.Option(help="Copies of each kind planted to measure the power.")] = 20,
          scores: Annotated[Path | None, typer.Option(metavar="CSV",
                            help="Membership scores of other attacks: id and one column each.")] = None,
          extractor: Annotated[str, typer.Option(help="What makes the features.")] = "random_filters",
          channels: Annotated[str, typer.Option(help="auto, each, or one or three joined by commas.")] = "auto",
          features: Annotated[Path | None, typer.Option(help="Folder of features; default beside OUT.")] = None,
          weights: Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")] = None,
          seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Look for copies of training patients; may block a release (exit code 3), never certifies one."""
    from synthmed.auditing import audit as audited

    with _bar("Auditing") as progress:
        report = audited(synthetic, real, out, run=run, canaries=canaries, scores=scores, extractor=extractor,
                         channels=channels, features=features, weights=weights, seed=seed, device=device,
                         progress=progress)  # fmt: skip
    _tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and (width or height).isdigit()):
        raise ConfigError(f"--size is {text!r}; expected a number such as 256, or HEIGHTxWIDTH such as 512x256.")
    return int(height), int(width or height)


def _bar(what: str = "") -> "Bar":
    from synthmed.progress import Bar

    return Bar(what)
