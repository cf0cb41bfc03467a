"""The documents cannot lie: links lead somewhere, commands parse, the reference pages are those of the code.

The pages of ``docs/reference`` are written by this file::

    SYNTHMED_UPDATE_DOCS=1 python -m pytest tests/contracts/test_documents.py
"""

import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel
from typer.main import get_command

import synthmed
from synthmed import cli
from synthmed.config import read_recipe, recipe_names, to_toml

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def flat(group: Any, before: str = "") -> dict[str, Any]:
    """Every command by its words, those of groups too: "study new"."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        found |= flat(command, f"{before}{name} ") if inner else {before + name: command}
    return found


COMMANDS = flat(get_command(cli.app))
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}
UPDATE = os.environ.get("SYNTHMED_UPDATE_DOCS") == "1"


def blocks(document: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S)


def lines(document: Path) -> Iterator[list[str]]:
    """The words of every command in a document's bash blocks; continued lines joined, comments dropped."""
    for block in blocks(document, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                del words[0]
            if words:
                yield words


def anchor(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def by_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_links_lead_to_files_and_headings(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        place = (document.parent / path).resolve() if path else document
        assert place.exists(), f"{target} leads nowhere"
        if heading:
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.M)
            assert heading in {anchor(one) for one in headings}, f"{target} is no heading there"


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_commands_parse(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    for words in lines(document):
        if words[0] == "make":
            assert words[1] in targets
        if words[0] == "synthmed" and words[1] in GROUPS:
            words = [words[0], " ".join(words[1:3]), *words[3:]]
        if words[0] == "synthmed" and words[1] in COMMANDS:
            given = COMMANDS[words[1]].make_context(words[1], words[2:]).params
            assert_recipe(given)
        elif words[0] == "synthmed":
            assert words[1] in ("--help", "--version"), f"there is no verb {words[1]}"


def assert_recipe(given: dict[str, Any]) -> None:
    """A recipe named in a command is shipped, or a file of the reader's own; its settings can be set."""
    if "recipe" in given and not given["recipe"].endswith(".toml"):
        assert given["recipe"] in recipe_names()
        read_recipe(given["recipe"], given["overrides"] or ())


@pytest.mark.parametrize("document", DOCUMENTS, ids=by_name)
def test_python_blocks_compile(document):
    for block in blocks(document, "python"):
        compile(block, str(document), "exec")


def test_the_readme_says_how_to_try_and_to_test_and_what_it_is_not():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ["make", "demo"] in list(lines(ROOT / "README.md"))
    assert ["make", "test"] in list(lines(ROOT / "README.md"))
    assert "not a medical device" in text.lower()


@pytest.mark.parametrize("document", ["README.md", "docs/tutorial.md"])
def test_the_commands_end_with_an_audit_of_a_set_that_can_be_audited(tmp_path, document):
    given = {words[1]: words[2:] for words in lines(ROOT / document) if words[0] == "synthmed"}
    assert "audit" in given
    phantom, prepare = (COMMANDS[verb].make_context(verb, list(given[verb])).params for verb in ("phantom", "prepare"))
    synthmed.phantom(phantom["kind"], tmp_path / "source", num=phantom["num"], size=64)
    shares = {name: prepare[name] for name in ("holdout", "test")}
    data = synthmed.prepare(tmp_path / "source", tmp_path / "data", kind=prepare["kind"], size=16, **shares)
    assert data.cautions == []


def test_versions_agree():
    assert f"## {synthmed.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {synthmed.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_method_has_its_page():
    from synthmed.methods import method_names

    assert {path.stem for path in (ROOT / "docs" / "methods").glob("*.md")} == set(method_names())


def test_the_toy_method_of_the_how_to_trains_and_generates(tmp_path, monkeypatch):
    import synthmed.methods as methods

    (code,) = [block for block in blocks(ROOT / "docs/how-to/own-method.md", "python") if "METHOD =" in block]
    (recipe,) = blocks(ROOT / "docs/how-to/own-method.md", "toml")
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "toy.py").write_text(code, encoding="utf-8")
    (tmp_path / "toy.toml").write_text(recipe, encoding="utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "synthmed.methods.toy", raising=False)
    importlib.invalidate_caches()

    synthmed.phantom("retina", tmp_path / "eyes", num=4, size=64)
    synthmed.prepare(tmp_path / "eyes", tmp_path / "data", kind="retina", size=32)
    toy, short = str(tmp_path / "toy.toml"), ["config.images=8"]
    model = synthmed.train(toy, tmp_path / "data", tmp_path / "run", overrides=short)
    images = synthmed.load_model(model).generate(3, seed=1).images
    again = synthmed.load_model(model).generate(3, seed=1).images
    assert sys.modules.pop("synthmed.methods.toy").__file__ == str(folder / "toy.py")
    assert images.shape == (3, 3, 32, 32)
    assert np.array_equal(images, again) and images.std() > 0


def compare(document: Path, text: str) -> None:
    """A page that the code writes; with SYNTHMED_UPDATE_DOCS=1 it is written."""
    if UPDATE:
        document.write_text(text, encoding="utf-8")
    hint = "write it anew: SYNTHMED_UPDATE_DOCS=1 python -m pytest tests/contracts/test_documents.py"
    assert document.read_text(encoding="utf-8") == text, f"{by_name(document)} is out of date; {hint}"


def test_the_command_reference_is_that_of_the_commands():
    compare(ROOT / "docs/reference/command-line.md", command_line())


def test_the_recipe_reference_is_that_of_the_recipes():
    compare(ROOT / "docs/reference/recipes.md", recipes())


def test_the_reference_of_kinds_is_that_of_their_settings():
    compare(ROOT / "docs/reference/kinds.md", kinds())


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ("---",) * len(columns), *rows))


def command_line() -> str:
    """The page of all verbs, from the command line itself."""
    parts = [
        "# The command line",
        "This page is written from the commands themselves. `synthmed VERB --help` says the same.\n"
        "Each verb is also a Python function of the same name: `synthmed.prepare(...)`, `synthmed.study_new(...)`.",
        "Exit codes: 0 done; 1 our fault, or a training that went wrong; 2 the input cannot be used, with a\n"
        "sentence that says why; 3 a gate said no; 130 and 143 stopped by Ctrl-C and SIGTERM.",
    ]
    for verb, command in COMMANDS.items():
        arguments = [word for word in command.params if word.param_type_name == "argument"]
        options = [word for word in command.params if word.param_type_name == "option"]
        required = [f"{word.opts[0]} {word.name.upper()}" for word in options if word.required]
        usage = " ".join(["synthmed", verb, *(word.metavar for word in arguments), *required, "[OPTIONS]"])
        rows = [(f"`{word.metavar}`", word.help or "", default(word)) for word in arguments]
        rows += [(f"`{word.opts[0]}`", word.help or "", default(word)) for word in options]
        given = table(("given", "meaning", "default"), rows)
        parts += [f"## synthmed {verb}", command.help or "", f"    {usage}", given]
    return "\n\n".join(parts) + "\n"


def default(word: Any) -> str:
    if word.required:
        return "required"
    return "" if word.default is None or word.default is False or word.default == "" else f"`{word.default}`"


def recipes() -> str:
    """The page of recipes and settings, from the shipped recipes and the settings' classes."""
    from synthmed.methods import find_method, method_names
    from synthmed.training.loop import TrainingSettings

    shipped = [read_recipe(name) for name in recipe_names()]
    rows = [(f"`{recipe.name}`", f"`{recipe.method}`", recipe.description) for recipe in shipped]
    parts = [
        "# Recipes and their settings",
        "This page is written from the code. A recipe is a TOML file: `method`, `description`, a table\n"
        "`[training]` for the loop and a table `[config]` for the method. `synthmed train` takes the name\n"
        "of a shipped recipe, or a path that ends in `.toml`. One setting is changed by `--set`, with the\n"
        "dotted name from the root: `--set training.budget=0.1`. What a recipe does not name has the\n"
        "default given here.",
        "Where a setting is itself a table, its name goes before the others: the dual GAN's `config.mask`\n"
        "has the settings of dcgan, so that `config.latent_size` there is `config.mask.latent_size`.",
        "An unknown setting is an error that names the nearest known one. The settings that a training\n"
        "used stand in `RUN/config.toml`.",
        "## Shipped recipes",
        table(("recipe", "method", "what it is"), rows),
        "## `[training]`",
        settings_table(TrainingSettings, "training"),
    ]
    shared: dict[str, type[BaseModel]] = {}
    for name in method_names():
        parts += [f"## `[config]` of {name}", settings_table(find_method(name).Config, "config", shared)]
    for name, kind in sorted(shared.items()):
        parts += [f"## {name}", kind.__doc__ or "", settings_table(kind, "")]
    return "\n\n".join(parts) + "\n"


def kinds() -> str:
    """The page of the kinds of data sets and their settings, from their files."""
    from synthmed.data.kinds import find_kind, kind_names
    from synthmed.data.kinds._contract import KindSettings

    parts = [
        "# Kinds of data sets",
        "This page is written from the code. `synthmed prepare SOURCE DATA --kind KIND` prepares one; a setting is\n"
        "changed by `--set key=value`. These are settings of every kind, set by flags of their own:",
        settings_table(KindSettings, ""),
    ]
    for name in kind_names():
        kind, module = find_kind(name), sys.modules[f"synthmed.data.kinds.{name}"]
        height, width = kind.DEFAULT_SIZE
        parts += [
            f"## {name}",
            (module.__doc__ or "").strip(),
            f"Height x width if you give no size: {height} x {width}.",
        ]
        own = kind.Settings.model_fields.keys() - KindSettings.model_fields.keys()
        if own:
            parts.append(settings_table(kind.Settings, "", leave_out=KindSettings.model_fields.keys()))
    return "\n\n".join(parts) + "\n"


def settings_table(kind: type[BaseModel], prefix: str, shared: dict[str, type[BaseModel]] | None = None,
                   leave_out: Iterable[str] = ()) -> str:  # fmt: skip
    """One row a setting; settings that are tables themselves lead to their own heading."""
    rows = []
    for name, field in kind.model_fields.items():
        if name in leave_out:
            continue
        values, meaning = field.annotation, field.description or ""
        several = get_origin(values) is tuple
        inner = get_args(values)[0] if several else values
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            other = config_owner(inner)
            title = f"`[config]` of {other}" if other else inner.__name__
            if not other and shared is not None:
                shared[title] = inner
            link = f"[settings](#{anchor(title)})"
            rows.append((f"`{dotted(prefix, name)}`", f"any number of {link}" if several else link, "", meaning))
            continue
        shown = "required" if field.is_required() else f"`{to_toml({'': field.default}).partition('=')[2].strip()}`"
        rows.append((f"`{dotted(prefix, name)}`", named(values), shown, meaning))
    return table(("setting", "values", "default", "meaning"), rows)


def dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def config_owner(kind: type[BaseModel]) -> str:
    """The method whose settings these are, or ""."""
    from synthmed.methods import find_method, method_names

    return next((name for name in method_names() if find_method(name).Config is kind), "")


def named(values: Any) -> str:
    """The values of a setting in words."""
    if get_origin(values) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(values))
    if get_origin(values) is tuple:
        return "any of " + named(get_args(values)[0])
    return {bool: "true, false", int: "whole number", float: "number", str: "text"}.get(values, str(values))
