"""``site``: the releases of a folder as a static repository site.

It works from a folder or any web server, has no tracker, fetches nothing from elsewhere, and shows everything without
its script, which only filters.

::

    OUT/index.html              all releases, search and filter
        site.js site.css        the script and the style; icon.svg
        feed.xml                Atom: new, corrected and withdrawn releases
        releases/NAME-VERSION/  index.html (gallery, card, downloads), gallery/, files/
        withdrawn/NAME-VERSION/ index.html (the tombstone)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import kind_of, link, new_directory, read_manifest, refuse_existing, storage_errors, write_file
from synthmed.errors import ConfigError, DataError
from synthmed.files.paths import takes_paths
from synthmed.pages.frame import page
from synthmed.pictures import RGB, image_to_rgb, mask_to_rgb, save_png
from synthmed.publishing import release, withdrawal
from synthmed.publishing.card import description, sections
from synthmed.publishing.verifying import Release, verify
from synthmed.publishing.withdrawal import Tombstone, read_tombstone
from synthmed.publishing.words import one_line
from synthmed.running.progress import Progress, silence, titled

KIND = "site"
_GALLERY = 24
_SIDE = 512
"""Longest side of a picture in the gallery."""
_STATIC = ("site.js", "site.css", "icon.svg")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site that was written: where it is, and how many releases and tombstones it shows."""

    path: Path
    releases: int
    tombstones: int


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A release as the first page shows it.

    Args:
        release: the release.
        folder: below the site.
        cover: address of its first picture, below the site.
        bytes: of all that is downloaded.
        words: all words that the search looks through.
    """

    release: Release
    folder: str
    cover: str
    bytes: int
    words: str


@takes_paths
def site(
    releases: Path, out: Path, *, title: str = "SynthMed", address: str = "", progress: Progress | None = None
) -> Site:  # fmt: skip
    """Write the site of all releases and tombstones in a folder; every release is verified first.

    Args:
        releases: a folder with a folder for each release or tombstone.
        out: a new folder.
        title: of the site.
        address: https address where it will stand, for its feed; "" = links within the site.
        progress: hears how far it is.

    Raises:
        ConfigError: the address is none.
        DataError: there is no release, or two of one name and version.
        ArtifactError: a release is damaged, or something stands at ``out``.
        StorageError: the disk is full or may not be written.
    """
    releases, out, tell = Path(releases), Path(out), progress or silence
    refuse_existing(out)
    title = one_line(title, "--title")
    if address and urlsplit(address).scheme not in ("https", "http"):
        raise ConfigError(f"--address is {address!r}; expected one such as https://example.org/synthmed.")
    stones = [read_tombstone(path) for path in _of_kind(releases, withdrawal.KIND)]
    gone = {stone.digest for stone in stones}
    found = [verify(path, progress=titled(tell, f"verifying {path.name}")) for path in _of_kind(releases, release.KIND)]
    shown = [one for one in found if one.digest not in gone]
    if not shown and not stones:
        raise DataError(f"{releases} holds no release; expected a folder of releases. Make one: synthmed publish.")
    _refuse_twins([*shown, *stones])
    release.remove_unfinished(out)
    known: dict[str, dict[str, Any]] = {}
    inputs = {f"release {one.facts.name} {one.facts.version}": one.digest for one in shown}
    with new_directory(out, KIND, inputs=inputs, facts={"title": title}, known=known) as folder, \
            storage_errors(out):  # fmt: skip
        entries = [_write_release(folder, one, title) for one in shown]
        for one in shown:
            copied = read_manifest(one.path, release.KIND).files
            known |= {f"releases/{_place(one)}/files/{name}": entry for name, entry in copied.items()}
        entries.sort(key=lambda one: (one.release.facts.date, one.folder), reverse=True)
        for stone in stones:
            _write_stone(folder, stone, title)
        for name in _STATIC:
            write_file(folder / name, resources.files("synthmed.publishing").joinpath(f"static/{name}").read_bytes())
        write_file(folder / "index.html", _first_page(entries, stones, title))
        write_file(folder / "feed.xml", _feed(entries, stones, title, address))
    return Site(path=out, releases=len(shown), tombstones=len(stones))


def _of_kind(folder: Path, kind: str) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected a folder of releases. Check the path.")
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and kind_of(path) == kind]


def _refuse_twins(entries: Iterable[Release | Tombstone]) -> None:
    known: set[str] = set()
    for one in entries:
        place = _place(one)
        if place in known:
            raise DataError(
                f"{place} stands there twice; expected each name and version once. Give one another version."
            )
        known.add(place)


def _place(one: Release | Tombstone) -> str:
    if isinstance(one, Tombstone):
        return f"{one.name}-{one.version}"
    return f"{one.facts.name}-{one.facts.version}"


def _write_release(site_folder: Path, one: Release, title: str) -> Shown:
    """The page of a release, its gallery and its files."""
    name = f"releases/{_place(one)}"
    place, facts = site_folder / name, one.facts
    (place / "gallery").mkdir(parents=True)
    (place / "files").mkdir()
    pictures = []
    for number, (row, image, mask) in enumerate(one.images(most=_GALLERY)):
        file = f"gallery/{number:02d}.png"
        save_png(place / file, display(image), longest_side=_SIDE)
        overlay = ""
        if mask is not None and mask.any():
            overlay = f"gallery/{number:02d}-mask.png"
            _save_overlay(place / overlay, mask)
        pictures.append({"file": file, "overlay": overlay, "label": row.label, "name": row.file_name})
    files = []
    for source in sorted(path for path in one.path.iterdir() if path.is_file()):
        link(source, place / "files" / source.name)
        files.append((source.name, source.stat().st_size))
    digests = _sums(one.path / release.SUMS)
    html = page(
        "release.html", "synthmed.publishing", root="../../", site_title=title, facts=facts, pictures=pictures,
        description=description(facts), digest=one.digest,
        sections=[section for section in sections(facts) if section.title != "Files"],
        files=[(name, size, digests.get(name, "")) for name, size in files],
    )  # fmt: skip
    write_file(place / "index.html", html)
    words = [facts.name, facts.title, facts.modality, facts.organ, facts.licence, facts.origin.method,
             facts.origin.recipe, *facts.images.mask_labels.values(), *facts.images.classes]  # fmt: skip
    return Shown(release=one, folder=name, cover=f"{name}/{pictures[0]['file']}", bytes=sum(size for _, size in files),
                 words=" ".join(words).lower())  # fmt: skip


def display(image: NDArray[np.integer]) -> RGB:
    """An image for the eye: 16-bit numbers and single channels over the range that this image uses."""
    if image.dtype == np.uint8 or len(image) == 3:
        return image_to_rgb(image)
    plane = image[:1].astype(np.float64)
    low, high = np.percentile(plane, (0.5, 99.5))
    return image_to_rgb(np.clip((plane - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8))


def _save_overlay(path: Path, mask: NDArray[np.uint8]) -> None:
    """A mask as colours on nothing, to be laid over its image."""
    import io

    from PIL import Image

    labels = (mask > 0).astype(np.uint8) if set(np.unique(mask)) <= {0, 255} else mask
    # One label alone would be white: shown in the blue of the third, which is seen on grey and on red images.
    colours = mask_to_rgb(labels * 3 if labels.max() == 1 else labels)
    picture = Image.fromarray(np.dstack([colours, np.where(labels > 0, 255, 0).astype(np.uint8)]))
    picture.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    write_file(path, content.getvalue())


def _write_stone(site_folder: Path, stone: Tombstone, title: str) -> None:
    place = site_folder / "withdrawn" / _place(stone)
    place.mkdir(parents=True)
    write_file(place / "index.html", page("tombstone.html", "synthmed.publishing", root="../../", site_title=title,
                                          stone=stone))  # fmt: skip


def _first_page(entries: list[Shown], stones: list[Tombstone], title: str) -> str:
    def values(of: str) -> list[str]:
        return sorted({str(getattr(one.release.facts, of)) for one in entries})

    return page(
        "index.html", "synthmed.publishing", root="", site_title=title, entries=entries, stones=stones, place=_place,
        chooses={"modality": values("modality"), "organ": values("organ"), "licence": values("licence"),
                 "privacy": values("privacy_kind")},
    )  # fmt: skip


def _sums(file: Path) -> Mapping[str, str]:
    lines = (line.partition("  ") for line in file.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, _, name in lines}


def _feed(entries: list[Shown], stones: list[Tombstone], title: str, address: str) -> str:
    """The feed; the same releases give the same feed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    base = address.rstrip("/") + "/" if address else ""
    told: list[dict[str, Any]] = [
        {"title": f"{one.release.facts.title}, {one.release.facts.name} {one.release.facts.version}",
         "date": one.release.facts.date, "id": _urn(one.release.digest), "link": f"{base}{one.folder}/index.html",
         "summary": description(one.release.facts)} for one in entries
    ] + [
        {"title": f"Withdrawn: {stone.title}, {stone.name} {stone.version}", "date": stone.date,
         "id": _urn(stone.digest[::-1]), "link": f"{base}withdrawn/{_place(stone)}/index.html", "summary": stone.reason}
        for stone in stones
    ]  # fmt: skip
    told.sort(key=lambda one: (one["date"], one["title"]), reverse=True)
    pages = Environment(loader=PackageLoader("synthmed.publishing"), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("feed.xml").render(title=title, base=base, entries=told)


def _urn(digest: str) -> str:
    return UUID(digest[:32]).urn
