"""A daemon's longest silence while tables are taken up, in a process patched as the daemon is.

Run by test_reload.py: `reload_probe.py CONFIG RATES REGIONS`. Prints one JSON object: for each
phase the longest and the 99.9th-percentile gap between two beats of a greenlet that asks for its
turn every millisecond, in milliseconds; and the longest time that this process itself computed in
one gap, which leaves out what others took of the processor.
"""

# ruff: noqa: E402  (everything is imported after the patch, as in the daemon)
from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json
import sys
import time
from pathlib import Path

import gevent
from gevent.subprocess import DEVNULL, Popen

from fsbilling import log
from fsbilling.config import load
from fsbilling.daemon.billing import TARIFF_REFRESH_S
from fsbilling.daemon.daemon import Daemon

BEAT_S = 0.001


class Pulse:
    """Beats as a live call does that is due every millisecond."""

    def __init__(self) -> None:
        self.gaps: list[tuple[float, float]] = []
        gevent.spawn(self._beat)

    def _beat(self) -> None:
        while True:
            wall, own = time.perf_counter(), time.process_time()
            gevent.sleep(BEAT_S)
            self.gaps.append((time.perf_counter() - wall, time.process_time() - own))

    def during(self, work) -> dict[str, float]:
        """Let something be done, and tell of the gaps meanwhile."""
        gevent.sleep(0.05)
        self.gaps = []
        start = time.perf_counter()
        work()
        took_s = time.perf_counter() - start
        gevent.sleep(0.05)
        wall = sorted(gap for gap, _ in self.gaps)
        return {
            "seconds": round(took_s, 2),
            "longest_ms": round(1000 * wall[-1], 1),
            "p999_ms": round(1000 * wall[-1 - len(wall) // 1000], 1),
            "own_ms": round(1000 * max(own for _, own in self.gaps), 1),
        }


def main(config_path: str, rates: str, regions: str) -> None:
    config = load(Path(config_path), {})
    log.configure(config.log)
    daemon = Daemon(config)
    daemon.start()
    pulse = Pulse()
    told = {"idle": pulse.during(lambda: gevent.sleep(2))}

    def started(*words: str) -> Popen:
        """Another process, whose start is not what is measured."""
        command = [sys.executable, "-m", "fsbilling", "--config", config_path, *words]
        return Popen(command, stdout=DEVNULL)

    importing = started("rates", "import", "std", rates)
    told["rates imported by another process"] = pulse.during(importing.wait)
    told["rates taken up"] = pulse.during(daemon.billing.tables.refresh_tariffs)
    gevent.sleep(TARIFF_REFRESH_S)
    importing = started("regions", "import", regions)
    told["regions imported by another process"] = pulse.during(importing.wait)
    told["all reloaded"] = pulse.during(daemon.reload)
    versions = daemon.billing.tables.book.in_force(time.time_ns() // 1_000)
    told["rates"] = sum(version.rows for version in versions)
    print(json.dumps(told))
    daemon.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
