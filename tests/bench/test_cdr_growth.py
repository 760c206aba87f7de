"""Does a settle cost the same among many rows? Two databases, side by side; no time is asserted.

`FSBILLING_BENCH_CDRS=5000000` for the promised figure: about 12 GB of disk. PostgreSQL does
not wait for the disk here: a sync costs the same at any size, and would hide the rest.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import msgspec
import pytest
from growth import MONTH_US, MONTHS, NOW_US, Installation
from postgres import Postgres

from fsbilling.store import cdrs, revisions, schema

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3_600)]

FEW = 10_000
MANY = int(os.environ.get("FSBILLING_BENCH_CDRS", "1000000"))
ROUNDS = 300
WARM_UP = 30


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


def compared(what, few, many, work, rounds=ROUNDS):
    """Print the medians of `work(installation)`, which times itself; the two take turns."""
    times_ms = {few: [], many: []}
    for turn in range(rounds + WARM_UP):
        for installation, times in times_ms.items():
            took_ms = work(installation) * 1_000
            if turn >= WARM_UP:
                times.append(took_ms)
    before, after = (statistics.median(times) for times in times_ms.values())
    print(f"\n{what}: p50 {before:.3f} ms, {after:.3f} ms: ratio {after / before:.2f}", end="")


def settled(installation):
    session, ending = installation.talk()
    start = time.perf_counter()
    installation.settle(session, ending)
    return time.perf_counter() - start


def found(installation):
    start = time.perf_counter()
    with installation.db.read() as conn:
        assert len(cdrs.find(conn, installation.sample.uuid)) == 1
    return time.perf_counter() - start


def paged(installation):
    """A thousand rows of a month half a year ago, of all that `cdr export` reads."""
    since_us = NOW_US - MONTHS // 2 * MONTH_US
    within = cdrs.Selection(since_us=since_us, until_us=since_us + MONTH_US // 2)
    start = time.perf_counter()
    with installation.db.read() as conn:
        page = cdrs.page(conn, within, limit=200)
    took_s = time.perf_counter() - start
    assert len(page) == 200
    return took_s


def corrected(installation):
    before = installation.settle(*installation.talk())
    after = msgspec.structs.replace(before, revision=1, charge_micros=0)
    start = time.perf_counter()
    with installation.db.write() as conn:
        revisions.replace(conn, [(before, after)], NOW_US)
    return time.perf_counter() - start


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
