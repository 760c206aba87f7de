"""The amount that an account may risk is kept to, however outages, disks and daemons follow.

Each was found by the simulation of the core (`tests/simulation`).
"""

from contextlib import suppress

import msgspec
import pytest
from outages import YUAN, trust, with_sql_again, without_sql, world_with_journal
from sqlalchemy import update

from fsbilling.billing.exact import make_exact
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.errors import StoreDeclined, StoreError
from fsbilling.store import directory
from fsbilling.store.journal import Journal
from fsbilling.store.schema import cdr as cdr_table

POOR = {"variables": {"sip_auth_username": "2002", "sip_authorized": "true"}}
MANY = 60
"""So many calls, each with a sixteenth of what is left, use up nearly all of an amount."""


@pytest.fixture
def world(db, tmp_path):
    world = world_with_journal(db, tmp_path)
    with world.db.write() as conn:
        world.add_account(conn, "poor", "0")
        assert directory.add_line(conn, "user", "2002", "poor") is None
    trust(world, YUAN, "poor")
    return world


def call_much(world):
    """Let calls come until the account may risk no more."""
    for _ in range(MANY):
        world.call(talk_us=900_000_000, **POOR)
    world.run(2)


def owed_micros(world):
    return -world.account("poor").free_micros


def test_what_an_outage_took_is_known_though_sql_was_back_for_a_moment_only(world):
    without_sql(world)
    call_much(world)
    world.sql.is_open = True
    world.daemon.settler.play()
    without_sql(world)
    call_much(world)
    with_sql_again(world)
    assert YUAN // 2 < owed_micros(world) <= YUAN


def test_a_daemon_that_starts_counts_what_its_journal_has_at_risk(world):
    without_sql(world)
    call_much(world)
    path = world.journal.path
    world.kill_daemon()
    world.journal.close()
    world.sql.is_open = True
    world.journal = Journal(path, max_bytes=1_000_000)
    world.start_daemon()  # and SQL is gone again before the journal is played
    assert world.daemon.outage.risk.micros("poor") > YUAN // 2
    without_sql(world)
    call_much(world)
    with_sql_again(world)
    assert YUAN // 2 < owed_micros(world) <= YUAN


def test_a_daemon_that_starts_counts_a_call_that_is_over_by_what_it_cost(world):
    without_sql(world)
    world.call(talk_us=2_000_000, **POOR)
    world.run(10)
    at_risk_micros = world.daemon.outage.risk.micros("poor")
    world.kill_daemon()
    world.journal.close()
    world.sql.is_open = True
    world.journal = Journal(world.journal.path, max_bytes=1_000_000)
    world.start_daemon()
    risk = world.daemon.outage.risk
    assert 0 < risk.micros("poor") == at_risk_micros
    assert risk.live_calls["poor"] == 0
    with_sql_again(world)
    assert risk.micros() == 0


def test_a_grant_that_the_disk_may_have_taken_stays_at_risk(world):
    """fsync failed: the call is refused, and the record may be played all the same."""
    without_sql(world)
    sync = world.journal._run

    def fails(_job):
        raise OSError(5, "Input/output error")

    world.journal._run = fails
    call_much(world)
    assert not world.sim.channels
    assert world.daemon.outage.risk.live_calls["poor"] == 0
    world.journal._run = sync
    call_much(world)
    with_sql_again(world)
    assert YUAN // 2 < owed_micros(world) <= YUAN


def test_a_grant_that_sql_declines_for_good_is_at_risk_no_more(world):
    without_sql(world)
    call_much(world)
    world.sql.is_open = True

    def declined(_kept):
        raise StoreDeclined("a constraint")

    world.daemon.settler._play_one = declined
    while not world.journal.is_empty:
        with suppress(StoreError):
            world.daemon.settler.play()
    world.daemon.outage.read_trust()
    account = world.daemon.outage.trust.accounts["poor"]
    assert world.daemon.outage._free_micros(account) == YUAN


def test_the_first_calls_of_a_day_are_bound_by_its_cap_in_an_outage_as_well(world):
    """Nothing is counted for the day yet: all of its cap is left, and no more."""
    trust(world, YUAN, "poor", daily_cap_micros=100_000)
    world.run(86_400)
    world.daemon.outage.read_trust()
    without_sql(world)
    call_much(world)
    assert 0 < world.daemon.outage.risk.micros("poor") <= 100_000


def test_a_correction_that_gives_back_lowers_what_the_account_owes(world):
    without_sql(world)
    uuid = world.call(talk_us=5_000_000, **POOR)
    world.run(40)
    with_sql_again(world)
    estimate = msgspec.structs.replace(world.cdr(uuid), end_source=EndSource.ESTIMATE)
    with world.db.write() as conn:
        conn.execute(update(cdr_table).values(end_source=EndSource.ESTIMATE))
    assert world.account("poor").overdraft_micros == owed_micros(world) == 50_000
    ended = HungUp(leg_uuid=uuid, ended_us=estimate.answered_us + 1_000_000)
    make_exact(world.db, world.daemon.book, estimate, ended, now_us=world.clock.now_us())
    assert world.account("poor").overdraft_micros == owed_micros(world) == 10_000
