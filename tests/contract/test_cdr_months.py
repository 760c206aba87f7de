"""Call records of many months: one for each leg (DESIGN rule 4), a partition for each month.

On SQLite there is one table, and the same holds.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import text, update
from store_samples import NOW_US, YUAN, a_cdr, a_hold, a_refused_cdr, an_account

from fsbilling.billing.resume import session_of
from fsbilling.billing.settle import settle
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.calls.pace import Pace
from fsbilling.clock import parse_us
from fsbilling.store import accounts, cdr_keys, cdrs, entries, holds, migrations, revisions
from fsbilling.store.engine import Database
from fsbilling.store.schema import hold as hold_table

replace = msgspec.structs.replace

DOCS = Path(__file__).parents[2] / "docs"
S = 1_000_000
PACE = Pace(renew_lead_us=0, cut_lead_us=0, warn_before_us=0)
MIDNIGHT_US = parse_us("2026-12-01T00:00:00+08:00")
FAR_MONTH_US = parse_us("2031-05-20T12:00:00+08:00")
DETACH = "ALTER TABLE cdr DETACH PARTITION cdr_2026_10"


@pytest.fixture
def other_daemon(store_url):
    """A second daemon on the database of `db`."""
    database = Database.open(store_url)
    yield database
    database.close()


@pytest.fixture
def pg(postgres_url):
    """A daemon's pool on PostgreSQL."""
    database = Database.open(postgres_url)
    yield database
    database.close()


@pytest.fixture
def operator(postgres_url):
    """The operator's own connection to it, each statement a transaction."""
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        yield conn


def written(db, *records):
    with db.write() as conn:
        return [cdrs.write(conn, cdr) for cdr in records]


def every(db):
    with db.read() as conn:
        return [cdr for _, cdr in cdrs.page(conn)]


def partitions(conn):
    """Each partition that `cdr` has, with its bounds."""
    found = conn.execute(
        "SELECT inhrelid::regclass::text, pg_get_expr(relpartbound, inhrelid) FROM pg_inherits"
        " JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'cdr'::regclass"
    )
    return dict(found.fetchall())


def partition_of(conn, uuid):
    found = conn.execute("SELECT tableoid::regclass::text FROM cdr WHERE uuid = %s", [uuid])
    return [name for (name,) in found]


def test_rule_4_a_leg_has_one_record_whatever_month_is_said(db):
    before = a_cdr(created_us=MIDNIGHT_US - 1)
    assert written(db, before, replace(before, created_us=MIDNIGHT_US)) == [True, False]
    assert written(db, replace(before, created_us=FAR_MONTH_US)) == [False]
    assert every(db) == [before]


def test_rule_4_a_call_over_midnight_of_the_first_is_settled_once(db):
    """The second time by a daemon that took it for a call of the next month, and has its hold."""
    with db.write() as conn:
        account = an_account(conn, balance_micros=10 * YUAN)
    began_us = MIDNIGHT_US - 30 * S
    hold = replace(a_hold(account.account_id, created_us=began_us), answered_us=began_us)
    again = replace(hold, call=replace(hold.call, created_us=MIDNIGHT_US))
    ending = HungUp(leg_uuid=hold.leg_uuid, ended_us=MIDNIGHT_US + 30 * S, source=EndSource.EVENT)
    settled = []
    for each in (hold, again):
        unsettled = replace(each, call=replace(each.call, uuid="not settled"))
        with db.write() as conn:
            # For the leg itself the second would be declined.
            assert holds.place(conn, unsettled)
            conn.execute(update(hold_table).values(uuid=each.call.uuid))
        session = session_of(each, PACE)
        settled.append(settle(db, TariffBook(db), session, ending, now_us=ending.ended_us))
    assert settled[0] is not None
    assert settled[1] is None
    assert every(db) == [settled[0]]
    with db.read() as conn:
        left = accounts.find(conn, "acme")
        assert (left.balance_micros, left.held_micros) == (10 * YUAN - 150_000, 0)
        assert entries.verify(conn) == []


