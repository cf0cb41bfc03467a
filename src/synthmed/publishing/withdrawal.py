"""``withdraw``: a tombstone in place of a release that may no longer be handed on; the release is left as it is."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from synthmed.artifacts import new_directory, read_manifest, refuse_existing, write_file
from synthmed.config import Settings
from synthmed.errors import ArtifactError
from synthmed.files.paths import takes_paths
from synthmed.publishing import gathering
from synthmed.publishing.card import markdown
from synthmed.publishing.verifying import open_release
from synthmed.publishing.words import one_line, refuse_private

KIND = "tombstone"


class Tombstone(Settings):
    """What is left of a release that was withdrawn.

    Args:
        name, version, title: of the release.
        digest: of the release.
        date: of the withdrawal.
        reason: of it.
        contact: of its publisher.
    """

    name: str
    version: str
    title: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    date: str
    reason: str
    contact: str


@takes_paths
def withdraw(release: Path, out: Path, *, reason: str, date: str = "") -> Tombstone:
    """Write the tombstone of a release; a site that finds it shows it in place of the release.

    Args:
        release: its folder; nothing in it is changed.
        out: a new folder, best beside the release.
        reason: in a sentence.
        date: YYYY-MM-DD; "" = today, UTC.

    Raises:
        ConfigError: no reason.
        ArtifactError: it is no release, or something stands at ``out``.
        GateError: the reason names a person or path.
    """
    out = Path(out)
    refuse_existing(out)
    found = open_release(Path(release))
    facts = found.facts
    stone = Tombstone(name=facts.name, version=facts.version, title=facts.title, digest=found.digest,
                      date=date or gathering.today(), reason=one_line(reason, "--reason"),
                      contact=facts.contact)  # fmt: skip
    refuse_private([stone.reason])
    said: dict[str, Any] = stone.model_dump(mode="json")
    text = (
        f"# {markdown(stone.title)}: withdrawn\n\n{stone.name} {stone.version} was withdrawn on {stone.date}. Do not "
        f"use it, and delete copies of it.\n\nReason: {markdown(stone.reason)}\n\n"
        f"Digest of the release: {stone.digest}\n\n"
        f"Contact: {markdown(stone.contact)}\n"
    )
    with new_directory(out, KIND, inputs={"release": found.digest}, facts=said) as folder:
        write_file(folder / "README.md", text)
    return stone


def read_tombstone(path: Path) -> Tombstone:
    """Read a tombstone.

    Raises:
        ArtifactError: it is none, or a damaged one.
    """
    try:
        return Tombstone.model_validate(read_manifest(path, KIND).facts, strict=False)
    except ValidationError as error:
        raise ArtifactError(f"{path} is a damaged tombstone ({error.errors()[0]['msg']}). Write it anew.") from error
