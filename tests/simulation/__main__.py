"""Play seeds: one, in full, or as many as fit into a time."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import traceback

import structlog

from .play import Run, play
from .shop import Shop


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seed", type=int, help="replay this one, and tell all that happens")
    options.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    options.add_argument("--first", type=int, default=0, help="the seed to begin with")
    options.add_argument("--keep-going", action="store_true", help="count failures, do not stop")
    asked = options.parse_args()
    if asked.seed is not None:
        return replay(asked.seed)
    return soak(asked.first, asked.seconds, keep_going=asked.keep_going)


def replay(seed: int) -> int:
    shop = Shop()
    run = Run(seed, shop, verbose=True)
    structlog.configure(processors=[lambda _logger, _name, line: tell(run, line)])
    try:
        run.play()
    except Exception:  # noqa: BLE001 -- to be shown after the story
        fault = traceback.format_exc()
    else:
        fault = ""
    print(*run.diary.lines, sep="\n")
    print(fault or f"seed {seed}: every rule holds")
    shop.close()
    return 1 if fault else 0


def tell(run: Run, line: dict[str, object]) -> str:
    run.diary.tell(run.hub.now_us, "  log " + " ".join(f"{k}={v}" for k, v in line.items()))
    raise structlog.DropEvent


def soak(first: int, seconds: float, *, keep_going: bool) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    shop = Shop()
    began, calls, seeds, failed = time.monotonic(), 0, 0, []
    for seed in itertools.count(first):
        if time.monotonic() - began > seconds:
            break
        try:
            calls += play(seed, shop).calls
        except Exception as fault:  # noqa: BLE001 -- whatever broke, the seed is what matters
            failed.append(seed)
            print(f"{type(fault).__name__}: {fault}\n  python -m tests.simulation --seed {seed}")
            if not keep_going:
                break
        seeds += 1
    passed_s = time.monotonic() - began
    print(f"{seeds} seeds, {calls} calls, {calls / passed_s:.0f} calls/s, {len(failed)} failed")
    shop.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
