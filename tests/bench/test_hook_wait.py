"""How long a call waits in the hook, its hold committed, against the least a hook can be.

The bare hook (`bare_hook.py`) connects, sets two variables and closes. Rounds of both take turns,
so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from itertools import pairwise

import pytest
from bare_hook import BareHook
from figure import median_of_rounds, percentile, show
from lab import CARRIER_HOST
from patience import wait_for
from phones import Dial
from plain_sql import hold_ms

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

ROUNDS = 5
CALLS = 100
LIVE_ROUNDS = 3
LIVE_CALLS = 60
TARGETS = {50: "2x", 99: "10x"}
NUMBER = "4001110000"


@pytest.mark.parametrize("commits", ["to memory", "to disk"])
def test_over_tcp_with_a_recorded_switch(request, switch, serve, commits):
    url = request.getfixturevalue("disk_url" if commits == "to disk" else "postgres_url")
    serve(url)
    billed_port, bare_port = switch.hook_port, switch.other_port
    billed, bare = [], []
    with BareHook(bare_port, {"fsbilling_verdict": "allowed", "fsbilling_target": "user/1001"}):
        _waits(switch, 50)
        for _ in range(ROUNDS):
            switch.hook_port = bare_port
            bare.append(_waits(switch, CALLS))
            switch.hook_port = billed_port
            billed.append(_waits(switch, CALLS))
    _report(f"hook wait over TCP, commit {commits}", billed, bare)
    _show_floor(url, bare)
    if commits == "to disk":
        show("  of which the disk: one fdatasync, p50", _fdatasync_ms(), "ms")


def test_by_the_switch_itself(lab, lab_billing, phones, disk_url):
    """The switch's own stamps: from the start of `socket` to the start of what follows it."""
    target = f"sofia/lab/{NUMBER}@{CARRIER_HOST}:{lab.carrier_port}"
    lab_billing.number(NUMBER, "bench", target)
    billed, bare = [], []
    for _ in range(LIVE_ROUNDS):
        with BareHook(lab.hook_port, {"fsbilling_verdict": "allowed", "fsbilling_target": target}):
            bare.append(_live_waits(lab, phones))
        lab_billing.start()
        billed.append(_live_waits(lab, phones))
        lab_billing.stop()
    _report("hook wait by the switch, commit to disk", billed, bare)
    _show_floor(disk_url, bare)


def _report(what, billed, bare):
    for percent, target in TARGETS.items():
        show(
            f"{what}, p{percent}",
            median_of_rounds(billed, percent),
            "ms",
            against="bare hook",
            baseline=median_of_rounds(bare, percent),
            target=target,
        )
        best = [min(percentile(each, percent) for each in rounds) for rounds in (billed, bare)]
        show("  best round", best[0], "ms", against="bare hook", baseline=best[1], target=target)


def _show_floor(url, bare):
    """What no billing hook in Python can be faster than: a bare hook, and the least SQL."""
    held = [hold_ms(url, CALLS) for _ in range(ROUNDS)]
    for percent in TARGETS:
        least = median_of_rounds(bare, percent)
        show(
            f"  the least: bare hook and a hold by psycopg, p{percent}",
            least + median_of_rounds(held, percent),
            "ms",
            against="bare hook",
            baseline=least,
        )


def _waits(switch, calls):
    """One call after the other, as one channel's dialplan sees it."""
    return [switch.wait_in_hook(index)[0] * 1e3 for index in range(calls)]


def _live_waits(lab, phones):
    seen = set(lab.json_cdr_dir.glob("a_*.cdr.json"))
    calls = [Dial(NUMBER, user="13800138000", ms=100) for _ in range(LIVE_CALLS)]
    phones.place(calls, host=CARRIER_HOST, per_s=10).done()
    lab.wait_until_idle()
    # Idle comes before the last file is written.
    wait_for(lambda: len(set(lab.json_cdr_dir.glob("a_*.cdr.json")) - seen) >= LIVE_CALLS, "CDRs")
    time.sleep(0.2)
    new = set(lab.json_cdr_dir.glob("a_*.cdr.json")) - seen
    return [wait for path in new for wait in _socket_waits_ms(json.loads(path.read_text()))]


def _socket_waits_ms(record):
    applications = record["app_log"]["applications"]
    for each, following in pairwise(applications):
        if each["app_name"] == "socket":
            yield (int(following["app_stamp"]) - int(each["app_stamp"])) / 1e3


def _fdatasync_ms():
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(100):
            file.write(bytes(8_192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return percentile(took, 50)
