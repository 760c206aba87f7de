"""Databases of any size to measure on: the rows of many calls, copied from one that was settled."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import msgspec
from call_records import record
from sqlalchemy import Connection, Table, text

from fsbilling.billing.resume import session_of
from fsbilling.billing.settle import settle
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.call import Call
from fsbilling.calls.cdr import Cdr
from fsbilling.calls.event import HungUp
from fsbilling.calls.pace import Pace
from fsbilling.calls.session import Session
from fsbilling.credit.account import Account, Mode
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms
from fsbilling.store import accounts, entries, holds, migrations, schema, tariffs
from fsbilling.store.engine import Database
from fsbilling.store.hold_rows import Hold

NOW_US = 1_795_000_000_000_000
ACCOUNTS = 100
MONTHS = 12
MONTH_US = 30 * 86_400_000_000
S = 1_000_000
PRICE = Rate(rate_micros_per_min=150_000)
BATCH = 50_000
PACE = Pace(renew_lead_us=0, cut_lead_us=0, warn_before_us=0)
TRIGGERS = "ALTER TABLE cdr_key {} TRIGGER USER"

KEYS = """
INSERT INTO cdr_key (switch, uuid, created_us, refused)
SELECT 'fs1', gen_random_uuid()::text, :first_us + n * :step_us, false
FROM generate_series(CAST(:first AS bigint), :last) AS n RETURNING id
"""
RECORDS = "INSERT INTO cdr ({}) SELECT {} FROM cdr_key AS key, cdr AS sample {}"
ENTRIES = """
INSERT INTO entry SELECT account.id, account.last_seq + n, 'charge', -150000, 0, 'sw1/' || n,
       repeat('n', 120), :now_us, repeat('0', 64), repeat('0', 64)
FROM account, generate_series(1, CAST(:each AS integer)) AS n
"""
LAST_ENTRIES = "UPDATE account SET last_seq = last_seq + :each"
USAGES = """
INSERT INTO usage SELECT account.id, 't' || n, '2026-11', 60, 1, 0, 0, 0
FROM account, generate_series(1, CAST(:each AS integer)) AS n
"""


class Installation:
    """One PostgreSQL database with a tariff and 100 payers; `server` is the process at its end."""

    def __init__(self, url: str) -> None:
        migrations.upgrade(url)
        self.db = Database.open(url, statement_timeout_ms=600_000)
        self.book = TariffBook(self.db)
        self._turn = 0
        with self.db.write() as conn:
            tariffs.import_version(
                conn, "std", [PRICE], valid_from_us=0, source="bench", at_us=NOW_US
            )
            self.payers = [_payer(conn, f"acme{n}") for n in range(ACCOUNTS)]
        self.book.refresh()
        self.sample = self.settle(*self.talk())
        with self.db.read() as conn:
            self.server = conn.execute(text("SELECT pg_backend_pid()")).scalar_one()

    def talk(self) -> tuple[Session, HungUp]:
        """A call that is over, and is held for: the accounts take turns."""
        self._turn += 1
        hold = _hold(self.payers[self._turn % ACCOUNTS])
        with self.db.write() as conn:
            accounts.lock(conn, hold.call.account)
            assert holds.place(conn, hold)
        ending = HungUp(leg_uuid=hold.leg_uuid, ended_us=NOW_US + 60 * S, answered_us=NOW_US)
        return session_of(hold, PACE), ending

    def settle(self, session: Session, ending: HungUp) -> Cdr:
        """What the daemon does when a call ends."""
        cdr = settle(self.db, self.book, session, ending, now_us=ending.ended_us)
        assert cdr is not None
        return cdr

    def fill_records(self, count: int) -> None:
        """Add records, evenly over the twelve months up to now."""
        first_us = NOW_US - MONTHS * MONTH_US
        with self.db.write() as conn:
            provide = text("SELECT cdr_provide_month(:at_us)")
            for month in range(MONTHS + 1):
                conn.execute(provide, {"at_us": first_us + month * MONTH_US})
            conn.execute(text(TRIGGERS.format("DISABLE")))
            # Made again at the end: an index is sorted in a tenth of the time.
            for index in schema.cdr.indexes:
                index.drop(conn)
        place = {"first_us": first_us, "step_us": MONTHS * MONTH_US // count}
        for first, last in _batches(count):
            with self.db.write() as conn:
                ids = conn.execute(text(KEYS), {**place, "first": first, "last": last}).scalars()
                self._copy_sample(conn, min(ids.all()))
        with self.db.write() as conn:
            conn.execute(text(TRIGGERS.format("ENABLE")))
            for index in schema.cdr.indexes:
                index.create(conn)

    def fill_entries(self, count: int) -> None:
        """Add entries of all accounts, in whose chain nobody looks here."""
        for first, last in _batches(count):
            each = {"each": (last - first + 1) // ACCOUNTS}
            with self.db.write() as conn:
                conn.execute(text(ENTRIES), {**each, "now_us": NOW_US})
                conn.execute(text(LAST_ENTRIES), each)

    def fill_usages(self, count: int) -> None:
        """Add months of tariffs that no call here counts for."""
        with self.db.write() as conn:
            conn.execute(text(USAGES), {"each": count // ACCOUNTS})

    def rows(self, table: Table) -> int:
        """How many rows a table has."""
        with self.db.read() as conn:
            return conn.execute(text(f"SELECT count(*) FROM {table.name}")).scalar_one()

    def tidy(self) -> None:
        """Do what autovacuum does in time."""
        with self.db.apart() as outside:
            outside.execute(text("VACUUM ANALYZE"))
            outside.execute(text("CHECKPOINT"))

    def _copy_sample(self, conn: Connection, first_id: int) -> None:
        own = {name: f"key.{name}" for name in ("id", "uuid", "created_us")}
        own["account"] = f"'acme' || key.id % {ACCOUNTS}"
        names = schema.cdr.columns.keys()
        values = ", ".join(own.get(name, f"sample.{name}") for name in names)
        where = "WHERE key.id >= :first_id AND sample.created_us = :at_us AND sample.uuid = :uuid"
        query = text(RECORDS.format(", ".join(names), values, where))
        sample = {"at_us": self.sample.created_us, "uuid": self.sample.uuid}
        conn.execute(query, {"first_id": first_id, **sample})


def _payer(conn: Connection, code: str) -> Account:
    accounts.add(conn, code=code, mode=Mode.PREPAID, at_us=NOW_US)
    entries.topup(conn, code, amount_micros=10**12, ref="first", at_us=NOW_US)
    found = accounts.find(conn, code)
    assert found is not None
    return found


def _hold(payer: Account) -> Hold:
    """What a call of a minute, answered just now, has set aside."""
    known = msgspec.structs.asdict(record())
    call = Call(**{name: known[name] for name in Call.__struct_fields__})
    changes = {"uuid": str(uuid4()), "account": payer.code, "created_us": NOW_US}
    call = msgspec.structs.replace(call, month="2026-11", **changes)
    return Hold(
        call=call,
        terms=Terms(tariff="std", version=1, rate=PRICE),
        account_id=payer.account_id,
        amount_micros=S,
        granted_s=60,
        leg_uuid=call.uuid,
        authorised_us=NOW_US,
        answered_us=NOW_US,
        seen_us=NOW_US,
    )


def _batches(count: int) -> Iterator[tuple[int, int]]:
    for first in range(1, count + 1, BATCH):
        yield first, min(first + BATCH - 1, count)
