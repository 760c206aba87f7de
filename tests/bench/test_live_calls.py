"""20,000 live calls at once: the daemon's memory, and how late the meter is while all renew.

A whole daemon over PostgreSQL and a recorded switch over TCP (`metering.py` says what is left
out). Lateness is seen by the switch: from the moment at which a renewal was due to the moment at
which the timer it pays for is moved, so it holds the SQL commit and the way to the switch. All the
while the calls are compared with the switch's list of 40,000 channels, and PostgreSQL makes
checkpoints; how long its disk takes to keep a page is shown beside.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import gevent
import pytest
from billing import Billing
from conftest import ACCOUNTS, CREDIT
from cpu import cpu_s, resident_mib
from disk import DiskProbe
from figure import percentile, show
from lab import PASSWORD, ROOT
from recorded_switch import CORE

pytestmark = [pytest.mark.bench, pytest.mark.timeout(400)]

CALLS = int(os.environ.get("BENCH_LIVE_CALLS", "20000"))
SLICE_S = 120
LEAD_S = 10
SET_UP_S = 40
MEASURED_S = SLICE_S + 10
CHECKPOINTS = 3
HELD = re.compile(r"^held ([0-9.]+)$", re.MULTILINE)
TIMER = re.compile(
    r"sched_api \$\{cond\(\$\{strepoch\(\)\} < (\d+) \? .* fsbilling-[0-9a-f-]{36}-\d+ .*"
    r"msleep\(\$\{cond\(.* \? (\d+) : 0\)\}\)"
)


@pytest.mark.parametrize("poll_s", [30, 10])
def test_all_of_them_renew(switch, disk_url, disk_postgres, tmp_path, poll_s):
    set_up = Billing(switch, tmp_path, disk_url)
    set_up.tariff("std")
    for index in range(ACCOUNTS):
        set_up.customer(f"bench{index}", CREDIT)
    late_ms: list[float] = []
    switch.on_command = lambda command: late_ms.extend(_late_ms(command))
    first_due_us = (time.time_ns() // 10**9 + SET_UP_S) * 10**6
    order = tmp_path / "order.json"
    order.write_text(
        json.dumps(
            {
                "url": disk_url,
                "event_port": switch.event_port,
                "hook_port": switch.hook_port,
                "password": PASSWORD,
                "core_uuid": CORE,
                "calls": CALLS,
                "accounts": ACCOUNTS,
                "slice_s": SLICE_S,
                "lead_s": LEAD_S,
                "poll_s": poll_s,
                "first_due_us": first_due_us,
            }
        )
    )
    script = Path(__file__).with_name("metering.py")
    with (tmp_path / "metering.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, script, order],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
    try:
        while f"live {CALLS}" not in (tmp_path / "metering.log").read_text():
            assert time.time_ns() // 1_000 < first_due_us, "not set up in time"
            gevent.sleep(0.2)
        switch.list_calls([f"00000000-0000-4000-8000-{index:012x}" for index in range(CALLS)])
        gevent.sleep(first_due_us / 1e6 - time.time())
        used_s, renewed = cpu_s(daemon.pid), len(late_ms)
        with DiskProbe(tmp_path) as disk:
            for _ in range(CHECKPOINTS):
                gevent.sleep(MEASURED_S / CHECKPOINTS)
                switch.run(disk_postgres.checkpoint)
        assert daemon.poll() is None, (tmp_path / "metering.log").read_text()[-2_000:]
        used_s, renewed = cpu_s(daemon.pid) - used_s, len(late_ms) - renewed
        title = f"live calls {CALLS:,}, compared every {poll_s} s: memory"
        show(title, resident_mib(daemon.pid), "MiB", target="600 MB")
    finally:
        daemon.kill()
        daemon.wait()
    assert late_ms, "the switch saw no timer moved"
    show(f"  renewals a second, slices of {SLICE_S} s", renewed / MEASURED_S, "/s")
    show("  the daemon's share of a core", used_s / MEASURED_S * 100, "%")
    said = (tmp_path / "metering.log").read_text()
    lost = said.count("renewal unknown")
    show("  renewals that SQL did not answer", lost, "")
    show("  CPU per renewal", used_s / max(renewed, 1) * 1e3, "ms")
    show("  meter late, p50", percentile(late_ms, 50), "ms")
    show("  meter late, p99", percentile(late_ms, 99), "ms", target="100 ms")
    show("  meter late, at most", max(late_ms), "ms", target="100 ms")
    show("    which was the renewal number", late_ms.index(max(late_ms)) + 1, "")
    show("  the event loop held up, at most", max(map(float, HELD.findall(said))), "ms")
    show("  the disk keeps a page (fdatasync), p99", percentile(disk.took_ms, 99), "ms")
    show("  the disk keeps a page, at most", max(disk.took_ms), "ms")


def _late_ms(command: str):
    found = TIMER.search(command)
    if found:
        paid_until_us = int(found[1]) * 10**6 + int(found[2]) * 10**3
        due_us = paid_until_us - (SLICE_S + LEAD_S) * 10**6
        yield (time.time_ns() // 1_000 - due_us) / 1e3
