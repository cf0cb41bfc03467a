"""``verify``: a download, checked end to end and loaded; nothing that comes with it is executed."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from synthmed.artifacts import MANIFEST, kind_of, read_manifest
from synthmed.artifacts import verify as verify_files
from synthmed.errors import ArtifactError
from synthmed.files.paths import takes_paths
from synthmed.publishing.contents import holds_pixels_alone
from synthmed.publishing.croissant import CROISSANT, validate
from synthmed.publishing.facts import Facts
from synthmed.publishing.release import CARD, FACTS, INDEX, KIND, PAGE, SUMS
from synthmed.publishing.shards import METADATA, Row, read_index
from synthmed.running.progress import Progress, silence
from synthmed.sources.exact import from_png_bytes

NEEDED = (FACTS, INDEX, CARD, PAGE, CROISSANT, SUMS)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release that was opened: its facts and rows; ``images`` reads it. See ``open_release``.

    Args:
        path: its folder.
        facts: what it says of itself.
        rows: one an image.
        digest: of the whole.
        told: what was checked beside digests, in sentences.
    """

    path: Path
    facts: Facts
    rows: tuple[Row, ...]
    digest: str
    told: tuple[str, ...] = field(default=())

    def images(self, most: int | None = None) -> Iterator[tuple[Row, NDArray[np.integer], NDArray[np.uint8] | None]]:
        """Each row with its image [C H W] and its mask as stored [H W], in order; the first ``most`` of them.

        Raises:
            ArtifactError: a file is missing, differs from its digest, or is no image of the release.
        """
        name, opened = "", ExitStack()
        with ExitStack() as every:
            for row in self.rows[:most]:
                if row.shard != name:
                    opened.close()
                    name, opened = row.shard, every.enter_context(ExitStack())
                    shard = opened.enter_context(_archive(self.path / name))
                yield row, *self._pair(shard, row)

    def _pair(self, shard: zipfile.ZipFile, row: Row) -> tuple[NDArray[np.integer], NDArray[np.uint8] | None]:
        images = self.facts.images
        shape = (len(images.channels), images.height, images.width)
        image = self._decoded(_content(shard, row.file_name, row.sha256), row.file_name)
        if image.shape != shape or image.dtype != f"uint{images.bits}":
            raise ArtifactError(
                f"{row.file_name} in {row.shard} is not of the size that the release says. Fetch it again."
            )
        if not row.mask_file_name:
            return image, None
        mask = self._decoded(_content(shard, row.mask_file_name, row.mask_sha256), row.mask_file_name)
        if mask.shape != (1, *shape[1:]) or mask.dtype != np.uint8:
            raise ArtifactError(f"{row.mask_file_name} in {row.shard} is no mask of its image. Fetch it again.")
        return image, mask[0]

    def _decoded(self, content: bytes, name: str) -> NDArray[np.integer]:
        try:
            if name.endswith(".npy"):
                return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
            if not holds_pixels_alone(content):
                raise ValueError("it holds more than pixels")
            return from_png_bytes(content)
        except (ValueError, RuntimeError, EOFError, OSError) as error:
            raise ArtifactError(f"{name} of {self.path} is no image of ours ({error}). Fetch it again.") from error


@takes_paths
def verify(release: Path, *, progress: Progress | None = None) -> Release:
    """Check a release end to end, and load every image of it.

    The manifest's seal and every digest, that nothing was added, ``SHA256SUMS``, the index against the archives, every
    image against its digest, size and depth, that no image carries metadata, and ``croissant.json`` by mlcroissant
    where that is installed.

    Args:
        release: its folder.
        progress: hears how far it is.

    Raises:
        ArtifactError: it is no release, or one that differs from what was published by as little as one bit; or it is
            a tombstone: the release was withdrawn.
    """
    path, tell = Path(release), progress or silence
    _refuse_tombstone(path)
    manifest = verify_files(path, KIND, NEEDED)
    _refuse_more(path, set(manifest.files) | {MANIFEST})
    found = open_release(path)
    _check_sums(path, {name: entry["sha256"] for name, entry in manifest.files.items()})
    _check_archives(found)
    masks = 0
    for place, (_, _, mask) in enumerate(found.images()):
        tell(place, len(found.rows), "loading")
        masks += mask is not None
    loaded = f"{len(found.rows)} images and {masks} masks were loaded, each with its digest, size and depth"
    told = (f"{len(manifest.files)} files are those that were published", loaded, validate(path))
    return Release(path=path, facts=found.facts, rows=found.rows, digest=manifest.digest, told=told)


