"""One trial: set up, let the storm rage, settle, audit, and say what came of it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from programs import missing

from .report import Report
from .storm import Struck
from .trial import Trial


def main() -> int:
    options = argparse.ArgumentParser(prog="make live-chaos", description=__doc__)
    options.add_argument("--seconds", type=float, default=600.0, help="how long the storm rages")
    options.add_argument("--seed", type=int, default=0, help="what is drawn from; 0: the time")
    options.add_argument("--keep", action="store_true", help="leave logs and records there")
    asked = options.parse_args()
    if absent := missing():
        print(absent)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = asked.seed or int(time.time())
    folder = Path(tempfile.mkdtemp(prefix="fsb-chaos-"))
    print(f"seed {seed}, {asked.seconds:g} s, in {folder}", flush=True)
    try:
        breaches = run(Trial(folder, seed), asked.seconds)
    except KeyboardInterrupt:
        print(f"interrupted; logs and records: {folder}")
        return 130
    print(f"{len(breaches)} breaches of seed {seed}" if breaches else f"seed {seed}: all holds")
    if breaches or asked.keep:
        print(f"logs and records: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if breaches else 0


def run(trial: Trial, seconds: float) -> list[str]:
    try:
        trial.begin()
        trial.rage(seconds, tell)
        trial.settle()
        trial.reconcile()
        report = Report(trial, trial.audit())
        figures = list(report.figures())
    finally:
        trial.end()
    width = max(len(name) for name, _ in figures)
    print(*(f"{name:<{width}}  {value}" for name, value in figures), sep="\n")
    print(*report.breaches, sep="\n")
    return report.breaches


def tell(struck: Struck) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(struck.at_us / 1e6))
    print(f"{at} {struck.kind.value}: {struck.part or 'was down already'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
