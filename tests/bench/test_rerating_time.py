"""What a correction of a month's charges takes: SQL, engine, and SQL's own floor, printed."""

import os
import time
from collections import Counter

import pytest
from call_records import record
from sqlalchemy import event, select, update

from fsbilling.billing.reprice import correct
from fsbilling.billing.rerate import Rerating
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.clock import SystemClock
from fsbilling.credit.account import Mode
from fsbilling.rating.rate import Rate
from fsbilling.store import accounts, cdr_pages, cdrs, entries, tariffs
from fsbilling.store.cdrs import Selection
from fsbilling.store.schema import cdr as cdr_table
from fsbilling.store.schema import cdr_revision, entry

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

CALLS = int(os.environ.get("FSBILLING_BENCH_CALLS", "20000"))
FLOOR_BATCH = 1_000


@pytest.fixture
def month(db):
    """A month of calls, all charged by a table that was wrong."""
    with db.write() as conn:
        for price in (150_000, 120_000):
            tariffs.import_version(
                conn,
                "std",
                [Rate(rate_micros_per_min=price)],
                valid_from_us=0,
                source="bench",
                at_us=1,
            )
        accounts.add(conn, code="acme", mode=Mode.PREPAID, at_us=1)
        entries.topup(conn, "acme", amount_micros=10**12, ref="1", at_us=1)
    for start in range(0, CALLS, 1_000):
        with db.write() as conn:
            for n in range(start, min(start + 1_000, CALLS)):
                assert cdrs.write(conn, record(n))
    return db


class Stopwatch:
    """Adds up the time in which the driver works, statement by statement."""

    def __init__(self, db) -> None:
        self.by_kind = Counter()
        self.statements = 0
        connections = db._connections
        engines = (
            {connections.engine}
            if db.dialect == "postgresql"
            else {connections.reader, connections.writer}
        )
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._begin)
            event.listen(engine, "after_cursor_execute", self._end)
            event.listen(engine, "commit", self._commit)

    def _begin(self, *_) -> None:
        self._since = time.perf_counter()

    def _end(self, _conn, _cursor, statement, *_) -> None:
        self.statements += 1
        self.by_kind[statement.split()[0]] += time.perf_counter() - self._since

    def _commit(self, _conn) -> None:
        self.by_kind["transactions"] += 1


def floor_s(db) -> float:
    """The same rows read, and as many of them written, by plain SQL without any price."""
    start = time.perf_counter()
    after = 0
    while True:
        with db.read() as conn:
            query = select(cdr_table).where(cdr_table.c.id > after).order_by(cdr_table.c.id)
            page = conn.execute(query.limit(FLOOR_BATCH)).mappings().all()
        if not page:
            return time.perf_counter() - start
        after = page[-1]["id"]
        with db.write() as conn:
            _write_as_much(conn, page, after)


def _write_as_much(conn, page, after) -> None:
    kept = [name for name in cdr_revision.c.keys() if name != "replaced_us"]  # noqa: SIM118
    conn.execute(
        cdr_revision.insert(),
        [
            {"replaced_us": 1} | {name: row[name] for name in kept} | {"revision": 99}
            for row in page
        ],
    )
    conn.execute(
        update(cdr_table).where(cdr_table.c.id.in_([row["id"] for row in page])).values(billed_s=61)
    )
    drafts = [
        {
            "account_id": 1,
            "seq": 10**9 + 2 * row["id"] + side,
            "kind": kind,
            "amount_micros": 1,
            "balance_after_micros": 1,
            "ref": row["uuid"],
            "note": row["explanation"],
            "at_us": 1,
            "prev_hash": "0" * 64,
            "hash": "0" * 64,
        }
        for row in page
        for side, kind in enumerate(("reversal", "charge"))
    ]
    conn.execute(entry.insert(), drafts)


def engine_s(db, book) -> float:
    """What pricing alone takes, of records that are in memory."""
    calls = [cdr for page in cdr_pages.pages(db) for _, cdr in page]
    start = time.perf_counter()
    for cdr in calls:
        correct(cdr, book)
    return time.perf_counter() - start


def test_a_month_of_wrong_charges_is_corrected(month):
    book = TariffBook(month)
    book.refresh()
    pricing_s = engine_s(month, book)
    watch = Stopwatch(month)
    start = time.perf_counter()
    report = Rerating(month, book, clock=SystemClock()).run(Selection())
    took_s = time.perf_counter() - start
    assert report.accounts["acme"].corrected == CALLS
    transactions = watch.by_kind.pop("transactions")
    sql_s = sum(watch.by_kind.values())
    start = time.perf_counter()
    assert (
        Rerating(month, book, clock=SystemClock()).run(Selection()).accounts["acme"].corrected == 0
    )
    again_s = time.perf_counter() - start
    with month.read() as conn:
        assert entries.verify(conn) == []
    plain_s = floor_s(month)
    print(
        f"\n{CALLS:,} wrong calls corrected on {month.dialect}: {took_s:.1f} s, "
        f"{CALLS / took_s:,.0f} calls/s, {transactions:.0f} transactions, "
        f"{watch.statements:,} statements\n"
        f"  in the driver {sql_s:.1f} s { ({k: round(v, 1) for k, v in watch.by_kind.items()}) }; "
        f"pricing once {pricing_s:.1f} s ({CALLS / pricing_s:,.0f} calls/s)\n"
        f"  plain SQL, same rows read and written: {plain_s:.1f} s: ratio {took_s / plain_s:.1f}\n"
        f"  the same run again: {again_s:.1f} s"
    )
