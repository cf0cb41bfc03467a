"""What surrounds the loop: one process a run, signals that stop between steps, the grid of samples."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import torch

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_stored
from synthmed.draws import Draws, seed_of
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.locks import try_lock
from synthmed.files.paths import open_own
from synthmed.methods._contract import Method
from synthmed.pictures import pairs_grid, save_png
from synthmed.training.batches import given_of

LOCK = ".lock"
SHOWN = 8
P = ParamSpec("P")
R = TypeVar("R")
_TRAINING = threading.Lock()


@contextmanager
def exclusive(run: Path) -> Iterator[None]:
    """Hold the run: a second training of the same directory is refused. The lock dies with the process."""
    with open_own(run / LOCK, "a") as file:
        if not try_lock(file):
            raise ArtifactError(f"Another process is training {run}. Wait for it, stop it, or give another RUN.")
        yield


def one_at_a_time(train: Callable[P, R]) -> Callable[P, R]:
    """Refuse a second training in the same process while one runs.

    A process has one stream of random numbers, from which weights are begun, and one number of threads, which a run
    keeps: two trainings would disturb each other.
    """

    @wraps(train)
    def alone(*words: P.args, **more: P.kwargs) -> R:
        if not _TRAINING.acquire(blocking=False):
            raise ConfigError(
                "Another training runs in this process, and both would share its random numbers and its threads; "
                "expected one at a time. Wait for it, or train in a process of its own."
            )
        try:
            return train(*words, **more)
        finally:
            _TRAINING.release()

    return alone


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], int]]:
    """Catch Ctrl-C and SIGTERM; yields what tells the number that came, or 0. A second Ctrl-C ends at once."""
    came = [0]

    def ask(number: int, frame: object) -> None:
        came[0] = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0  # signals belong to the main thread; elsewhere the caller stops us its own way
        return
    old = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: came[0]
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@torch.no_grad()
def write_sample_grid(path: Path, method: Method, dataset: PreparedDataset, device: torch.device) -> None:
    """Show what the method makes now: always the same latents, under what it needs of the first training images."""
    path.parent.mkdir(exist_ok=True)
    latents = Draws(seed_of("shown"), device).normal(SHOWN, *method.latent_shape)
    rows = [index % len(dataset) for index in range(SHOWN)]
    pairs = method.generate(latents, given_of(method, dataset, rows).only(method.needs).to(device))
    masks = np.zeros((SHOWN, 0, 0), np.uint8) if pairs.masks is None else pairs.masks.cpu().numpy()
    save_png(path, pairs_grid(to_stored(pairs.images.cpu(), 8), masks), longest_side=2048)
