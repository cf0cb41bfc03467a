"""Training steps and the demo beside other work, with and without the decision about threads.

    python benchmarks/busy_machine.py [--of step demo] [--busy 0 1 4] [--rounds 5] [--seconds 8] [--cores 2]

"before" is what torch does by itself, "after" what ``running.threads`` decides before torch is imported. Both run in
processes of their own, by turns, the first of a round last in the next, so that other work on the machine meets both
alike; the numbers are medians over the rounds. A run that does not end in ``--limit`` seconds counts as one step, or
one demo, in that time. The step is one of pix2pix_tiny at 64x64 in ``synthmed.train``; the
demo is a shortened one (a twentieth of its training, 10 steps for each judging network), from the start of its process
to its report.

What a fair share of the cores would give is reckoned from the quiet rate: a core for each thread if there are enough,
else the same part of them for every thread and process that wants one, those of other people included: they are
counted in /proc/loadavg before each run. The goal is at most 1.5 times as slow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

VARIANTS = ("before", "after")
DECIDED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
WARM_UP = 5


class EnoughError(Exception):
    """The rate is known."""


def step_rate(data: Path, seconds: float) -> float:
    """Steps a second of a training, after the first few."""
    from synthmed.training.loop import train

    seen: list[tuple[float, int]] = []

    def watch(done: int, total: int, what: str = "", **more: object) -> None:
        seen.append((time.perf_counter(), done))
        if len(seen) > WARM_UP + 1 and seen[-1][0] - seen[WARM_UP][0] > seconds:
            raise EnoughError

    with tempfile.TemporaryDirectory() as folder, suppress(EnoughError):
        train("pix2pix_tiny", data, Path(folder) / "run", progress=watch)
    return (len(seen) - 1 - WARM_UP) / (seen[-1][0] - seen[WARM_UP][0])


def short_demo() -> None:
    from synthmed.demonstration import demo

    with tempfile.TemporaryDirectory() as folder:
        demo(Path(folder) / "demo", budget=0.05, steps=10, say=lambda line: None, show=False)


def child(variant: str, what: str, data: Path, seconds: float) -> None:
    """One run; prints what was decided and, of a step, the rate."""
    from synthmed.running import threads

    decided = threads.settle().sentence if variant == "after" else ""
    rate = step_rate(data, seconds) if what == "step" else short_demo()
    print(json.dumps({"decided": decided, "rate": rate}))


def wanting() -> int:
    """Processes and threads that want a core at this moment, ours left out."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1


def measure(variant: str, what: str, data: Path, seconds: float, limit: float) -> tuple[float, str]:
    """Steps or demos a second, and what was decided."""
    clean = {name: value for name, value in os.environ.items() if name not in DECIDED}
    words = [sys.executable, __file__, "--child", variant, "--of", what, "--data", str(data), "--seconds", str(seconds)]
    began = time.perf_counter()
    try:
        done = subprocess.run(words, env=clean, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return 1 / limit, "(stopped at the limit)"
    told = json.loads(done.stdout.splitlines()[-1])
    return told["rate"] or 1 / (time.perf_counter() - began), told["decided"]


def scene(what: str, busy: int, data: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Medians of both variants beside so many busy processes, and how many others there were."""
    beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    others, load, decided = [], [], set()
    try:
        time.sleep(1)
        for number in range(arguments.rounds):
            for variant in VARIANTS if number % 2 == 0 else reversed(VARIANTS):
                others.append(sum(max(0, wanting() - busy) for _ in range(5) if time.sleep(0.1) is None) / 5)
                load.append(float(Path("/proc/loadavg").read_text().split()[0]))
                rate, told = measure(variant, what, data, arguments.seconds, arguments.limit)
                rates[variant].append(rate)
                decided |= {told} - {""}
                print(f"    {what}, {busy} busy, {variant}: {rate:.3g}/s  {told}", file=sys.stderr, flush=True)
    finally:
        for process in beside:
            process.kill()
            process.wait()
    found = {variant: statistics.median(rates[variant]) for variant in VARIANTS}
    return {"others": statistics.median(others), "load": statistics.median(load), **found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--of", nargs="+", choices=["step", "demo"], default=["step", "demo"])
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--limit", type=float, default=180.0)
    parser.add_argument("--cores", type=int, default=2, help="kept to, by affinity")
    parser.add_argument("--child", choices=VARIANTS)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.of[0], arguments.data, arguments.seconds)
        return

    cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        prepared = (
            "import sys; from pathlib import Path; from synthmed import phantom, prepare; place = Path(sys.argv[1]);"
            "phantom('retina', place / 'source', num=32, size=128);"
            "prepare(place / 'source', place / 'data', kind='retina', size=64, workers=1)"
        )
        subprocess.run([sys.executable, "-c", prepared, folder], check=True)
        print("| | busy beside | before, 1/s | after, 1/s | a fair share, 1/s | slower than that | others | load |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for what in arguments.of:
            quiet = 0.0
            for busy in arguments.busy:
                found = scene(what, busy, data, arguments)
                share = min(1.0, len(cores) / (len(cores) + busy + found["others"]))
                quiet = quiet or max(found["before"], found["after"]) / share
                fair = quiet * share
                numbers = (found["before"], found["after"], fair, fair / found["after"])
                shown = [f"{value:.3g}" for value in (*numbers, found["others"], found["load"])]
                print("| " + " | ".join([what, str(busy), *shown]) + " |", flush=True)


if __name__ == "__main__":
    main()
