"""Medical images made by code, for the demo, the tests and teaching.

A kind of image is a file of this folder that offers ``write(out, numbers, seed, size)``, and ``USUAL_NUM`` and
``USUAL_SIZE`` for those who do not say; files whose name starts with an underscore are parts of kinds. They write
what hospitals and public data sets have - source images - so that preparing them is part of every exercise.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from synthmed import artifacts
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.paths import takes_paths
from synthmed.running.progress import Progress, silence

SMALLEST_SIZE = 64
"""Below this nothing can be recognised."""


def kinds() -> list[str]:
    """The names of all kinds of phantom, sorted."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))


@takes_paths
def phantom(
    kind: str, out: Path, *, num: int | None = None, seed: int = 0, size: int | None = None,
    progress: Progress | None = None,
) -> Path:  # fmt: skip
    """Write a folder of example images of one kind, with their masks.

    Image or patient k depends on ``seed``, ``size`` and k alone, so a larger ``num`` adds some and changes none.

    Args:
        kind: one of ``kinds()``, such as "retina".
        out: folder to make.
        num: number of images, or of patients where one has many images ("thorax", "breast_mr"), at least 1;
            what is usual for the kind if left out.
        seed: 0 or larger; another seed gives other images.
        size: height of the images in pixels, at least 64; what is usual for the kind if left out.
        progress: hears how far it is.

    Returns:
        The folder, in the layout that is usual for its kind.

    Raises:
        ConfigError: an unknown kind, or a number out of range.
        ArtifactError: something with content already stands at ``out``.

    Example:
        >>> import tempfile
        >>> folder = phantom("retina", Path(tempfile.mkdtemp()) / "eyes", num=2, size=64)
        >>> sorted(file.name for file in folder.glob("*/images/*"))
        ['01_test.tif', '21_training.tif']
    """
    if kind not in kinds():
        raise ConfigError(f"There is no phantom {kind!r}; expected one of: {', '.join(kinds())}.")
    module = import_module(f"{__name__}.{kind}")
    num, size = module.USUAL_NUM if num is None else num, module.USUAL_SIZE if size is None else size
    for name, value, least in (("num", num, 1), ("seed", seed, 0), ("size", size, SMALLEST_SIZE)):
        if value < least:
            raise ConfigError(f"{name} is {value}; expected {least} or more.")
    facts = {"phantom": kind, "num": num, "seed": seed, "size": size}
    with artifacts.new_directory(out, "phantom", facts=facts) as directory:
        module.write(directory, _told(num, kind, progress or silence), seed, size)
    return out


def _told(num: int, kind: str, progress: Progress) -> Iterator[int]:
    """Numbers from 0, each told of when what is made of it is finished."""
    for number in range(num):
        progress(number, num, kind)
        yield number
    progress(num, num, kind)


def phantom_kind(path: Path) -> str:
    """Which kind of phantom stands at a path, made by code and of no patient; "" = it is none.

    A folder to which a file was added, or in which one was changed, is none: the file could be anyone's.

    Raises:
        ArtifactError: its manifest is damaged.
    """
    if artifacts.kind_of(path) != "phantom":
        return ""
    try:
        manifest = artifacts.verify(path, "phantom")
    except ArtifactError:
        return ""
    found = {Path(place, name).relative_to(path).as_posix() for place, _, names in os.walk(path) for name in names}
    others = {name for name in found - {artifacts.MANIFEST, *manifest.files} if not Path(name).name.startswith(".")}
    return "" if others else str(manifest.facts.get("phantom", ""))