def open_release(path: Path) -> Release:
    """Open a release without reading its images.

    Raises:
        ArtifactError: it is no release of ours, or its tables are not as we write them.
    """
    path = Path(path)
    manifest = read_manifest(path, KIND, NEEDED)
    try:
        facts = Facts.model_validate_json((path / FACTS).read_bytes(), strict=False)
        rows = read_index(path / INDEX)
    except ValidationError as error:
        first = error.errors()[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ArtifactError(f"{path / FACTS} is not as we write it ({told}). Fetch the release again.") from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as a release ({error}). Fetch it again.") from error
    names = {file.name for file in facts.files}
    wrong = next((row for row in rows if row.shard not in names or row.shard not in manifest.files), None)
    if wrong is not None or len(rows) != facts.images.num:
        raise ArtifactError(
            f"{path / INDEX} has {len(rows)} rows, and the release says {facts.images.num} images in "
            f"{facts.num_shards} archives. Fetch it again."
        )
    return Release(path=path, facts=facts, rows=tuple(rows), digest=manifest.digest)


def _refuse_tombstone(path: Path) -> None:
    if kind_of(path) == "tombstone":
        said = read_manifest(path, "tombstone").facts
        raise ArtifactError(
            f"{path} is a tombstone: {said.get('name')} {said.get('version')} was withdrawn on {said.get('date')} "
            f"({said.get('reason')}). Do not use it."
        )


def _refuse_more(path: Path, known: set[str]) -> None:
    more = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir())
    added = [name for name in more if name not in known]
    if added:
        raise ArtifactError(
            f"{path} holds {added[0]}, which was not published with it ({len(added)} such files). Move them away, or "
            "fetch the release again."
        )


def _check_sums(path: Path, known: dict[str, str]) -> None:
    expected = "".join(f"{known[name]}  {name}\n" for name in sorted(known) if name != SUMS)
    if (path / SUMS).read_text(encoding="utf-8", errors="replace") != expected:
        raise ArtifactError(f"{path / SUMS} does not name the files of the release. Fetch it again.")


def _check_archives(release: Release) -> None:
    """Every archive holds the files of its rows and no others."""
    expected: dict[str, set[str]] = {}
    for row in release.rows:
        expected.setdefault(row.shard, {METADATA}).update(filter(None, (row.file_name, row.mask_file_name)))
    for name, files in expected.items():
        with _archive(release.path / name) as shard:
            found = shard.namelist()
        if len(found) != len(files) or set(found) != files:
            odd = sorted(set(found) ^ files)
            raise ArtifactError(
                f"{release.path / name} does not hold what {INDEX} says, such as {odd[0] if odd else 'a file twice'}. "
                "Fetch it again."
            )


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} is no archive ({error}). Fetch it again.") from error


def _content(shard: zipfile.ZipFile, name: str, digest: str) -> bytes:
    try:
        found = shard.getinfo(name)
        if found.compress_type != zipfile.ZIP_STORED or found.file_size != found.compress_size:
            raise ValueError("it is compressed, which no file of ours is")
        content = shard.read(found)
    except (KeyError, ValueError, OSError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{name} cannot be read from {shard.filename} ({error}). Fetch it again.") from error
    if sha256(content).hexdigest() != digest:
        raise ArtifactError(f"{name} in {shard.filename} is not the file that {INDEX} names. Fetch it again.")
    return content
