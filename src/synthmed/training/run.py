"""What surrounds the loop: one process a run, signals that stop between steps, the grid of samples."""

import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_stored, to_unit_range
from synthmed.errors import ArtifactError
from synthmed.methods._contract import Method
from synthmed.pictures import pairs_grid, save_png

LOCK = ".lock"
SHOWN = 8


@contextmanager
def exclusive(run: Path) -> Iterator[None]:
    """Hold the run: a second training of the same directory is refused. The lock dies with the process."""
    with (run / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArtifactError(
                f"Another process is training {run}. Wait for it, stop it, or give another RUN."
            ) from error
        yield


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Catch Ctrl-C and SIGTERM; yields a function that says whether one came. A second Ctrl-C ends at once."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # signals belong to the main thread; elsewhere the caller stops us its own way
        return
    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@torch.no_grad()
def write_sample_grid(path: Path, method: Method, dataset: PreparedDataset, device: torch.device) -> None:
    """Show what the method makes now: always the same latents, and the first training masks if it needs masks."""
    path.parent.mkdir(exist_ok=True)
    latents = torch.randn(SHOWN, method.latent_size, generator=torch.Generator().manual_seed(0)).to(device)
    masks = None
    if method.condition in ("masks", "masks with images"):
        repeated = [index % len(dataset) for index in range(SHOWN)]
        images = to_unit_range(dataset.images(repeated))
        masks = method.conditions(torch.from_numpy(dataset.masks(repeated)), images).to(device)
    pairs = method.generate(latents, masks)
    save_png(path, pairs_grid(to_stored(pairs.images.cpu(), 8), pairs.masks.cpu().numpy()), longest_side=2048)
