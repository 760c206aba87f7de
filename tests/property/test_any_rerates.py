"""After any sequence of calls, corrected tables, top-ups and rerates, the ledger adds up."""

import shutil

from call_records import BEGAN_US, S, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbilling.billing.reprice import correct
from fsbilling.billing.rerate import Rerating
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import Cdr
from fsbilling.clock import SystemClock
from fsbilling.credit.account import Mode
from fsbilling.ledger.entry import EntryKind, call_ref
from fsbilling.rating.rate import Rate
from fsbilling.store import accounts, cdrs, entries, revisions, tariffs
from fsbilling.store.cdrs import Selection
from fsbilling.store.engine import Database

YUAN = 1_000_000
PRICES = st.integers(0, 3 * YUAN)

CALLS = st.tuples(st.just("call"), st.integers(1, 120), st.integers(0, YUAN))
TABLES = st.tuples(st.just("table"), PRICES, st.integers(0, 30))
TOPUPS = st.tuples(st.just("topup"), st.integers(1, 2 * YUAN), st.just(0))
RERATES = st.tuples(st.just("rerate"), st.booleans(), st.just(0))


class Office:
    """An account with ten yuan, and what is done to it."""

    def __init__(self, db):
        self.db = db
        self.number = 0
        self.table(YUAN, 0)
        with db.write() as conn:
            accounts.add(conn, code="acme", mode=Mode.PREPAID, currency="CNY", at_us=1)
        self.topup(10 * YUAN, 0)

    def table(self, price_micros, second):
        """Import a table for a moment among the calls."""
        rates = [Rate(rate_micros_per_min=price_micros)]
        valid_from_us = BEGAN_US + second * S if second else 0
        with self.db.write() as conn:
            tariffs.import_version(
                conn, "std", rates, valid_from_us=valid_from_us, source="test", at_us=1
            )

    def topup(self, micros, _):
        self.number += 1
        with self.db.write() as conn:
            entries.topup(conn, "acme", amount_micros=micros, ref=str(self.number), at_us=1)

    def call(self, seconds, waived_micros):
        """Settle a call that the account can pay for, some of it waived."""
        self.number += 1
        with self.db.write() as conn:
            payer = accounts.lock(conn, "acme")
            charge_micros = min(seconds * 10_000, payer.free_micros)
            cdr = record(
                self.number,
                duration_us=seconds * S,
                billed_s=seconds,
                charge_micros=charge_micros,
                waived_micros=waived_micros,
            )
            assert cdrs.write(conn, cdr)
            if charge_micros:
                entries.post(
                    conn,
                    payer.account_id,
                    kind=EntryKind.CHARGE,
                    amount_micros=-charge_micros,
                    ref=call_ref(cdr.switch, cdr.uuid),
                    note="",
                    at_us=1,
                )

    def rerate(self, dry, _):
        book = TariffBook(self.db)
        book.refresh()
        report = Rerating(self.db, book, clock=SystemClock(), dry=dry).run(Selection())
        if not dry:
            self.check_right(book, report)

    def check_right(self, book, report):
        """Every price is right now, or there is too little credit to put it right."""
        left = sum(line.left for line in report.accounts.values())
        with self.db.read() as conn:
            free_micros = accounts.find(conn, "acme").free_micros
            for _, cdr in cdrs.page(conn):
                new = correct(cdr, book, revisions.history(conn, cdr.switch, cdr.uuid))
                if isinstance(new, Cdr):
                    left -= 1
                    assert new.charge_micros - cdr.charge_micros > free_micros
        assert left == 0

    def check_books(self):
        with self.db.read() as conn:
            payer = accounts.find(conn, "acme")
            posted = entries.entries(conn, "acme", 10_000)
            assert entries.verify(conn) == []
            written = [cdr for _, cdr in cdrs.page(conn)]
        assert payer.free_micros >= 0
        assert payer.balance_micros == sum(entry.amount_micros for entry in posted)
        for cdr in written:
            key = call_ref(cdr.switch, cdr.uuid)
            own = [entry.amount_micros for entry in posted if entry.ref.split("#")[0] == key]
            assert sum(own) == -cdr.charge_micros


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.one_of(CALLS, TABLES, TOPUPS, RERATES), max_size=14))
def test_rule_9_the_entries_of_every_call_add_up_to_its_charge(
    sqlite_template, tmp_path_factory, steps
):
    path = tmp_path_factory.mktemp("rerates") / "fsbilling.db"
    shutil.copy(sqlite_template, path)
    db = Database.open(f"sqlite:///{path}")
    try:
        office = Office(db)
        for step, first, second in [*steps, ("rerate", False, 0)]:
            getattr(office, step)(first, second)
            office.check_books()
        before = _records(db)
        office.rerate(False, 0)
        assert _records(db) == before
    finally:
        db.close()


def _records(db):
    with db.read() as conn:
        return [cdr for _, cdr in cdrs.page(conn)]
