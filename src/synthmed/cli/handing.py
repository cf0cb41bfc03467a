"""The verbs that hand on: releases, the site that shows them, and models by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthmed.cli._app import HAND_ON, Json, Out, app, example, models, progress_bar, tell

if TYPE_CHECKING:
    from synthmed.zoo.folder import Found

Release = Annotated[Path, typer.Argument(metavar="RELEASE", help="Folder of a release.")]
Audit = Annotated[Path, typer.Option(help="Audit of exactly these samples, against a sealed holdout.")]
Licence = Annotated[str, typer.Option(help="SPDX identifier such as CC-BY-4.0, or https address.")]
Contact = Annotated[str, typer.Option(help="E-mail or https address where a retraction is asked for.")]
Name = Annotated[str, typer.Option(help="Name; that of OUT if not given.")]
Version = Annotated[str, typer.Option("--release", help="Version of the release.")]
Index = Annotated[
    str, typer.Option(metavar="FOLDER|ADDRESS", help="Where the index is; the package's own if not given.")
]
Folder = Annotated[Path | None, typer.Option(help="Models folder; default $SYNTHMED_MODELS, else below ~/.cache.")]
Pin = Annotated[str, typer.Option(metavar="SHA256", help="Digest that the index file must have.")]


@app.command(
    rich_help_panel=HAND_ON,
    epilog=example(
        "synthmed publish samples release --audit audit --licence CC-BY-4.0 --contact you@example.org",
    ),
)
def publish(samples: Annotated[Path, typer.Argument(metavar="SAMPLES", help="Sample set, or a folder.")], out: Out,
            audit: Audit, licence: Licence, contact: Contact, name: Name = "",
            title: Annotated[str, typer.Option(help="For people; from modality and organ if not given.")] = "",
            release: Version = "1.0",
            date: Annotated[str, typer.Option(help="YYYY-MM-DD; today if not given.")] = "",
            modality: Annotated[str, typer.Option(help="Such as CT; as the kind of the data says if not given.")] = "",
            organ: Annotated[str, typer.Option(help="Such as lung; as the kind of the data says if not given.")] = "",
            report: Annotated[Path | None, typer.Option(help="Evaluation of these samples.")] = None,
            study: Annotated[Path | None, typer.Option(help="Report of a reader study of these samples.")] = None,
            overrule: Annotated[list[str] | None, typer.Option(metavar="GATE=REASON",
                                help="Overrule lineage, origin or text; the card prints why.")] = None,
            formats: Annotated[list[str] | None, typer.Option("--format",
                               help="Also tiff, npy, nifti, dicom or nnunet; may be given again.")] = None,
            as_json: Json = False) -> None:  # fmt: skip
    """Write a release: gates first, then archives, card, digests, Croissant. Exit code 3: a gate said no."""
    from synthmed.publishing.release import publish as run

    with progress_bar("Publishing") as progress:
        made = run(samples, out, audit=audit, licence=licence, contact=contact, name=name, title=title, release=release,
                   date=date, modality=modality, organ=organ, report=report, study=study, overrule=overrule or (),
                   formats=formats or (), progress=progress)  # fmt: skip
    tell(as_json, f"{out} holds {made.facts.images.num} images in {made.facts.num_shards} archives. Next: synthmed "
                  f"verify {out}", out=out, name=made.facts.name, digest=made.digest)  # fmt: skip


@app.command(
    rich_help_panel=HAND_ON,
    epilog=example(
        "synthmed verify release",
    ),
)
def verify(release: Release, as_json: Json = False) -> None:
    """Check a release end to end, and load every image of it."""
    from synthmed.publishing.verifying import verify as run

    with progress_bar("Verifying") as progress:
        found = run(release, progress=progress)
    name = f"{found.facts.name} {found.facts.version}"
    tell(as_json, f"{name} is whole: {'; '.join(found.told)}.", release=release, name=found.facts.name,
         digest=found.digest, images=len(found.rows), told=list(found.told))  # fmt: skip


@app.command(
    rich_help_panel=HAND_ON,
    epilog=example(
        "synthmed site releases site --serve",
    ),
)
def site(releases: Annotated[Path, typer.Argument(metavar="RELEASES", help="Folder of releases and tombstones.")],
         out: Out, title: Annotated[str, typer.Option(help="Title of the site.")] = "SynthMed",
         address: Annotated[str, typer.Option(metavar="URL", help="Where it will stand, for its feed.")] = "",
         serve: Annotated[bool, typer.Option("--serve", help="Serve it to this machine, until Ctrl-C.")] = False,
         port: Annotated[int, typer.Option(help="Port to serve on.")] = 8124,
         as_json: Json = False) -> None:  # fmt: skip
    """Write a static site of releases: search, filter, gallery, cards, downloads, feed, tombstones."""
    from synthmed.publishing.site import site as run

    made = run(releases, out, title=title, address=address)
    tell(as_json, f"{out / 'index.html'} shows {made.releases} releases and {made.tombstones} tombstones.", out=out,
         releases=made.releases, tombstones=made.tombstones)  # fmt: skip
    if serve:
        from synthmed.publishing.serving import serve as run_server

        run_server(out, port=port, ready=lambda place: print(f"Serving {out} at {place}; end with Ctrl-C.", flush=True))


@app.command(
    rich_help_panel=HAND_ON,
    epilog=example(
        "synthmed withdraw release tombstone --reason 'A patient withdrew consent.'",
    ),
)
def withdraw(release: Release, out: Out,
             reason: Annotated[str, typer.Option(help="The reason, in a sentence; it is published.")],
             date: Annotated[str, typer.Option(help="YYYY-MM-DD; today if not given.")] = "",
             as_json: Json = False) -> None:  # fmt: skip
    """Write the tombstone of a release; a site shows it in place of the release."""
    from synthmed.publishing.withdrawal import withdraw as run

    stone = run(release, out, reason=reason, date=date)
    tell(as_json, f"{out} is the tombstone of {stone.name} {stone.version}. Next: remove {release} where it was handed "
                  "on, and write the site anew", out=out, name=stone.name, digest=stone.digest)  # fmt: skip


@models.command("list")
def models_list(index: Index = "", folder: Folder = None, pin: Pin = "", as_json: Json = False) -> None:
    """List the models of an index, and which are on this machine."""
    from synthmed.zoo.folder import models_list as run

    _show(as_json, run(index, folder=folder, pin=pin))


@models.command("fetch")
def models_fetch(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models of the index.")],
                 index: Index = "", folder: Folder = None, pin: Pin = "", as_json: Json = False) -> None:  # fmt: skip
    """Fetch models by name; their digests are those of the index, or they are not kept."""
    from synthmed.zoo.folder import models_fetch as run

    with progress_bar("Fetching") as progress:
        found = run(names, index, folder=folder, pin=pin, progress=progress)
    _show(as_json, found)


@models.command("verify")
def models_verify(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Of the index.")] = None,
                  index: Index = "", folder: Folder = None, pin: Pin = "", as_json: Json = False) -> None:  # fmt: skip
    """Compare models with the digests of their index."""
    from synthmed.zoo.folder import models_verify as run

    _show(as_json, run(names or (), index, folder=folder, pin=pin))


@models.command("publish")
def models_publish(model: Annotated[Path, typer.Argument(metavar="MODEL", help="RUN/model.safetensors")], out: Out,
                   samples: Annotated[Path, typer.Option(help="Samples that this model made.")], audit: Audit,
                   licence: Licence, contact: Contact, name: Name = "",
                   about: Annotated[str, typer.Option(help="What it makes, in a sentence.")] = "",
                   release: Version = "1.0",
                   overrule: Annotated[list[str] | None, typer.Option(metavar="GATE=REASON",
                                       help="Overrule lineage or origin; the card prints why.")] = None,
                   as_json: Json = False) -> None:  # fmt: skip
    """Write a release of a model: its file, its recipe and a card, behind the audit of what it makes."""
    from synthmed.publishing.models import models_publish as run

    entry = run(model, out, samples=samples, audit=audit, licence=licence, contact=contact, name=name, about=about,
                release=release, overrule=overrule or ())  # fmt: skip
    tell(as_json, f"{out} holds the model {entry.name}. Next: synthmed models index {out.parent}", out=out,
         name=entry.name, sha256=entry.sha256)  # fmt: skip


@models.command("index")
def models_index(models: Annotated[Path, typer.Argument(metavar="MODELS", help="Folder of published models.")],
                 as_json: Json = False) -> None:  # fmt: skip
    """Write the index of a folder of published models, from which others fetch."""
    from synthmed.publishing.models import models_index as run

    index = run(models)
    tell(as_json, f"{models} has an index of {len(index.models)} models. Its SHA-256, for --pin: {index.digest}",
         models=len(index.models), digest=index.digest)  # fmt: skip


app.add_typer(models, name="models", rich_help_panel=HAND_ON)


def _show(as_json: bool, found: "list[Found]") -> None:
    lines = [f"{one.entry.name:24}{one.state:10}{one.entry.about} ({one.entry.licence})" for one in found]
    tell(as_json, "\n".join(lines) or "The index is empty.", **{one.entry.name: one.state for one in found})
