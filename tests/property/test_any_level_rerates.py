"""After any calls, tables with levels and corrections, each month costs what its level asks."""

import shutil
from collections import defaultdict
from fractions import Fraction

import msgspec
import pytest
from call_records import BEGAN_US, S, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from fsbilling.billing import rerate
from fsbilling.billing.rerate import Rerating
from fsbilling.billing.settle import post
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.parties import parties
from fsbilling.calls.settlement import repriced_cdr
from fsbilling.clock import SystemClock, local_month
from fsbilling.credit.account import Mode
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import PLAIN, LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.tariff import Volume
from fsbilling.store import accounts, cdrs, entries, tariffs, usages
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database
from fsbilling.store.schema import metadata

YUAN = 1_000_000
DAY_S = 86_400
MOMENTS_S = (0, 1_000, 40 * DAY_S)
"""From when on a table holds: from the beginning, among the first month's calls, the second's."""

PRICES = st.integers(0, 3 * YUAN)
LEVELS = st.lists(st.tuples(st.integers(1, 6), PRICES), max_size=2, unique_by=lambda row: row[0])
UNITS = st.sampled_from([LevelUnit.MINUTES, LevelUnit.CALLS, None])
INCREMENTS_S = st.sampled_from([1, 1, 30, 60])
TABLES = st.tuples(
    st.just("table"), st.tuples(PRICES, LEVELS, UNITS, INCREMENTS_S, st.sampled_from(MOMENTS_S))
)
CALLS = st.tuples(
    st.just("call"),
    st.fixed_dictionaries(
        {
            "seconds": st.integers(0, 150),
            "is_later": st.booleans(),
            "is_overtaken": st.booleans(),
            "limit_micros": st.one_of(st.none(), st.integers(0, YUAN)),
        }
    ),
)
TOPUPS = st.tuples(st.just("topup"), st.integers(1, 3 * YUAN))
RERATES = st.tuples(st.just("rerate"), st.none())


class Table:
    """A version as this test understands it."""

    def __init__(self, price, levels, unit, increment_s, second):
        self.rows = [(0, price), *(sorted(levels) if unit else ())]
        self.unit = unit
        self.increment_s = increment_s
        self.from_us = BEGAN_US + second * S if second else 0

    def rates(self):
        return [
            Rate(
                rate_micros_per_min=price,
                level_from=level,
                first_increment_s=self.increment_s,
                next_increment_s=self.increment_s,
            )
            for level, price in self.rows
        ]

    def plan(self):
        return Plan(levels=Levels(self.unit, LevelMode.VOLUME)) if self.unit else PLAIN

    def billed_s(self, call):
        steps = Fraction(call.duration_us, self.increment_s * S).__ceil__()
        return steps * self.increment_s

    def asks(self, call, volume):
        """The price of a call at the level that a volume reaches; halves are rounded up."""
        reached = volume.calls if self.unit == LevelUnit.CALLS else volume.billed_s // 60
        price = [price for level, price in self.rows if level <= reached][-1]
        return int(Fraction(price * self.billed_s(call), 60) + Fraction(1, 2))