def test_rule_4_nothing_is_held_for_a_leg_that_has_its_record(db):
    with db.write() as conn:
        account = an_account(conn, balance_micros=10 * YUAN)
        refused = a_refused_cdr(uuid="refused before")
        assert cdrs.write(conn, refused)
        assert cdrs.write(conn, a_cdr(uuid="settled", created_us=MIDNIGHT_US - 1))
        placed = {
            (switch, uuid): holds.place(
                conn,
                a_hold(account.account_id, switch=switch, uuid=uuid, created_us=MIDNIGHT_US),
            )
            for switch in ("sw1", "sw2")
            for uuid in ("settled", "refused before")
        }
    assert [key for key, is_placed in placed.items() if not is_placed] == [("sw1", "settled")]
    with db.read() as conn:
        assert accounts.find(conn, "acme").live_calls == 3
        assert entries.verify(conn) == []


def test_a_real_record_takes_the_place_of_a_refused_one_of_another_month(db):
    refused = a_refused_cdr(created_us=MIDNIGHT_US - 1)
    real = a_cdr(uuid=refused.uuid, created_us=MIDNIGHT_US)
    assert written(db, refused, real, refused) == [True, True, False]
    assert every(db) == [real]
    with db.read() as conn:
        assert cdrs.find(conn, real.uuid) == [real]
        assert cdr_keys.is_settled(conn, real.switch, real.uuid)


def test_a_refused_leg_may_still_be_let_through(db):
    refused = a_refused_cdr()
    written(db, refused)
    with db.read() as conn:
        assert not cdr_keys.is_settled(conn, refused.switch, refused.uuid)


@pytest.mark.parametrize("created_us", [0, FAR_MONTH_US, 2**62])
def test_a_record_is_written_whatever_its_month(db, created_us):
    """A switch whose clock is wrong is billed all the same."""
    cdr = a_cdr(created_us=created_us)
    assert written(db, cdr) == [True]
    assert every(db) == [cdr]
    with db.read() as conn:
        assert cdrs.find(conn, cdr.uuid) == [cdr]


@pytest.mark.parametrize("first_commits", [True, False])
def test_two_daemons_may_need_a_new_month_at_once(db, other_daemon, first_commits):
    one, other = a_cdr(created_us=FAR_MONTH_US), a_cdr(created_us=FAR_MONTH_US + 1)
    second = threading.Thread(target=written, args=(other_daemon, other))
    try:
        with db.write() as conn:
            assert cdrs.write(conn, one)
            second.start()
            second.join(0.2)
            if not first_commits:
                raise InterruptedError  # noqa: TRY301
    except InterruptedError:
        pass
    second.join(10)
    assert every(db) == ([one, other] if first_commits else [other])


def test_months_are_those_of_china(pg, operator):
    moments_us = {
        "cdr_before_2020": parse_us("2020-01-01T00:00:00+08:00") - 1,
        "cdr_2020_01": parse_us("2020-01-01T00:00:00+08:00"),
        "cdr_2026_11": MIDNIGHT_US - 1,
        "cdr_2026_12": MIDNIGHT_US,
        "cdr_2099_12": parse_us("2100-01-01T00:00:00+08:00") - 1,
        "cdr_from_2100": parse_us("2100-01-01T00:00:00+08:00"),
    }
    for name, created_us in moments_us.items():
        cdr = a_cdr(created_us=created_us)
        written(pg, cdr)
        assert partition_of(operator, cdr.uuid) == [name]


def test_an_upgrade_makes_this_month_and_the_next_twelve_and_again_nothing(
    pg, operator, postgres_url
):
    made = partitions(operator)
    months = operator.execute(
        "SELECT to_char(now() AT TIME ZONE 'Asia/Shanghai' + make_interval(months => n),"
        " '\"cdr_\"YYYY_MM') FROM generate_series(0, 12) AS n"
    ).fetchall()
    assert set(made) == {name for (name,) in months} | {"cdr_before_2020", "cdr_from_2100"}
    migrations.upgrade(postgres_url)
    assert partitions(operator) == made
    migrations.check(pg)
    assert migrations.status(postgres_url) == migrations.SchemaStatus("0001", "0001", known=True)


def test_an_upgrade_makes_a_month_that_is_missing(operator, postgres_url):
    made = partitions(operator)
    operator.execute(f"DROP TABLE {max(name for name in made if name < 'cdr_b')}")
    migrations.upgrade(postgres_url)
    assert partitions(operator) == made


def test_a_new_month_waits_for_no_reader_and_no_writer(pg, operator):
    with operator.transaction():
        operator.execute("SELECT count(*) FROM cdr")
        with pg.write() as conn:
            assert cdrs.write(conn, a_cdr())
            assert written(pg, a_cdr(created_us=FAR_MONTH_US)) == [True]


