"""What ``doctor`` found, as tables for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from synthmed.checkup.doctor import Checkup, Folder
from synthmed.checkup.machine import Machine
from synthmed.harmless import printable

_MOST = 6
"""Different values of one kind that are shown."""


def show(checkup: Checkup) -> None:
    """Print the tables, and the command on a line of its own, so that it can be copied."""
    console = Console(highlight=False)
    console.print(_machine_table(checkup.machine))
    if checkup.folder is None:
        return
    console.print(_folder_table(checkup.folder))
    proposal = checkup.folder.proposal
    if proposal.left_out:
        console.print(_reasons_table("Would be left out", "Files", proposal.left_out))
    if proposal.failed:
        title = f"Of {proposal.tried} items that were tried, would be left out too"
        console.print(_reasons_table(title, "Items", proposal.failed))
    for kind, reason in proposal.refused.items():
        console.print(f"Not as {kind}: {reason}", markup=False)
    if proposal.missing:
        console.print(f"As {proposal.kind} it needs something first: {proposal.missing}", markup=False, soft_wrap=True)
    elif not proposal.kind:
        console.print("No kind of data set finds images here that it can use.")
    else:
        for caution in proposal.cautions:
            console.print(caution, markup=False, soft_wrap=True)
        console.print(f"{proposal.account} {proposal.items} items of {proposal.patients} patients.", soft_wrap=True)
        console.print("To prepare it:")
        print(proposal.command)


def _machine_table(machine: Machine) -> Table:
    table = _two_columns("This machine")
    table.add_row("synthmed, Python, PyTorch", f"{machine.synthmed}, {machine.python}, {machine.torch}")
    table.add_row("System", machine.system)
    table.add_row("Processor cores", str(machine.cores))
    table.add_row("Memory", f"{machine.memory_gib} GiB" if machine.memory_gib else "unknown")
    table.add_row("Graphics cards", ", ".join(machine.gpus) or "none that PyTorch can use")
    table.add_row("Free on the disk", f"{machine.disk_free_gib} GiB")
    for extra, missing in machine.extras.items():
        table.add_row(f"Extra {extra}", f"missing: {', '.join(missing)}" if missing else "installed")
    return table


def _folder_table(folder: Folder) -> Table:
    table, census = _two_columns("This folder"), folder.census
    table.add_row("Files", f"{folder.files}, of these {census.images} images with {census.pictures} pictures")
    known = f"{census.patients}, and {census.without_patient} images do not say whose they are"
    table.add_row("Patients", known if census.without_patient else str(census.patients))
    if census.studies or census.series:
        table.add_row("Studies, series", f"{census.studies}, {census.series}")
    for name, counts in (
        ("Formats", census.formats),
        ("Modalities", census.modalities),
        ("Transfer syntaxes", census.transfer_syntaxes),
        ("Photometric interpretations", census.photometric),
        ("Bits of a value", census.bits),
        ("Channels", census.channels),
        ("Sizes in pixels", census.sizes),
        ("Spacings in mm", census.spacings_mm),
        ("Windows", census.windows),
    ):
        if counts:
            table.add_row(name, escape(_counted(counts)))
    if census.text_declared or census.text_denied:
        table.add_row(
            "Text in the picture", f"the header says yes of {census.text_declared}, no of {census.text_denied}"
        )
    table.add_row("Copies, the same bytes", str(folder.copies))
    if folder.sample is None:
        table.add_row("Pixels", "not looked at; --pixels 100 looks for text and for copies under other names")
        return table
    sample = folder.sample
    table.add_row("Pixels looked at", f"{sample.pictures} pictures; {sample.unreadable} files cannot be decoded")
    table.add_row("Likely text in the picture", f"{sample.with_text} of these")
    table.add_row("Likely the same picture", f"{sample.alike} pairs of different patients among these")
    return table


def _reasons_table(title: str, what: str, left_out: dict[str, int]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(what, justify="right")
    table.add_column("Reason")
    for reason, count in left_out.items():
        table.add_row(str(count), escape(printable(reason)))
    return table


def _two_columns(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _counted(counts: dict[str, int]) -> str:
    shown = [f"{value}: {count}" for value, count in list(counts.items())[:_MOST]]
    more = len(counts) - _MOST
    return "\n".join(_with(shown, f"and {more} more" if more > 0 else ""))


def _with(lines: list[str], last: str) -> Iterable[str]:
    return [*lines, last] if last else lines
