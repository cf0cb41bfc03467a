"""What the verbs share: the application, the words of its options, and how a result is told."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from synthmed import __version__
from synthmed.errors import ConfigError
from synthmed.running import threads
from synthmed.running.progress import started, starting

if TYPE_CHECKING:
    from synthmed.running.progress import Bar


class Computing(TyperCommand):
    """A verb that works with networks: before torch is imported it is decided with how many threads, and how."""

    def invoke(self, ctx: Any) -> Any:
        """Decide, then do it; importing torch takes seconds."""
        starting()
        threads.settle()
        return super().invoke(ctx)


_HELP = {"help_option_names": ["-h", "--help"]}
START, MAKE, CHANGE, JUDGE, HAND_ON = "Start here", "Make images", "Change them", "Judge them", "Hand them on"
"""The groups in which the verbs are listed."""

app = typer.Typer(
    name="synthmed",
    help="Synthetic medical images: prepare, train, generate, evaluate. Not a medical device.",
    epilog="Each verb has examples: synthmed VERB -h. A tour of all of it in three minutes: synthmed demo.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=_HELP,
)

study = typer.Typer(
    help="Reader studies: people judge images in a browser.", no_args_is_help=True, context_settings=_HELP
)
app.add_typer(study, name="study", rich_help_panel=JUDGE)


def example(*commands: str) -> str:
    """The end of a verb's help."""
    return "\n\n".join([f"Example{'s' if len(commands) > 1 else ''}:", *commands])


models = typer.Typer(
    help="Models by name: list, fetch, verify, publish, index.", no_args_is_help=True, context_settings=_HELP
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="New directory; nothing is ever overwritten.")]
Data = Annotated[Path, typer.Argument(metavar="DATA", help="Prepared data set.")]
Study = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]


def _version(asked: bool) -> None:
    if asked:
        print(f"synthmed {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Results and errors alone; may stand anywhere in a command.")
    ] = False,
) -> None:
    pass


def tell(as_json: bool, sentence: str, **facts: Any) -> None:
    started()
    print(json.dumps({name: str(value) if isinstance(value, Path) else value for name, value in facts.items()})
          if as_json else sentence)  # fmt: skip


def size_of(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdigit() and (width or height).isdigit()):
        raise ConfigError(f"--size is {text!r}; expected a number such as 256, or HEIGHTxWIDTH such as 512x256.")
    return int(height), int(width or height)


def progress_bar(what: str = "") -> "Bar":
    from synthmed.running.progress import Bar

    return Bar(what)
