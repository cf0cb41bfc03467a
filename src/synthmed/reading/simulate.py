"""A simulated reader: it answers through the real interface, with a d', a bias, a drift and lapses that are chosen.

It looks at the pixels that it is sent, as a person does, and recognises them by their digest: the interface itself
tells it no truth. It is for demos, tests and load. What it answers is marked as simulated in the study and in reports.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from synthmed.errors import ConfigError, StudyError
from synthmed.files.paths import takes_paths
from synthmed.reading import sessions
from synthmed.reading.clock import Clock
from synthmed.reading.protocol import CHECK, Case, Study
from synthmed.reading.serving import served
from synthmed.reading.store import Store
from synthmed.reading.trials._contract import SPOT


@dataclass(frozen=True, kw_only=True)
class Observer:
    """How a simulated reader sees.

    Args:
        d_prime: sensitivity in the middle of the trials.
        criterion: above 0 it leans to "real".
        drift: change of d' from the first to the last trial.
        lapse: share of trials answered at random.
        consistency: share of its noise that an image brings with it, so that a second look agrees with the first.
        think: seconds it waits before each answer.
        seed: of its noise.
    """

    d_prime: float = 1.0
    criterion: float = 0.0
    drift: float = 0.0
    lapse: float = 0.0
    consistency: float = 0.5
    think: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.lapse <= 1 or not 0 <= self.consistency <= 1 or self.think < 0:
            raise ConfigError(f"lapse is {self.lapse}, consistency {self.consistency}, think {self.think}; expected "
                              "shares of 0 to 1 and seconds from 0 on.")  # fmt: skip


@dataclass(kw_only=True)
class Course:
    """What a simulated reader did.

    Args:
        acknowledged: handle of each trial whose answer the server acknowledged -> the answer.
        seconds: what each acknowledgement took.
    """

    acknowledged: dict[str, Any] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


class Eyes:
    """Which case a picture is: the digests of all pictures of a study, as they are sent."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._known: dict[bytes, tuple[Case, bool]] = {}
        for case in study.cases:
            parts = [study.stimulus(number) for number in case.stimuli]
            # A pair is sent in either order; the synthetic picture, which is the last, may be on the right.
            for swapped in (True, False) if len(parts) > 1 else (True,):
                shown = parts if swapped else parts[::-1]
                self._known[hashlib.sha256(b"".join(shown)).digest()] = (case, swapped)

    def recognise(self, picture: bytes) -> tuple[Case, bool]:
        """The case that a picture shows, and of a pair whether the synthetic one is on the right."""
        return self._known[hashlib.sha256(picture).digest()]


@takes_paths
def study_simulate(study: Path, *, readers: int = 3, d_prime: float = 1.0, criterion: float = 0.0, drift: float = 0.0,
                   lapse: float = 0.0, consistency: float = 0.5, think: float = 0.0, address: str = "",
                   seed: int = 0) -> list[Course]:  # fmt: skip
    """Let simulated readers read a study, all at once, until no session is open.

    Args:
        study: folder of the study.
        readers: how many; they are called "simulated 1" and so on.
        d_prime: sensitivity in the middle of the trials, alike for all.
        criterion: above 0 they lean to "real".
        drift: change of d' from the first to the last trial.
        lapse: share of trials answered at random.
        consistency: share of noise that an image keeps.
        think: seconds before each answer.
        address: of a server that runs already; "" = one is started for them.
        seed: of their noise.

    Raises:
        ArtifactError: no study, or a damaged one.
        ConfigError: a share outside 0 to 1, or no readers.
        StudyError: the server refuses them.
    """
    if readers < 1:
        raise ConfigError(f"--readers is {readers}; expected 1 at least.")
    watching = [Observer(d_prime=d_prime, criterion=criterion, drift=drift, lapse=lapse, consistency=consistency,
                         think=think, seed=seed * 1000 + number) for number in range(readers)]  # fmt: skip
    opened = Study.open(study)
    tokens = invitations(opened, [f"simulated {number + 1}" for number in range(readers)])
    eyes = Eyes(opened)
    if address:
        return asyncio.run(read_all(address, tokens, watching, eyes))
    with served(opened) as started:
        return asyncio.run(read_all(started, tokens, watching, eyes))


def invitations(study: Study, names: Sequence[str]) -> list[str]:
    """Invitations of simulated readers, who are marked as such."""
    store = Store(study)
    try:
        now = Clock(store.run(sessions.latest)).now()
        tokens = store.run(lambda database: [sessions.invite(database, name, now) for name in names])
        store.run(lambda database: [database.execute("UPDATE readers SET simulated = 'yes' WHERE name = ?", (name,))
                                    for name in names])  # fmt: skip
        return tokens
    finally:
        store.close()


