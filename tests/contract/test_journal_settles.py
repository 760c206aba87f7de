"""A settled call is on disk before it is forgotten, in SQL or in the journal; and counts once."""

import sqlite3
from contextlib import suppress

import pytest
from outages import world_with_journal
from sqlalchemy import text
from world import CENT_A_SECOND, SWITCH, S, World

from fsbilling.billing.settler import CALL_ROOM_BYTES, MAX_TRIES
from fsbilling.errors import StoreError
from fsbilling.ledger.entry import EntryKind
from fsbilling.rating.plan import LevelMode, Levels, LevelUnit, Plan
from fsbilling.rating.rate import Rate
from fsbilling.store import entries
from fsbilling.store.engine import Database
from fsbilling.store.journal import Journal


@pytest.fixture
def world(db, tmp_path):
    return world_with_journal(db, tmp_path)


def charges(world):
    with world.db.read() as conn:
        posted = entries.entries(conn, "acme", 100)
    return sorted(entry.amount_micros for entry in posted if entry.kind == "charge")


def ended_without_sql(world, *talk_s):
    """Calls that end while SQL is out."""
    uuids = [world.call(talk_us=seconds * S) for seconds in talk_s]
    world.run(3)
    world.sql.is_open = False
    world.run(max(talk_s))
    return uuids


def test_calls_that_end_while_sql_is_out_are_forgotten_only_on_disk_and_settled_after(world):
    uuids = ended_without_sql(world, 5, 7, 9)
    assert len(world.daemon.meter.calls) == 0
    assert not world.journal.is_empty
    assert len(world.holds()) == 3
    world.sql.is_open = True
    assert world.daemon.settler.play() == 3
    assert [world.cdr(uuid).billed_s for uuid in uuids] == [5, 7, 9]
    assert charges(world) == [-90_000, -70_000, -50_000]
    assert (world.holds(), world.journal.is_empty) == ([], True)
    assert world.ledger_faults() == []


def test_what_the_journal_kept_uses_up_the_package_and_counts_for_its_month(world):
    world.change_tariff((CENT_A_SECOND,), Plan(included_s=40))
    uuids = ended_without_sql(world, 5, 9, 14)
    assert world.usage().included_held_s == 40
    world.sql.is_open = True
    world.daemon.settler.play()
    used, records = world.usage(), [world.cdr(uuid) for uuid in uuids]
    assert (used.billed_s, used.calls, used.included_held_s) == (28, 3, 0)
    assert used.included_s == sum(record.included_s for record in records) == 24
    assert world.ledger_faults() == []


def test_a_call_from_the_journal_that_reaches_a_level_adjusts_the_month(world):
    cheaper = Rate(rate_micros_per_min=300_000, level_from=2)
    by_minutes = Plan(levels=Levels(LevelUnit.MINUTES, LevelMode.VOLUME))
    world.change_tariff((CENT_A_SECOND, cheaper), by_minutes)
    world.call(talk_us=115 * S)
    world.run(130)
    ended_without_sql(world, 8)
    world.sql.is_open = True
    world.daemon.settler.play()
    (adjustment,) = world.entries(EntryKind.ADJUSTMENT)
    assert adjustment.amount_micros == 123 * 5_000
    assert world.account().balance_micros == 10_000_000 - 123 * 5_000
    assert world.ledger_faults() == []


def test_a_dead_daemon_s_journal_is_played_by_the_next_one_exactly(world):
    (uuid,) = ended_without_sql(world, 8)
    world.kill_daemon()
    path = world.journal.path
    world.journal.close()
    world.sql.is_open = True
    world.run(60)
    world.journal = Journal(path, max_bytes=1_000_000)
    world.start_daemon()
    assert world.daemon.settler.play() == 1
    record = world.cdr(uuid)
    assert (record.billed_s, record.end_source) == (8, "event")


def test_a_journal_played_twice_charges_once(world, tmp_path):
    ended_without_sql(world, 5, 6)
    copy = tmp_path / "copy"
    copy.write_bytes(world.journal.path.read_bytes())
    world.sql.is_open = True
    world.daemon.settler.play()
    world.daemon.settler._journal = Journal(copy, max_bytes=1_000_000)
    world.daemon.settler.play()
    assert charges(world) == [-60_000, -50_000]
    assert world.ledger_faults() == []


