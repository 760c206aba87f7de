"""Whole calls a second: the daemon on one core, SQL committed, against FreeSWITCH's own ceiling."""

from __future__ import annotations

import os
import time

import pytest
from cpu import cpu_s
from figure import show
from phones import PBX_HOST, Dial
from settled import wait_until_settled

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

ROUNDS = 3
CALLS = 400
AT_ONCE = 8
TARGET = "10x FreeSWITCH's own calls a second"
CEILING_CALLS = 300
CEILING_PER_S = 200


@pytest.mark.parametrize("database", ["postgresql on disk", "postgresql in memory", "sqlite"])
def test_the_daemon_on_one_core(request, switch, serve, database):
    """A recorded switch places as many as are taken; from the first hook to the last CDR."""
    fixture = {
        "postgresql on disk": "disk_url",
        "postgresql in memory": "postgres_url",
        "sqlite": "sqlite_url",
    }[database]
    url = request.getfixturevalue(fixture)
    daemon = serve(url)
    os.sched_setaffinity(daemon.pid, {min(os.sched_getaffinity(0))})
    by_clock, by_cpu = [], []
    done = 0
    for calls in [100] + [CALLS] * ROUNDS:
        before, began = cpu_s(daemon.pid), time.perf_counter()
        switch.play(calls, AT_ONCE)
        done += calls
        wait_until_settled(switch, url, done)
        by_clock.append(calls / (time.perf_counter() - began))
        by_cpu.append(calls / (cpu_s(daemon.pid) - before))
    if switch.missed:
        show("  calls whose hook missed its deadline", switch.missed, "")
    by_clock, by_cpu = sorted(by_clock[1:]), sorted(by_cpu[1:])
    show(f"whole calls/s, one core, {database}, median", by_clock[ROUNDS // 2], "/s")
    show("  best round", by_clock[-1], "/s")
    show("  a core's worth by its CPU per call, best", by_cpu[-1], "/s", target=TARGET)


def test_the_ceiling_of_the_switch(lab, phones):
    """Bridged calls without any hook, offered faster than they can be taken."""
    calls = [Dial("agent0000", user="pbx", ms=100) for _ in range(CEILING_CALLS)]
    before, began = cpu_s(lab.pid), time.perf_counter()
    phones.place(calls, host=PBX_HOST, per_s=CEILING_PER_S).done()
    took_s = time.perf_counter() - began
    lab.wait_until_idle()
    used_s = cpu_s(lab.pid) - before
    show("FreeSWITCH's own whole calls/s, this machine", CEILING_CALLS / took_s, "/s")
    show("  a core's worth by its CPU per call", CEILING_CALLS / used_s, "/s")