async def read_all(address: str, tokens: Sequence[str], observers: Sequence[Observer], eyes: Eyes) -> list[Course]:
    """Let several observers read at once."""
    courses = [Course() for _ in tokens]
    await asyncio.gather(*(read(address, token, observer, eyes, course)
                           for token, observer, course in zip(tokens, observers, courses, strict=True)))  # fmt: skip
    return courses


async def read(address: str, token: str, observer: Observer, eyes: Eyes, course: Course, *, app: Any = None) -> Course:
    """Read as a browser does: enter, take every step, look at each picture, answer.

    Args:
        address: of the server.
        token: of the invitation.
        observer: how it sees.
        eyes: what it recognises.
        course: filled as answers are acknowledged, so that it is right even if the server dies.
        app: an application to ask directly instead of over a socket.

    Raises:
        StudyError: the server refuses.
    """
    import httpx

    noise = np.random.default_rng(observer.seed)
    transport = httpx.ASGITransport(app=app) if app is not None else None
    # Reading the certificates of the machine takes longer than a trial; without TLS they are not needed.
    tls = address.startswith("https:")
    async with httpx.AsyncClient(base_url=address, transport=transport, timeout=60, verify=tls) as client:
        page = secrets.token_hex(8)

        async def post(path: str, **body: Any) -> dict[str, Any]:
            answer = await client.post(path, json={"page": page, **body})
            if answer.status_code >= 400:
                raise StudyError(f"The server refused {path}: {answer.json().get('message', answer.status_code)}")
            found: dict[str, Any] = answer.json()
            return found

        await post("/api/enter", token=token)
        state = await post("/api/open")
        while state["stage"] not in ("done", "washout"):
            if state["stage"] != "trial":
                state = await post("/api/step", name=state["stage"], facts={"simulated": True})
                continue
            handle = state["trial"]["handle"]
            picture = await client.get(f"/api/picture/{handle}", params={"page": page})
            if picture.status_code >= 400:
                raise StudyError(f"The server refused a picture: {picture.json().get('message')}")
            place = state["answered"] / max(1, state["total"] - 1) - 0.5
            answer = decide(observer, eyes, picture.content, place, noise)
            if observer.think:
                await asyncio.sleep(observer.think * noise.uniform(0.5, 1.5))
            began = perf_counter()
            told = await post("/api/answer", handle=handle, key=secrets.token_hex(8), answer=answer,
                              response_ms=float(noise.lognormal(8.6, 0.5)), viewing={"simulated": True})  # fmt: skip
            course.seconds.append(perf_counter() - began)
            course.acknowledged[handle] = answer
            state = told["state"]
    return course


def decide(observer: Observer, eyes: Eyes, picture: bytes, place: float, noise: np.random.Generator) -> dict[str, Any]:
    """An answer to a picture.

    Args:
        observer: how it sees.
        eyes: what it recognises.
        picture: as it was sent.
        place: of the trial, from -1/2 (first) to 1/2 (last).
        noise: what changes from look to look.
    """
    case, swapped = eyes.recognise(picture)
    trial = eyes.study.trial
    truth = sessions.truth_of(eyes.study, case, swapped)
    own = np.random.default_rng([observer.seed, int.from_bytes(hashlib.sha256(case.name.encode()).digest()[:6], "big")])
    both = np.sqrt(observer.consistency) * own.normal() + np.sqrt(1 - observer.consistency) * noise.normal()
    # Two pictures are compared, each with a noise of its own: their difference is sqrt(2) as far apart.
    apart = (np.sqrt(2) if trial.images == 2 else 1) * (observer.d_prime + observer.drift * place)
    evidence = both + apart * (truth - 0.5)
    if case.part == CHECK:
        evidence = 9.0 if truth else -9.0
    if noise.random() < observer.lapse:
        evidence = observer.criterion + noise.choice([-1.0, 1.0]) * abs(noise.normal())
    answer = dict(trial.sure(float(evidence), observer.criterion))
    if trial.marks:
        answer[SPOT] = _spot(case, evidence > observer.criterion, eyes.study, noise)
    return answer


def _spot(case: Case, found: bool, study: Study, noise: np.random.Generator) -> list[int]:
    if found and case.targets:
        runs = [[int(word) for word in run.split()] for run in case.targets.split(";")]
        y, first, last = runs[len(runs) // 2]
        return [(first + last) // 2, y]
    return [int(noise.integers(study.protocol.width)), int(noise.integers(study.protocol.height))]
