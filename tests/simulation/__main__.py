"""Play seeds: one, in full, or as many as fit into a time, on every core of the machine."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from contextlib import suppress

import structlog

from .kind import KINDS, Kind, Run
from .soak import soak


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--kind", choices=KINDS, help="only this one; both share the time")
    options.add_argument("--seed", type=int, help="replay this one, and tell all that happens")
    options.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    options.add_argument("--first", type=int, default=0, help="the seed to begin with")
    options.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many, else one a core"
    )
    options.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    asked = options.parse_args()
    if asked.seed is not None:
        return replay(KINDS[asked.kind or "whole"], asked.seed)
    held = soak(
        [asked.kind] if asked.kind else list(KINDS),
        first=asked.first,
        seconds=asked.seconds,
        processes=asked.processes,
        keep_going=asked.keep_going,
    )
    return 0 if held else 1


def replay(kind: Kind, seed: int) -> int:
    shop = kind.open_shop()
    with kind.at_work():
        # As in a soak, where runs before this one have read the tariffs into the shop's book.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        with suppress(Exception):
            kind.play(seed, shop)
        structlog.reset_defaults()
        run = kind.run(seed, shop, verbose=True)
        structlog.configure(processors=[lambda _logger, _name, line: tell(run, line)])
        try:
            run.play()
        except Exception:  # noqa: BLE001 -- to be shown after the story
            fault = traceback.format_exc()
        else:
            fault = ""
        run.close()
    print(*run.diary.lines, sep="\n")
    print(fault or f"seed {seed}: every rule holds")
    shop.close()
    return 1 if fault else 0


def tell(run: Run, line: dict[str, object]) -> str:
    run.diary.tell(run.hub.now_us, "  log " + " ".join(f"{k}={v}" for k, v in line.items()))
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
