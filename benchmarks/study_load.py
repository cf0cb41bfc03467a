"""Many simulated readers at one study: how long an answer takes, and whether any is lost when the server is killed.

    python benchmarks/study_load.py --readers 200 --think 6
    python benchmarks/study_load.py --readers 50 --think 1 --kill 300

The server runs in a process of its own, the readers in this one. ``--think`` is the mean number of seconds that a
reader looks at an image; radiologists took 6.0 to 8.7 seconds an answer in a published study of such a tool.
``--kill N`` kills the server with SIGKILL after N acknowledged answers, starts it again, lets the readers go on, and
looks for every answer that was ever acknowledged.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from synthmed.reading.design import study_new
from synthmed.reading.protocol import Study
from synthmed.reading.simulate import Course, Eyes, Observer, invitations, read
from synthmed.reading.store import connect
from synthmed.samples import Sample, write_samples

SERVE = "import sys; from pathlib import Path; from synthmed.reading.serving import study_serve;\
study_serve(Path(sys.argv[1]), port=int(sys.argv[2]))"


def study_of(folder: Path, side: int, num: int) -> Study:
    """A study of noise: as many bytes as real images have, nothing to see."""
    for name, seed in (("real", 1), ("made", 2)):
        rng = np.random.default_rng(seed)
        sample = Sample(seed=seed, label="", lineage="sampled")
        drawn = ((sample, rng.integers(0, 256, (1, side, side)).astype(np.uint8), None) for _ in range(num))
        write_samples(folder / name, drawn, inputs={}, facts={"seed": seed})
    settings = ["warmup=0", "accept_cues=true"]
    made, real = folder / "made", folder / "real" / "images"
    return study_new(real, folder / "study", synthetic=[made], num=num, overrides=settings).study


def start(study: Study, port: int) -> subprocess.Popen[bytes]:
    """A server that answers."""
    server = subprocess.Popen([sys.executable, "-c", SERVE, str(study.path), str(port)])
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=1)
            return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not start.")


async def together(
    address: str, tokens: list[str], courses: list[Course], eyes: Eyes, think: float, stop: float
) -> None:
    """All readers at once, for some seconds; they come one after the other in the first of them."""

    async def one(number: int) -> None:
        await asyncio.sleep(think * number / len(tokens))
        await read(address, tokens[number], Observer(seed=number, think=think), eyes, courses[number])

    jobs = asyncio.gather(*(one(number) for number in range(len(tokens))), return_exceptions=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(jobs, stop)


async def until_killed(server: subprocess.Popen[bytes], courses: list[Course], answers: int) -> None:
    """Kill the server when so many answers have been acknowledged."""
    while sum(len(course.acknowledged) for course in courses) < answers:
        await asyncio.sleep(0.005)
    os.kill(server.pid, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--think", type=float, default=6.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--kill", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        study = study_of(Path(place), given.side, 50)
        tokens = invitations(study, [f"reader {number}" for number in range(given.readers)])
        eyes, courses = Eyes(study), [Course() for _ in tokens]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = start(study, port)
        address = f"http://127.0.0.1:{port}"

        async def run() -> None:
            jobs = [together(address, tokens, courses, eyes, given.think, given.seconds)]
            if given.kill:
                jobs.append(until_killed(server, courses, given.kill))
            await asyncio.gather(*jobs)

        began = time.monotonic()
        asyncio.run(run())
        if given.kill:  # the same readers go on at the restarted server
            server.wait()
            server = start(study, port)
            asyncio.run(together(address, tokens, courses, eyes, given.think, given.seconds / 2))
        took = time.monotonic() - began
        server.kill()
        _, _, spent = os.wait4(server.pid, 0)
        own = time.process_time()
        cores = {"server_cores": round((spent.ru_utime + spent.ru_stime) / took, 2),
                 "readers_cores": round(own / took, 2), "load_of_machine": round(os.getloadavg()[0], 1)}  # fmt: skip
        print(json.dumps(told(courses, took, study, given.kill) | cores))


def told(courses: list[Course], took: float, study: Study, killed: int) -> dict[str, object]:
    """What happened."""
    seconds = np.array([one for course in courses for one in course.seconds])
    acknowledged = {handle: answer for course in courses for handle, answer in course.acknowledged.items()}
    database = connect(study)
    kept = {row["handle"]: json.loads(row["answer"]) for row in
            database.execute("SELECT handle, answer FROM answers JOIN trials ON trial = id")}  # fmt: skip
    database.close()
    lost = sum(kept.get(handle) != answer for handle, answer in acknowledged.items())
    shares = {f"p{share}_ms": round(1000 * float(np.percentile(seconds, share)), 1) for share in (50, 95, 99)}
    rate = round(len(acknowledged) / took, 1)
    return {"readers": len(courses), "seconds": round(took, 1), "answers": len(acknowledged),
            "answers_per_second": rate, **shares, "killed": bool(killed), "lost": lost}  # fmt: skip


if __name__ == "__main__":
    main()
