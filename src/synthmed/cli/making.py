"""The verbs that make: from source images to synthetic ones."""

import json
from pathlib import Path
from typing import Annotated

import typer

from synthmed.cli._app import (
    MAKE,
    START,
    Computing,
    Data,
    Device,
    Json,
    Out,
    Seed,
    app,
    example,
    progress_bar,
    size_of,
    tell,
)
from synthmed.running.progress import is_quiet, started


@app.command(cls=Computing, rich_help_panel=START, epilog=example("synthmed demo"))
def demo(out: Annotated[Path, typer.Argument(metavar="[OUT]", help="New directory.")] = Path("demo"),
         seed: Seed = 0) -> None:  # fmt: skip
    """Run the full pipeline on phantoms, from nothing to a report and two audits: three minutes on two cores."""
    from synthmed.demonstration import demo as run

    def say(line: str) -> None:
        started()
        if not is_quiet():
            print(line, flush=True)

    run(out, seed=seed, say=say)


@app.command(
    rich_help_panel=START,
    epilog=example(
        "synthmed doctor photographs",
        "synthmed doctor photographs --pixels 100",
    ),
)
def doctor(source: Annotated[Path | None, typer.Argument(metavar="[SOURCE]", help="Folder of images.")] = None,
           pixels: Annotated[int, typer.Option(help="Pictures whose pixels are looked at too.")] = 0,
           workers: Annotated[int | None, typer.Option(help="Processes; as many as cores if not given.")] = None,
           as_json: Json = False) -> None:  # fmt: skip
    """Report on the machine and on a folder, and give the command that prepares it."""
    from synthmed.checkup.doctor import doctor as run
    from synthmed.checkup.tables import show

    with progress_bar("Reading") as progress:
        found = run(source, pixels=pixels, workers=workers, progress=progress)
    print(json.dumps(found.facts())) if as_json else show(found)


@app.command(rich_help_panel=START, epilog=example("synthmed names recipes"))
def names(what: Annotated[str, typer.Argument(metavar="[WHAT]", help="kinds, phantoms, recipes, metrics, extractors or "
                          "weights; all of them if not given.")] = "", as_json: Json = False) -> None:  # fmt: skip
    """List kinds, recipes, metrics and other names, each with a sentence."""
    from synthmed.listing import names as run

    found = run(what)
    parts = ["\n".join([f"{one}:", *(f"  {name:26}{about}" for name, about in known.items())])
             for one, known in found.items()]  # fmt: skip
    tell(as_json, "\n\n".join(parts), **found)


@app.command(rich_help_panel=START, epilog=example("synthmed phantom retina eyes --num 40"))
def phantom(kind: Annotated[str, typer.Argument(metavar="KIND", help="breast_mr, cells, mammogram, retina or thorax.")],
            out: Out,
            num: Annotated[int | None, typer.Option(help="How many images; of thorax and breast_mr how many patients. "
                                                         "Usual for the kind if not given.")] = None,
            size: Annotated[int | None, typer.Option(help="Height in pixels. Usual for the kind if not given.")] = None,
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Write simulated example images as source files, ready for prepare."""
    from synthmed.artifacts import read_manifest
    from synthmed.phantoms import phantom as run

    with progress_bar("Drawing") as progress:
        run(kind, out, num=num, seed=seed, size=size, progress=progress)
    made, data = read_manifest(out, "phantom").facts["num"], {"thorax": "ct"}.get(kind, kind)
    tell(as_json, f"{made} {kind} phantoms are in {out}. Next: synthmed prepare {out} DATA --kind {data}",
          out=out, num=made)  # fmt: skip


@app.command(
    rich_help_panel=MAKE,
    epilog=example(
        "synthmed prepare eyes data --kind retina --size 256 --holdout 0.2",
        "synthmed prepare series ct --kind ct --table patients.csv",
    ),
)
def prepare(source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of images and masks.")], out: Out,
            kind: Annotated[str, typer.Option(help="What they show, such as retina or generic.")] = "generic",
            size: Annotated[str, typer.Option(help="Side in pixels, or HEIGHTxWIDTH; empty = the kind's own.")] = "",
            holdout: Annotated[float | None, typer.Option(help="Share of patients sealed for the audit, also from a "
                               "declared training half; default 0.1 of those without a declared split.")] = None,
            test: Annotated[float | None, typer.Option(help="Share of patients kept for testing, likewise; default "
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

    with progress_bar("Preparing") as progress:
        made = run(source, out, kind=kind, size=size_of(size) if size else None, holdout=holdout, test=test, seed=seed,
                   overrides=overrides or (), table=table, key=key, workers=workers, cluster=cluster,
                   fast_j2k=fast_j2k, progress=progress)  # fmt: skip
    facts = {name: split.images for name, split in made.info.splits.items()}
    names = list_file(key or default_key_file(), out)
    told = f"\nWhich files were rejected stands in {names}, beside the key." if made.num_rejected else ""
    tell(as_json, made.summary + told, out=out, digest=made.digest, rejected=made.num_rejected, alike=made.num_alike,
          cautions=made.cautions, **facts)  # fmt: skip


@app.command(rich_help_panel=MAKE, epilog=example("synthmed export data for-another-tool --masks-only"))
def export(data: Data, out: Out,
           split: Annotated[str, typer.Option(help="train or test; the holdout stays sealed.")] = "train",
           masks_only: Annotated[bool, typer.Option("--masks-only", help="Masks alone, to make images under.")] = False,
           file_format: Annotated[str, typer.Option("--format", help="Of the images: png, tiff or npy.")] = "png",
           as_json: Json = False) -> None:  # fmt: skip
    """Write prepared images and masks as files for other tools, with names that bring their results back."""
    from synthmed.data.export import export as run

    with progress_bar("Writing"):
        num = run(data, out, split=split, masks_only=masks_only, file_format=file_format)  # type: ignore[arg-type]
    what = "masks" if masks_only else "images"
    tell(as_json, f"{out} holds {num} {what} of the split {split}. Let the other tool write images/ID-1.png and so on "
                  f"beside masks/ID.png, then: synthmed evaluate FOLDER {data} REPORT", out=out, num=num)  # fmt: skip


@app.command(
    cls=Computing,
    rich_help_panel=MAKE,
    epilog=example(
        "synthmed label more-photographs data data-and-more",
    ),
)
def label(photographs: Annotated[Path, typer.Argument(metavar="PHOTOGRAPHS", help="Folder of images without masks.")],
          data: Data, out: Out, seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Add photographs without masks to DATA, with masks by a segmenter trained on DATA's training pairs."""
    from synthmed.segmentation.labelling import label as run

    with progress_bar("Labelling") as progress:
        made = run(photographs, data, out, seed=seed, device=device, progress=progress)
    added = sum(row.mask_source == "segmenter" for row in made.rows)
    tell(as_json, f"{out} holds {len(made)} images, {added} of them with masks by the segmenter.",
          out=out, digest=made.digest, added=added)  # fmt: skip


@app.command(
    cls=Computing,
    rich_help_panel=MAKE,
    epilog=example(
        "synthmed train dual_gan data run --dry-run",
        "synthmed train dual_gan data run --set training.budget=0.5",
    ),
)
def train(recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name of a recipe, or a path to one.")],
          data: Data,
          run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of the training.")],
          overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE",
                               help="Change a setting, such as training.budget=0.1.")] = None,
          device: Device = "cpu",
          dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, train nothing.")] = False,
          tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write RUN/tensorboard "
                                                                                   "(an extra).")] = False,
          as_json: Json = False) -> None:  # fmt: skip
    """Train a recipe. The same command again goes on where it stopped."""
    from synthmed.data.dataset import PreparedDataset
    from synthmed.training.loop import plan
    from synthmed.training.loop import train as start

    if dry_run:
        stages = plan(recipe, data, overrides=overrides or ())
        told: list[str] = []
        model = start(recipe, data, run, overrides=overrides or (), device=device, say=told.append, dry_run=True)
        cautions = PreparedDataset.open(data, verify=False).cautions
        tell(as_json, "\n".join([f"Recipe {recipe} and {data} fit.", *told, *cautions]),
              stages=stages, told=told, model=model, cautions=cautions)  # fmt: skip
        return
    with progress_bar() as bar:
        model = start(recipe, data, run, overrides=overrides or (), device=device, progress=bar, say=bar.say,
                      tensorboard=tensorboard)  # fmt: skip
    tell(as_json, f"Next: synthmed generate {model} SAMPLES --num 50", model=model)