def test_a_role_that_may_only_read_and_write_rows_settles_in_a_new_month(pg, operator):
    operator.execute("CREATE ROLE daemon")
    operator.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO daemon"
    )
    operator.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO daemon")
    try:
        with pg.write() as conn:
            conn.execute(text("SET LOCAL ROLE daemon"))
            assert cdrs.write(conn, a_cdr(created_us=FAR_MONTH_US))
    finally:
        operator.execute("DROP OWNED BY daemon")
        operator.execute("DROP ROLE daemon")


@contextmanager
def out_of_reach(conn, *names):
    """Nobody else can even read these partitions meanwhile."""
    with conn.transaction():
        conn.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
        yield


def test_what_is_asked_of_one_month_needs_no_other(pg, operator):
    november, october = a_cdr(), a_cdr(created_us=NOW_US - 31 * 86_400 * S)
    written(pg, october, november)
    others = set(partitions(operator)) - {"cdr_2026_11"}
    with out_of_reach(operator, *others):
        within = cdrs.Selection(since_us=MIDNIGHT_US - 30 * 86_400 * S, until_us=MIDNIGHT_US)
        with pg.read() as conn:
            [(row_id, found)] = cdrs.page(conn, within)
            assert found == november
            assert cdrs.newest(conn, within, limit=10) == [november]
            assert cdrs.count(conn, within) == 1
            assert cdrs.find(conn, november.uuid) == [november]
            assert cdrs.among(conn, [row_id]) == [(row_id, november)]
        corrected = replace(november, charge_micros=1, revision=1)
        with pg.write() as conn:
            assert cdrs.write(conn, a_cdr())
            assert not cdrs.write(conn, november)
            revisions.replace(conn, [(november, corrected)], NOW_US)
            assert cdrs.find(conn, november.uuid) == [corrected]
            assert cdrs.write(conn, estimate := a_cdr(end_source=EndSource.ESTIMATE))
            assert cdrs.make_exact(conn, replace(estimate, end_source=EndSource.EVENT))


def archive_statements():
    """The operator's statements, as the documentation has them."""
    page = (DOCS / "sql-tables.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?ms)^```sql archive\n(.*?)^```", page)
    return [each.strip() for each in block.split(";") if each.strip()]


@pytest.fixture
def october(pg):
    """A call of October, corrected once, and one of November; October is there to be archived."""
    first = a_cdr(created_us=NOW_US - 31 * 86_400 * S)
    corrected = replace(first, charge_micros=1, revision=1)
    written(pg, first, a_cdr())
    with pg.write() as conn:
        revisions.replace(conn, [(first, corrected)], NOW_US)
    return corrected


def test_rule_4_holds_for_a_month_that_was_archived_as_documented(pg, operator, october):
    detach, rename, back = archive_statements()
    operator.execute(detach)
    operator.execute(rename)
    assert october not in every(pg)
    assert written(pg, october, replace(october, created_us=NOW_US)) == [False, False]
    with pg.read() as conn:
        assert cdrs.find(conn, october.uuid) == []
        assert cdr_keys.is_settled(conn, october.switch, october.uuid)
        assert len(revisions.history(conn, october.switch, october.uuid)) == 1
    operator.execute(back)
    assert october in every(pg)


@pytest.mark.parametrize("renamed", [True, False])
def test_a_call_of_an_archived_month_that_is_settled_late_is_recorded(
    pg, operator, october, renamed
):
    operator.execute(DETACH)
    if renamed:
        operator.execute("ALTER TABLE cdr_2026_10 RENAME TO cdr_archive_2026_10")
    late = [a_cdr(created_us=october.created_us + n) for n in range(2)]
    for cdr in late:
        assert written(pg, cdr, october) == [True, False]
    assert every(pg)[1:] == late
    name = "cdr_2026_10" if renamed else "cdr_2026_10_late"
    assert partition_of(operator, late[1].uuid) == [name]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_month_whose_late_table_was_detached_too_takes_a_late_record(db, postgres_url):
    """docs/sql-tables.md: a late call makes the month anew; the second time it cannot."""
    month_us = 1_795_000_000_000_000
    with psycopg.connect(postgres_url, autocommit=True) as operator:
        for name in ("cdr_2026_11", "cdr_2026_11_late"):
            with db.write() as conn:
                assert cdrs.write(conn, a_cdr(created_us=month_us))
            operator.execute(f"ALTER TABLE cdr DETACH PARTITION {name}")
    with db.write() as conn:
        assert cdrs.write(conn, a_cdr(created_us=month_us))
