"""The verbs that change images under control: inverting, interpolating, splicing, bending."""

from pathlib import Path
from typing import Annotated

import typer

from synthmed.cli._app import (
    CHANGE,
    Computing,
    Data,
    Device,
    Json,
    Out,
    Seed,
    app,
    example,
    progress_bar,
    tell,
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="RUN/model.safetensors of a model with an encoder.")]
Steps = Annotated[int, typer.Option(help="Steps of the optimisation.")]
Rate = Annotated[float, typer.Option(help="Its step size; a search that diverges is begun again at a tenth of it.")]
Features = Annotated[str, typer.Option("--extractor", help="What images are compared by: random, squeezenet, vgg16 or "
                                       "vgg19.")]  # fmt: skip
Weights = Annotated[Path | None, typer.Option(help="Folder of pretrained weights.")]


@app.command(
    cls=Computing,
    rich_help_panel=CHANGE,
    epilog=example(
        "synthmed invert run/model.safetensors data inverted",
        "synthmed invert run/model.safetensors data inverted --fine-tune 200",
    ),
)
def invert(model: Model, images: Annotated[Path, typer.Argument(metavar="DATA|SAMPLES|FOLDER",
                                            help="The images to find in the model.")], out: Out,
           split: Annotated[str, typer.Option(help="Split of DATA.")] = "test", steps: Steps = 100, rate: Rate = 0.05,
           extractor: Features = "random", weights: Weights = None,
           fine_tune: Annotated[int, typer.Option(help="Steps of tuning a copy of the generator to the images; 0 = "
                                "none.")] = 0,
           seed: Seed = 0, device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Find real images in a model, as codes that make them again."""
    from synthmed.editing.invert import invert as run

    with progress_bar("Inverting") as progress:
        made = run(model, images, out, split=split, steps=steps, rate=rate, extractor=extractor, weights=weights,
                   fine_tune=fine_tune, seed=seed, device=device, progress=progress, say=progress.say)  # fmt: skip
    found = made.facts["inversion"]
    told = "; ".join(
        f"{way}: MSE {one['mse']:.4g}, SSIM {one['ssim']:.3f}, {extractor} distance {one['distance']:.3g}, "
        f"{found['seconds_an_image'][way]:.2g} s"
        for way, one in found["mean"].items()
    )
    tell(as_json, f"{out} holds {len(made)} images made again ({told} an image). Look at {out}/inversion.png",
         out=out, digest=made.digest, num=len(made), **found)  # fmt: skip


@app.command(
    cls=Computing,
    rich_help_panel=CHANGE,
    epilog=example(
        "synthmed interpolate run/model.safetensors loop 0 1 2 --steps 49 --loop",
        "synthmed interpolate run/model.safetensors path inverted:0 inverted:4 --steps 30",
        "synthmed interpolate run/model.safetensors stimuli --continua 20 --through 3 --steps 49 --loop",
    ),
)
def interpolate(model: Model, out: Out,
                anchors: Annotated[list[str] | None, typer.Argument(metavar="[ANCHOR]...", help="Numbers of sampled "
                                   "images, such as 12, or inverted ones, such as inverted:3; without any, sampled "
                                   "ones.")] = None,
                steps: Annotated[int, typer.Option(help="Images from one anchor to the next.")] = 20,
                loop: Annotated[bool, typer.Option("--loop", help="Lead back to the first anchor.")] = False,
                continua: Annotated[int, typer.Option(help="How many paths, through sampled anchors.")] = 1,
                through: Annotated[int, typer.Option(help="Sampled anchors of each.")] = 3,
                along: Annotated[str, typer.Option(help="What a path is straight in: codes, or latents, where it "
                                 "follows the sphere.")] = "codes",
                even: Annotated[bool, typer.Option("--even/--uneven", help="Whether steps are to look alike.")] = True,
                masks: Annotated[Path | None, typer.Option(help="Where the masks of sampled anchors are, for a model "
                                 "that makes images under masks.")] = None,
                label: Annotated[str, typer.Option(help="Class of sampled anchors, for a model of classes.")] = "",
                split: Annotated[str, typer.Option(help="Split of a data set that --masks names.")] = "train",
                extractor: Features = "random", weights: Weights = None, seed: Seed = 0, device: Device = "cpu",
                as_json: Json = False) -> None:  # fmt: skip
    """Make the images between images, in steps that look alike."""
    from synthmed.editing.interpolate import interpolate as run

    with progress_bar("Interpolating") as progress:
        made = run(model, out, anchors or (), steps=steps, loop=loop, continua=continua, through=through, along=along,
                   even=even, masks=masks, label=label, split=split, extractor=extractor, weights=weights,
                   seed=seed, device=device, progress=progress)  # fmt: skip
    found = made.facts["continua"]
    tell(as_json, f"{out} holds {len(made)} images of {continua} continu{'um' if continua == 1 else 'a'}. Their steps "
         f"vary by {found['variation_before']:.0%} before and {found['variation_after']:.0%} after they were placed "
         f"({extractor} features). conditions.csv and conditions.json list them for experiments.",
         out=out, digest=made.digest, num=len(made), **found)  # fmt: skip


@app.command(
    cls=Computing,
    rich_help_panel=CHANGE,
    epilog=example(
        "synthmed splice run/model.safetensors spliced --template data:test/000003 --texture data:test/000007",
        "synthmed splice run/model.safetensors spliced --template data:test/000003 --texture data:test/000007 --mask "
        "region.png --shift -4,10",
    ),
)
def splice(model: Model, out: Out,
           template: Annotated[list[str], typer.Option(metavar="IMAGE", help="Image that keeps its surroundings, such "
                               "as data:test/000012; repeat it for more.")],
           texture: Annotated[list[str], typer.Option(metavar="IMAGE", help="Image whose texture is taken; one for "
                              "each template, or one for all.")],
           mask: Annotated[Path | None, typer.Option(help="The region, white on black; the mask of the texture image "
                           "if not given.")] = None,
           shift: Annotated[str, typer.Option(metavar="ROWS,COLUMNS", help="Move what is cut out.")] = "0,0",
           steps: Steps = 100, rate: Rate = 0.05, extractor: Features = "random", weights: Weights = None,
           device: Device = "cpu", as_json: Json = False) -> None:  # fmt: skip
    """Put the texture of one image into the shape of another."""
    from synthmed.editing.splice import splice as run

    with progress_bar("Splicing") as progress:
        made = run(model, out, template=template, texture=texture, mask=mask, shift=shift, steps=steps, rate=rate,
                   extractor=extractor, weights=weights, device=device, progress=progress,
                   say=progress.say)  # fmt: skip
    found = made.facts["splices"]
    told = "; ".join(f"{way}: texture {one['texture']:.3g}, shape {one['shape']:.3g}, seam {one['seam']:.2f}"
                     for way, one in found["mean"].items())  # fmt: skip
    tell(as_json, f"{out} holds {len(made)} spliced images ({told}). Look at {out}/splices.png",
         out=out, digest=made.digest, num=len(made), **found)  # fmt: skip


@app.command(
    rich_help_panel=CHANGE,
    epilog=example(
        "synthmed perturb data maps --num 40",
        "synthmed perturb data maps --num 40 --strength 0.05 --limit bone=2",
    ),
)
def perturb(data: Data, out: Out,
            num: Annotated[int, typer.Option(help="How many maps.")],
            strength: Annotated[float, typer.Option(help="How far pixels move at most, as a share of the longest "
                                "side.")] = 0.03,
            smoothness: Annotated[float, typer.Option(help="Length along which they move alike, as such a "
                                  "share.")] = 0.12,
            limit: Annotated[list[str] | None, typer.Option(metavar="LABEL=PIXELS", help="How far a label may move, "
                             "such as lung=4; repeat it for more.")] = None,
            split: Annotated[str, typer.Option(help="Split of DATA whose label maps are bent.")] = "train",
            seed: Seed = 0, as_json: Json = False) -> None:  # fmt: skip
    """Bend label maps into new anatomy; no organ is torn."""
    from synthmed.editing.perturb import perturb as run

    with progress_bar("Bending") as progress:
        made = run(data, out, num=num, strength=strength, smoothness=smoothness, limit=limit or (), split=split,
                   seed=seed, progress=progress, say=progress.say)  # fmt: skip
    tell(as_json, f"{out} holds {len(made)} bent maps. Next: synthmed generate MODEL SAMPLES --num {len(made)} --masks "
         f"{out}", out=out, digest=made.digest, num=len(made))  # fmt: skip