class Office:
    """An account, and what is done to it."""

    def __init__(self, db):
        self.db = db
        self.number = 0
        self.tables = {}
        self.limits = {}
        with db.write() as conn:
            accounts.add(conn, code="acme", mode=Mode.PREPAID, currency="CNY", at_us=1)
        self.table((YUAN, [(2, YUAN // 2)], LevelUnit.MINUTES, 1, 0))
        self.topup(10 * YUAN)

    def table(self, drawn):
        table = Table(*drawn)
        with self.db.write() as conn:
            tariffs.import_version(
                conn,
                "std",
                table.rates(),
                plan=table.plan(),
                valid_from_us=table.from_us,
                source="test",
                at_us=1,
            )
        self.tables[len(self.tables) + 1] = table

    def topup(self, micros):
        self.number += 1
        with self.db.write() as conn:
            entries.topup(conn, "acme", amount_micros=micros, ref=str(self.number), at_us=1)

    def call(self, drawn):
        """Settle a call as the daemon does; its hold may have run out."""
        seconds, limit_micros = drawn["seconds"], drawn["limit_micros"]
        self.number += 1
        began_us = BEGAN_US + self.number * 60 * S + (45 * DAY_S * S if drawn["is_later"] else 0)
        call = record(
            self.number,
            created_us=began_us,
            answered_us=began_us,
            ended_us=began_us + seconds * S,
            duration_us=seconds * S,
            month=local_month(began_us, PLAIN.time_zone),
        )
        book = self.book()
        tariff = book.tariff_at("std", began_us)
        with self.db.write() as conn:
            payer = accounts.lock(conn, "acme")
            volume = usages.find(conn, payer.account_id, "std", call.month).volume
            if drawn["is_overtaken"]:  # it began before all others ended
                volume = Volume()
            terms = tariff.terms(*parties(call), began_us, volume)
            call = msgspec.structs.replace(call, used_s=volume.billed_s, used_calls=volume.calls)
            held_micros = payer.free_micros if limit_micros is None else limit_micros
            call = repriced_cdr(call, terms, min(held_micros, payer.free_micros))
            assert post(conn, book, tariff, payer, call, now_us=1)
        if call.waived_micros:
            self.limits[call.uuid] = call.charge_micros

    def book(self):
        book = TariffBook(self.db)
        book.refresh()
        return book

    def run(self, *, dry=False):
        return Rerating(self.db, self.book(), clock=SystemClock(), dry=dry).run(Selection())

    def rerate(self, _):
        """Foretell it, do it, and find nothing to do."""
        before, free_micros = self.rows(), self.free_micros()
        foretold = self.run(dry=True)
        assert self.rows() == before
        report = self.run()
        assert report == foretold
        paid_micros = sum(line.difference_micros for line in report.accounts.values())
        assert self.free_micros() == free_micros - paid_micros
        after = self.rows()
        again = self.run()
        assert (self.rows(), again.left, again.months_left) == (
            after,
            report.left,
            report.months_left,
        )
        assert sum(line.corrected for line in again.accounts.values()) == 0
        return report

    def free_micros(self):
        with self.db.read() as conn:
            return accounts.find(conn, "acme").free_micros

    def rows(self):
        with self.db.read() as conn:
            return {
                table.name: sorted(map(str, conn.execute(select(table))))
                for table in metadata.sorted_tables
            }

    def check_books(self):
        with self.db.read() as conn:
            assert entries.verify(conn) == []
        assert self.free_micros() >= 0

    def check_right(self):
        """Reckon every month anew, slowly, and find it in the ledger."""
        months = defaultdict(list)
        with self.db.read() as conn:
            for _, cdr in cdrs.page(conn):
                months[cdr.month].append(cdr)
            kept = entries.entries(conn, "acme", 10_000)
            payer = accounts.find(conn, "acme")
            volumes = {
                month: usages.find(conn, payer.account_id, "std", month).volume for month in months
            }
        due_micros = sum(self._due(calls, volumes[month]) for month, calls in months.items())
        assert (
            sum(each.amount_micros for each in kept if each.kind != EntryKind.TOPUP) == -due_micros
        )

    def _due(self, calls, volume):
        billed = [call.billed_s for call in calls if call.billed_s]
        assert volume == Volume(sum(billed), len(billed))
        due_micros = 0
        for call in calls:
            table = self._right(call)
            before = Volume(call.used_s, call.used_calls)
            asked_micros = table.asks(call, before)
            charge_micros = min(asked_micros, self.limits.get(call.uuid, asked_micros))
            assert (call.billed_s, call.charge_micros) == (table.billed_s(call), charge_micros)
            due_micros += comes_to(
                table.asks(call, volume), charge_micros, asked_micros - charge_micros
            )
        return due_micros

    def _right(self, call):
        """The table in force when the call began; any that asks the same, where none has levels."""
        in_force = {
            (table.from_us, version): table
            for version, table in self.tables.items()
            if table.from_us <= call.created_us
        }
        right = max(in_force)
        table = in_force[right]
        priced_by = self.tables[call.tariff_version]
        assert call.tariff_version == right[1] or not (table.unit or priced_by.unit)
        return table


def comes_to(asked_micros, charge_micros, waived_micros):
    if asked_micros < charge_micros:
        return asked_micros
    if asked_micros <= charge_micros + waived_micros:
        return charge_micros
    return asked_micros - waived_micros


@pytest.fixture
def narrow(monkeypatch):
    """Batches so small that every run has several."""
    monkeypatch.setattr(rerate, "BATCH_CALLS", 2)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.one_of(CALLS, CALLS, TABLES, TOPUPS, RERATES), max_size=16))
def test_a_corrected_month_costs_what_its_calls_come_to_at_its_level(
    narrow, sqlite_template, tmp_path_factory, steps
):
    path = tmp_path_factory.mktemp("levels") / "fsbilling.db"
    shutil.copy(sqlite_template, path)
    db = Database.open(f"sqlite:///{path}")
    try:
        office = Office(db)
        for step, drawn in steps:
            getattr(office, step)(drawn)
            office.check_books()
        office.rerate(None)
        office.topup(1_000 * YUAN)
        report = office.rerate(None)
        assert (report.left, report.months_left) == ([], [])
        office.check_books()
        office.check_right()
    finally:
        db.close()
