"""The floors of the tree: a module imports only from smaller numbers and from the root helpers.

docs/architecture.md draws the same floors. A new module or folder gets its number here.
"""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "synthmed"
MODULES = sorted(ROOT.rglob("*.py"))

HELPERS = {"errors", "harmless", "config", "shapes", "draws", "files", "artifacts", "pictures", "pages", "running"}
FLOORS = {
    "phantoms": 0,
    "recipes": 0,
    "sources": 1,
    "data": 2,
    "checkup": 3,
    "networks": 3,
    "pretrained": 3,
    "zoo": 3,
    "objectives": 4,
    "formats": 4,
    "methods": 5,
    "samples": 3,
    "segmentation": 6,
    "generation": 6,
    "training": 7,
    "evaluation": 9,
    "privacy": 10,
    "comparison": 11,
    "editing": 11,
    "auditing": 11,
    "demonstration": 12,
    "listing": 12,
    "reading": 12,
    "publishing": 12,
    "cli": 13,
    "__main__": 14,
}
ONLY = {
    "networks": {"shapes", "draws", "running"},
    "objectives": {"shapes", "draws", "running", "config"},
} | {helper: HELPERS for helper in HELPERS}
"""What these know beside themselves, whatever their floor would allow."""
MAKERS = {"methods", "training", "generation"}
NEVER = {"evaluation": MAKERS, "privacy": MAKERS, "reading": MAKERS, "publishing": {"methods", "training"}}
"""Images of any tool are measured, audited, judged and handed on alike, so none of these may know how ours are made; of
models publishing knows the file alone."""
OWNERS = {
    "monai": {"segmentation/segmenter.py", "segmentation/classifier.py"},
    "sklearn": {"evaluation/_observers.py"},
    "opacus": {"training/private.py"},
    "tensorboard": {"training/board.py"},
    "cv2": {"editing/splice.py"},
    "highdicom": {"formats/dicom_images.py", "formats/dicom_masks.py"},
    "starlette": {"reading/server.py", "reading/guard.py"},
    "uvicorn": {"reading/serving.py"},
    "httpx": {"reading/simulate.py"},
    "mlcroissant": {"publishing/croissant.py"},
}
"""Heavy libraries, and the file that imports each: one, or two of one room."""
FORBIDDEN_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torchvision", "yaml"}
TABLES = "files/tables.py"
"""The one file that writes CSV, so that no cell of any table is a formula or commands a terminal."""
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "torch.save"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "handler", "engine", "core", "common", "misc"}


def place(path: Path) -> str:
    """The module or folder of ``synthmed`` that a file belongs to; "" for ``__init__.py`` of the root."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


ROOMS = sorted({place(path) for path in MODULES})


def files_of(room: str) -> list[Path]:
    """The files of a room, or the one file that a root helper is."""
    return [path for path in MODULES if place(path) == room]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Dotted names of all that a file imports, at its top or inside a function."""
    found: list[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} line {node.lineno} imports by dots; name the module"
            found += [f"{node.module}.{name.name}" for name in node.names]
    return tuple(found)


def neighbours(path: Path) -> set[str]:
    """The modules and folders of ``synthmed`` that a file imports, its own left out."""
    parts = [name.split(".") for name in imports(path)]
    found = {part[1] for part in parts if part[0] == "synthmed" and len(part) > 1}
    return found - {place(path), "__version__"}


def module_name(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(("synthmed", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def test_no_files_import_each_other_in_a_circle():
    known = {module_name(path): path for path in MODULES}
    arrows = {}
    for name, path in known.items():
        found = {one if one in known else one.rpartition(".")[0] for one in imports(path)}
        arrows[name] = (found & known.keys()) - {name, "synthmed"}
    tuple(TopologicalSorter(arrows).static_order())  # raises a CycleError that names the circle


def test_every_module_has_a_floor():
    places = {place(path) for path in MODULES} - {""}
    assert places <= FLOORS.keys() | HELPERS, "give the new ones a number, here and in docs/architecture.md"


@pytest.mark.parametrize("room", ROOMS)
def test_a_module_imports_only_from_below(room):
    allowed = ONLY.get(room, HELPERS | {name for name in FLOORS if FLOORS[name] < FLOORS.get(room, 0)})
    for path in files_of(room):
        above = neighbours(path) - (allowed - NEVER.get(room, set()))
        assert not above, f"{path} must not import {', '.join(sorted(above))}"


@pytest.mark.parametrize("room", ROOMS)
def test_only_methods_know_a_method(room):
    for path in files_of(room) if room != "methods" else []:
        parts = [name.split(".") for name in imports(path) if name.startswith("synthmed.methods.")]
        assert {part[2] for part in parts} <= {"_contract", "find_method", "method_names"}, path


@pytest.mark.parametrize("library", OWNERS)
def test_a_heavy_library_has_one_owner(library):
    users = {path for path in MODULES if any(name.split(".")[0] == library for name in imports(path))}
    assert {path.relative_to(ROOT).as_posix() for path in users} <= OWNERS[library]


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_that_we_open_can_run_code(room):
    for path in files_of(room):
        assert not {name.split(".")[0] for name in imports(path)} & FORBIDDEN_IMPORTS, path
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in FORBIDDEN_CALLS, f"{path} line {node.lineno}"
                pickles = [word.value for word in node.keywords if word.arg == "allow_pickle"]
                assert all(isinstance(value, ast.Constant) and value.value is False for value in pickles), path


@pytest.mark.parametrize("room", ROOMS)
def test_one_file_writes_tables(room):
    writes = re.compile(r"csv\.(writer|DictWriter)|import (writer|DictWriter)|to_csv\(")
    for path in files_of(room):
        assert path == ROOT / TABLES or not writes.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("room", ROOMS)
def test_files_are_small_and_say_what_they_are(room):
    for path in files_of(room):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
        assert path.stem.strip("_") not in VAGUE_NAMES, path
        assert path.parent.name not in VAGUE_NAMES, path
