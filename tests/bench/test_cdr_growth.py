"""Does a settle cost the same among many rows? Two databases, side by side; no time is asserted.

`FSBILLING_BENCH_CDRS=5000000` for the promised figure: about 8 GB of disk. PostgreSQL does
not wait for the disk here: a sync costs the same at any size, and would hide the rest.
"""

from __future__ import annotations

import os
import statistics
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from growth import NOW_US, Installation
from postgres import Postgres

from fsbilling.clock import parse_us
from fsbilling.store import cdrs, revisions, schema

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

FEW = 10_000
MANY = int(os.environ.get("FSBILLING_BENCH_CDRS", "500000"))
ROUNDS = 300
WARM_UP = 30
MAY = cdrs.Selection(
    since_us=parse_us("2026-05-01T00:00:00+08:00"), until_us=parse_us("2026-06-01T00:00:00+08:00")
)


@pytest.fixture(scope="module")
def on_disk():
    """A PostgreSQL whose files are not in memory: there is no room for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("postgres.MEMORY", Path("/nonexistent"))
        cluster = Postgres.start_new()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="module")
def installations(on_disk):
    """One with few records, and one with many."""
    made = {}
    for count in (FEW, MANY):
        made[count] = Installation(on_disk.url(on_disk.create()))
        started = time.monotonic()
        made[count].fill_records(count)
        made[count].tidy()
        print(f"\n{count:,} records filled in {time.monotonic() - started:.0f} s", end="")
    yield made[FEW], made[MANY]
    for installation in made.values():
        installation.db.close()


class Cost:
    """What some work took: on the clock, and of processors, which others on them disturb less."""

    def __init__(self, installation):
        self._server = installation.server
        self.clock_ms, self.cpu_ms = [], []

    @contextmanager
    def counted(self):
        start, cpu = time.perf_counter_ns(), self._cpu_ns()
        yield
        self.cpu_ms.append((self._cpu_ns() - cpu) / 1e6)
        self.clock_ms.append((time.perf_counter_ns() - start) / 1e6)

    def _cpu_ns(self):
        """Of this thread, and of the server's process that works for it."""
        server = Path(f"/proc/{self._server}/schedstat").read_text()
        return time.thread_time_ns() + int(server.split()[0])


def compared(what, few, many, work, rounds=ROUNDS):
    """Print the medians of `work(installation, cost)`, which counts itself; the two take turns."""
    for _ in range(WARM_UP):
        for installation in (few, many):
            work(installation, Cost(installation))
    costs = {installation: Cost(installation) for installation in (few, many)}
    for _ in range(rounds):
        for installation, cost in costs.items():
            work(installation, cost)
    for kind in ("clock_ms", "cpu_ms"):
        before, after = (statistics.median(getattr(cost, kind)) for cost in costs.values())
        print(
            f"\n{what}, {kind[:-3]}: p50 {before:.2f} ms, {after:.2f} ms: "
            f"ratio {after / before:.2f}",
            end="",
        )


def settled(installation, cost):
    session, ending = installation.talk()
    with cost.counted():
        installation.settle(session, ending)


def found(installation, cost):
    with cost.counted(), installation.db.read() as conn:
        records = cdrs.find(conn, installation.sample.uuid)
    assert len(records) == 1


def paged(installation, cost):
    """The first rows of an invoice."""
    with cost.counted(), installation.db.read() as conn:
        page = cdrs.page(conn, MAY, limit=200)
    assert len(page) == 200


def corrected(installation, cost):
    before = installation.settle(*installation.talk())
    after = msgspec.structs.replace(before, revision=1, charge_micros=0)
    with cost.counted(), installation.db.write() as conn:
        revisions.replace(conn, [(before, after)], NOW_US)


def test_a_settle_costs_the_same_among_many_records(installations):
    few, many = installations
    print(f"\n{few.rows(schema.cdr):,} CDRs against {many.rows(schema.cdr):,}", end="")
    compared("a settle", few, many, settled)
    compared("a call found by its UUID", few, many, found)
    compared("200 calls of a month read", few, many, paged, rounds=100)
    compared("a price corrected", few, many, corrected, rounds=100)


def test_a_settle_costs_the_same_among_many_entries(installations):
    few, many = installations
    many.fill_entries(MANY)
    many.tidy()
    print(f"\n{few.rows(schema.entry):,} entries against {many.rows(schema.entry):,}", end="")
    compared("a settle", few, many, settled)


def test_a_settle_costs_the_same_among_many_months_of_usage(installations):
    few, many = installations
    many.fill_usages(MANY // 10)
    many.tidy()
    print(f"\n{few.rows(schema.usage):,} usages against {many.rows(schema.usage):,}", end="")
    compared("a settle", few, many, settled)