def test_play_stops_where_sql_goes_away_again_and_goes_on_from_there(world):
    ended_without_sql(world, 5, 6)
    with pytest.raises(StoreError):
        world.daemon.settler.play()
    world.sql.is_open = True
    assert world.daemon.settler.play() == 2


def test_while_the_journal_has_records_later_calls_queue_behind_them(world):
    ended_without_sql(world, 5)
    world.sql.is_open = True
    later = world.call(talk_us=2 * S)
    world.run(6)
    assert world.cdrs(later) == []
    world.daemon.settler.play()
    assert world.cdr(later).billed_s == 2


def test_a_full_journal_refuses_new_calls_and_drops_no_cdr(world, tmp_path):
    small = 3 * CALL_ROOM_BYTES
    world.journal = world.daemon.settler._journal = Journal(tmp_path / "small", max_bytes=small)
    first = [world.call(talk_us=5 * S) for _ in range(3)]
    refused = world.call()
    world.run(3)
    assert world.cdr(refused).refusal == "journal_full"
    world.sql.is_open = False
    world.run(4)
    world.journal._max_bytes = 0
    late = world.daemon.meter.calls.get((SWITCH, first[0]))
    assert late is None, "there was room for every call that was let through"
    world.sql.is_open = True
    world.daemon.settler.play()
    assert all(world.cdr(uuid).billed_s == 5 for uuid in first)


def test_with_no_room_left_at_all_a_call_waits_in_memory(world):
    uuid = world.call(talk_us=5 * S)
    world.run(3)
    world.journal._max_bytes = 0
    world.sql.is_open = False
    world.run(10)
    assert len(world.daemon.meter.calls) == 1
    world.sql.is_open = True
    world.run(2)
    assert (world.cdr(uuid).billed_s, len(world.daemon.meter.calls)) == (5, 0)


def test_a_record_that_sql_declines_is_set_aside_and_does_not_hold_up_the_rest(world):
    good, bad = ended_without_sql(world, 9, 5)
    world.sql.is_open = True
    with world.db.write() as conn:
        # Nobody can do this by fsbilling's own means; it stands for a fault of ours.
        conn.execute(text(f"UPDATE hold SET amount_micros = 9000000 WHERE uuid = '{bad}'"))
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(StoreError):
            world.daemon.settler.play()
    assert world.daemon.settler.play() == 1
    assert world.cdr(good).billed_s == 9
    assert bad in world.journal.path.with_suffix(".aside").read_text()


def test_a_record_of_another_version_is_set_aside(world):
    world.journal.append(b'{"cdr": 5}')
    assert world.daemon.settler.play() == 0
    assert world.journal.is_empty


def test_the_journal_s_exact_end_takes_the_place_of_another_daemon_s_estimate(world):
    """Its SQL was out, ours was not: the other daemon took over and missed the call."""
    (uuid,) = ended_without_sql(world, 40)
    journaling = world.daemon
    world.sql.is_open = True
    world.journal = None
    world.start_daemon()
    world.run(3)
    world.daemon.sweep()
    estimate = world.cdr(uuid)
    assert (estimate.end_source, estimate.billed_s < 40) == ("estimate", True)
    journaling.settler.play()
    record = world.cdr(uuid)
    assert (record.billed_s, record.end_source) == (15, "event")
    assert world.account().balance_micros == 10_000_000 - record.charge_micros
    assert world.ledger_faults() == []


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_write_lock_of_some_seconds_sets_no_call_aside(store_url, tmp_path):
    """SQL that reads but cannot write now (lock, full disk, read-only standby) declines nothing."""
    db = Database.open(store_url, statement_timeout_ms=100)
    world = World(db)
    world.journal = Journal(tmp_path / "journal", max_bytes=1_000_000)
    world.open_for_business(credit="10.00")
    uuids = [world.call(talk_us=seconds * S) for seconds in (5, 7)]
    world.run(3)
    world.sql.is_open = False
    world.run(10)
    world.sql.is_open = True
    other = sqlite3.connect(db.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(12):
        with suppress(StoreError):
            world.daemon.settler.play()
    other.execute("ROLLBACK")
    world.daemon.settler.play()
    assert [len(world.cdrs(uuid)) for uuid in uuids] == [1, 1]
    db.close()