@app.command(
    cls=Computing,
    rich_help_panel=MAKE,
    epilog=example(
        "synthmed generate run/model.safetensors samples --num 50",
        "synthmed generate run/model.safetensors repainted --num 20 --masks data --split test",
    ),
)
def generate(model: Annotated[str, typer.Argument(metavar="MODEL", help="RUN/model.safetensors, or a name such as "
                                              "phantom-retina.")], out: Out,
             num: Annotated[int, typer.Option(help="How many images.")],
             masks: Annotated[Path | None, typer.Option(metavar="DATA|SAMPLES|FOLDER",
                              help="Make images under these masks.")] = None,
             styles: Annotated[Path | None, typer.Option(metavar="DATA|SAMPLES|FOLDER",
                               help="Make images in the texture of these.")] = None,
             style_weight: Annotated[list[str] | None, typer.Option(metavar="LABEL=SHARE", help="How much of a label's "
                                     "texture is the style's, such as lung=0.3; repeat it for more.")] = None,
             missing_organ: Annotated[str, typer.Option(metavar="refuse|nearest", help="What to do where a style lacks "
                                      "a label of its map: stop, or take its most similar label.")] = "refuse",
             label: Annotated[str, typer.Option(metavar="CLASS", help="Make images of this class; of all classes in "
                                                "the proportions of the training set if not given.")] = "",
             split: Annotated[str, typer.Option(help="Split of DATA whose masks and styles are used.")] = "train",
             leave_out_empty: Annotated[bool, typer.Option("--leave-out-empty", help="Go on without masks that are "
                                        "empty.")] = False,
             codes: Annotated[Path | None, typer.Option(metavar="FOLDER|FILE", help="Make the images of codes that "
                              "invert, interpolate or splice wrote.")] = None,
             file_format: Annotated[str, typer.Option("--format", help="png, tiff, npy, nifti or dicom; the last three "
                                                      "beside the stored pixels, in physical units.")] = "png",
             dicom_object: Annotated[str, typer.Option(metavar="OBJECT", help="What DICOM files become: sc (secondary "
                                     "capture), multi-frame, ct, mr, mg or op.")] = "sc",
             seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Make synthetic images, with masks where the model makes them."""
    from synthmed.generation.generate import generate as run

    with progress_bar("Generating") as progress:
        made = run(model, out, num=num, seed=seed, masks=masks, styles=styles, label=label, split=split,
                   style_weight=style_weight or (), missing_organ=missing_organ,
                   leave_out_empty=leave_out_empty, codes=codes, file_format=file_format, dicom_object=dicom_object,
                   device=device, progress=progress, say=progress.say)  # fmt: skip
    tell(as_json, f"{out} holds {len(made)} images. Next: synthmed evaluate {out} DATA REPORT",
          out=out, digest=made.digest, num=len(made))  # fmt: skip
