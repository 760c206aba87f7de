"""What a call costs in processor time: the daemon, PostgreSQL apart, and the switch's own share."""

from __future__ import annotations

import time

import pytest
from bare_hook import BareHook
from cpu import children_cpu_s, cpu_s
from figure import show
from lab import CARRIER_HOST
from patience import wait_for
from phones import PBX_HOST, Dial
from plain_sql import call_ms
from settled import wait_until_settled
from store_sql import store_call_ms

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

ROUNDS = 3
CALLS = 200
AT_ONCE = 8
TARGET = "1.6 ms with what is added to the switch (mod_nibblebill adds 1.6)"
LIVE_ROUNDS = 3
LIVE_CALLS = 80
WARM_UP_CALLS = 20
"""With its first calls a daemon compiles its statements: that is a cost of its start."""
LIVE_PER_S = 10
IDLE_S = 5
NUMBER = "4001110000"


def test_authorise_answer_and_settle(switch, serve, disk_postgres, disk_url):
    """Whole calls of a recorded switch, events and timers included, on PostgreSQL."""
    daemon = serve(disk_url)
    costs, backends = [], []
    done = 0
    for calls in [100] + [CALLS] * ROUNDS:
        before = cpu_s(daemon.pid), children_cpu_s(disk_postgres.pid)
        switch.play(calls, AT_ONCE)
        done += calls
        wait_until_settled(switch, disk_url, done)
        costs.append((cpu_s(daemon.pid) - before[0]) / calls * 1e3)
        backends.append((children_cpu_s(disk_postgres.pid) - before[1]) / calls * 1e3)
    costs, backends = sorted(costs[1:]), sorted(backends[1:])
    middle = ROUNDS // 2
    show("CPU per call, daemon, median round", costs[middle], "ms", target=TARGET)
    show("  best round", costs[0], "ms")
    show("  PostgreSQL's processes beside it, median", backends[middle], "ms")
    show("  the daemon's own SQL, and nothing else of it", store_call_ms(disk_url, CALLS), "ms")
    show("  the least SQL by psycopg alone, no gevent", call_ms(disk_url, CALLS), "ms")


def test_what_is_added_to_the_switch(lab, lab_billing, phones, disk_postgres):
    """The same SIP call without a hook, by a bare hook, and billed; rounds take turns."""
    target = f"sofia/lab/{NUMBER}@{CARRIER_HOST}:{lab.carrier_port}"
    lab_billing.number(NUMBER, "bench", target)
    plain, bare, billed, daemon, backends = [], [], [], [], []

    def place_unbilled():
        _place(lab, phones, PBX_HOST, "agent0000", LIVE_CALLS)

    def place(calls=LIVE_CALLS):
        _place(lab, phones, CARRIER_HOST, NUMBER, calls)
        wait_for(lambda: not lab_billing.live("bench"), "all are settled")

    for _ in range(LIVE_ROUNDS):
        plain.append(used_ms(place_unbilled, lambda: cpu_s(lab.pid))[0])
        with BareHook(lab.hook_port, {"fsbilling_verdict": "allowed", "fsbilling_target": target}):
            bare.append(used_ms(place, lambda: cpu_s(lab.pid))[0])
        lab_billing.start()
        place(WARM_UP_CALLS)
        of_switch, of_daemon, of_sql = used_ms(
            place,
            lambda: cpu_s(lab.pid),
            lambda: cpu_s(lab_billing.pid),
            lambda: children_cpu_s(disk_postgres.pid),
        )
        billed.append(of_switch)
        daemon.append(of_daemon)
        backends.append(of_sql)
        lab_billing.stop()
    _report(plain, bare, billed, daemon, backends)


def _report(plain, bare, billed, daemon, backends):
    for name, pick in (("median", lambda each: sorted(each)[LIVE_ROUNDS // 2]), ("best", min)):
        own, by_hook, by_us = pick(plain), pick(bare), pick(billed)
        show(f"CPU per call, the switch without a hook, {name}", own, "ms")
        show("  by a bare hook, nothing billed", by_hook, "ms", against="no hook", baseline=own)
        show("  billed", by_us, "ms", against="no hook", baseline=own)
        show("  the daemon", pick(daemon), "ms", against="the switch", baseline=own)
        show("  PostgreSQL's processes", pick(backends), "ms", against="the switch", baseline=own)
        added = pick(daemon) + max(by_us - own, 0)
        show(
            "  daemon and what it adds to the switch",
            added,
            "ms",
            against="the switch",
            baseline=own,
            target=TARGET,
        )


def _place(lab, phones, host, number, count):
    user = "pbx" if host == PBX_HOST else "13800138000"
    calls = [Dial(number, user=user, ms=300) for _ in range(count)]
    phones.place(calls, host=host, per_s=LIVE_PER_S).done()
    lab.wait_until_idle()


def used_ms(place, *meters):
    """What each process uses for a call, what it uses when idle taken off."""
    before = [meter() for meter in meters]
    time.sleep(IDLE_S)
    idle_per_s = [(meter() - was) / IDLE_S for meter, was in zip(meters, before, strict=True)]
    before, began = [meter() for meter in meters], time.monotonic()
    place()
    took_s = time.monotonic() - began
    return [
        (meter() - was - idle * took_s) / LIVE_CALLS * 1e3
        for meter, was, idle in zip(meters, before, idle_per_s, strict=True)
    ]
