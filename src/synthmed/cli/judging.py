"""The verbs that judge: evaluate, compare, audit, and the weights that they use."""

from pathlib import Path
from typing import Annotated

import typer

from synthmed.cli._app import JUDGE, Computing, Data, Device, Json, Out, Seed, app, example, progress_bar, tell


@app.command(
    cls=Computing,
    rich_help_panel=JUDGE,
    epilog=example(
        "synthmed evaluate samples data report",
        "synthmed evaluate samples data report --metrics quick --compare other-samples",
    ),
)
def evaluate(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
             real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared data set, or a folder.")], out: Out,
             metrics: Annotated[str, typer.Option(help="Names joined by commas; quick = all that train none; "
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

    with progress_bar("Evaluating") as progress:
        report = run(synthetic, real, out, metrics=tuple(name for name in metrics.split(",") if name),
                     compare=compare or (), extractor=extractor, channels=channels, reference=reference, seeds=seeds,
                     steps=steps, seed=seed, device=device, features=features, weights=weights,
                     progress=progress)  # fmt: skip
    answers = [one.sentence for one in report.answers]
    tell(as_json, "\n".join([*answers, "", report.verdict, f"The report is {out / 'report.html'}."]),
         out=out, answers=answers, verdict=report.verdict)  # fmt: skip


@app.command(
    cls=Computing,
    rich_help_panel=JUDGE,
    epilog=example(
        "synthmed compare data compared --recipes dual_gan,pix2pix --minutes 20",
    ),
)
def compare(data: Data,
            out: Annotated[Path, typer.Argument(metavar="OUT", help="Directory; the same command goes on in it.")],
            recipes: Annotated[str, typer.Option(help="Names of recipes or paths, joined by commas.")],
            minutes: Annotated[float, typer.Option(help="Of training for each recipe, measured here.")] = 10.0,
            images: Annotated[int, typer.Option(help="Images each recipe sees instead; 0 = by time.")] = 0,
            latents: Annotated[int, typer.Option(help="Images under each mask.")] = 3,
            split: Annotated[str, typer.Option(help="Split of DATA whose masks are used.")] = "test",
            leave_out_empty: Annotated[bool, typer.Option("--leave-out-empty", help="Go on without masks that are "
                                       "empty.")] = False,
            overrides: Annotated[list[str] | None, typer.Option("--set", metavar="[RECIPE.]KEY=VALUE",
                                 help="Change a setting of one recipe or of all.")] = None,
            metrics: Annotated[str, typer.Option(help="Names joined by commas; empty = KID, mask fidelity, "
                                                      "diversity, 1-NN, coverage.")] = "",
            extractor: Annotated[str, typer.Option(help="What makes the features.")] = "random_vgg",
            weights: Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")] = None,
            seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Train recipes with one budget each, and compare what they make under the same masks."""
    from synthmed.comparison.compare import METRICS
    from synthmed.comparison.compare import compare as run

    with progress_bar() as bar:
        page = run(data, out, recipes=tuple(one for one in recipes.split(",") if one), minutes=minutes, images=images,
                   latents=latents, split=split, leave_out_empty=leave_out_empty, overrides=overrides or (),
                   extractor=extractor, weights=weights,
                   metrics=tuple(one for one in metrics.split(",") if one) or METRICS, seed=seed, device=device,
                   progress=bar, say=bar.say)  # fmt: skip
    tell(as_json, f"The comparison is {page}.", out=out, page=page)


@app.command(cls=Computing, rich_help_panel=JUDGE, epilog=example("synthmed class-table data table run another-run"))
def class_table(data: Data, out: Out,
                runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished trainings on DATA.")],
                channels: Annotated[str, typer.Option(help="auto, each, or one or three joined by commas.")] = "auto",
                num: Annotated[int, typer.Option(help="Images of a side, at most.")] = 1000,
                draws: Annotated[int, typer.Option(help="Sets of images whose values are averaged.")] = 10,
                extractor: Annotated[str, typer.Option(help="What makes the features.")] = "random_vgg",
                weights: Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")] = None,
                seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Judge trainings class by class, each by its best model: the table of Haarburger et al. 2019."""
    from synthmed.comparison.class_table import as_text
    from synthmed.comparison.class_table import class_table as run

    with progress_bar("Judging") as progress:
        table = run(data, out, runs=runs, channels=channels, num=num, draws=draws, extractor=extractor,
                    weights=weights, seed=seed, device=device, progress=progress)  # fmt: skip
    tell(as_json, f"{as_text(table)}\nThe page is {out / 'class_table.html'}.", out=out,
         rows=[{**vars(cell), "values": dict(cell.values)} for cell in table])  # fmt: skip


@app.command(rich_help_panel=JUDGE, epilog=example("synthmed weights list", "synthmed weights fetch inception"))
def weights(action: Annotated[str, typer.Argument(metavar="ACTION", help="list, fetch or verify.")],
            names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Known weights.")] = None,
            folder: Annotated[Path | None, typer.Option(help="Weights folder; default $SYNTHMED_WEIGHTS, else "
                                                             "below ~/.cache.")] = None,
            as_json: Json = False) -> None:  # fmt: skip
    """List, fetch or verify files of pretrained weights; nothing else ever downloads them."""
    from synthmed.pretrained.folder import weights as run

    with progress_bar("Fetching") as progress:
        found = run(action, names or (), folder=folder, progress=progress)
    told = "\n".join(f"{one.weights.name:14}{one.state:16}{one.weights.about} ({one.weights.licence})" for one in found)
    tell(as_json, told, folder=found[0].path.parent, **{one.weights.name: one.state for one in found})


@app.command(
    cls=Computing,
    rich_help_panel=JUDGE,
    epilog=example(
        "synthmed audit samples data audit --run run",
        "synthmed audit a-folder-of-images data audit",
    ),
)
def audit(synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help="Sample set, or a folder.")],
          real: Annotated[Path, typer.Argument(metavar="REAL", help="Prepared set, or real images.")], out: Out,
          fit: Annotated[bool, typer.Option("--fit", help="Bring images of another size to REAL's, by its own "
                                            "rule.")] = False,
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

    with progress_bar("Auditing") as progress:
        report = audited(synthetic, real, out, fit=fit, run=run, canaries=canaries, scores=scores, extractor=extractor,
                         channels=channels, features=features, weights=weights, seed=seed, device=device,
                         progress=progress)  # fmt: skip
    tell(as_json, f"{report.verdict}\nThe report is {out / 'report.html'}.", out=out, verdict=report.verdict)
