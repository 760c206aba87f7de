"""Reconcile charges a call that lived when the backup was made for all it talked, if it may."""

import json_cdr
import pytest
from backup import Backup
from world import CENT_A_SECOND, SWITCH, S, World

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.reconcile import Kind, Reconciler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.credit.limits import Limits
from fsbilling.rating.plan import Plan
from fsbilling.store import entries, limits
from fsbilling.switch.witness import read_path, record_paths

LONGEST_PAID_S = 30 + 3 + 1
"""The world's `slice_s`, what a renewal is ahead by, and what a timer may be late."""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "json_cdr"
    folder.mkdir()
    return folder


@pytest.fixture
def world(db, folder):
    """A switch that writes what mod_json_cdr would."""
    world = World(db)
    json_cdr.record_legs(world, folder)
    world.open_for_business(credit="10.00")
    return world


def outlived(world, *, talk_us):
    """A call of which SQL knows the first hold only, as it was 5 s after its start."""
    uuid = world.call(talk_us=talk_us)
    world.run(5)
    backup = Backup(world.db)
    world.run(talk_us / S + 10)
    (before,) = world.cdrs(uuid) or [None]
    world.kill_daemon()
    backup.restore()
    assert held(world)[uuid].granted_s <= 15
    return uuid, before


def held(world):
    return {hold.call.uuid: hold for hold in world.holds()}


def reconciled(world, folder):
    book = TariffBook(world.db)
    book.refresh()
    reconciler = Reconciler(world.db, book, SWITCH, world.clock, apply=True, plan=NumberPlan())
    return [
        each
        for path in record_paths([folder])
        for each in reconciler.compare(path, read_path(path))
    ]


def cost(cdr):
    return (cdr.billed_s, cdr.included_s, cdr.charge_micros, cdr.waived_micros)


def test_reconcile_charges_it_beyond_the_hold_that_the_backup_has(world, folder):
    uuid, before = outlived(world, talk_us=100 * S)
    (found,) = reconciled(world, folder)
    assert (found.kind, found.applied) == (Kind.UNSETTLED, True)
    after = world.cdr(uuid)
    assert cost(after) == cost(before) == (100, 0, 1_000_000, 0)
    assert (after.duration_us, after.ended_us) == (before.duration_us, before.ended_us)
    assert reconciled(world, folder) == []
    account = world.account()
    assert (account.balance_micros, account.held_micros, account.live_calls) == (9_000_000, 0, 0)
    assert world.ledger_faults() == []


def test_never_more_than_is_free_beside_the_holds_of_others(world, folder):
    rings = world.call(ring_us=2_000 * S)
    uuid, before = outlived(world, talk_us=900 * S)
    assert before.charge_micros == 9_000_000
    with world.db.write() as conn:
        moved = {"amount_micros": -4_000_000, "ref": "lost", "at_us": 0}
        assert entries.adjust(conn, "acme", **moved).amount_micros == -4_000_000
    reconciled(world, folder)
    free_micros = 6_000_000 - held(world)[rings].amount_micros
    assert cost(world.cdr(uuid)) == (900, 0, free_micros, 9_000_000 - free_micros)
    assert world.account().free_micros == 0


def test_a_cap_bounds_it(world, folder):
    with world.db.write() as conn:
        limits.set_limits(conn, "acme", Limits(daily_cap_micros=400_000), at_us=0)
    uuid, before = outlived(world, talk_us=100 * S)
    assert before.charge_micros == 400_000
    reconciled(world, folder)
    assert world.cdr(uuid).charge_micros == 400_000


def test_the_package_pays_first_as_it_did(world, folder):
    world.change_tariff((CENT_A_SECOND,), Plan(included_s=60))
    uuid, before = outlived(world, talk_us=100 * S)
    reconciled(world, folder)
    assert cost(world.cdr(uuid)) == cost(before) == (100, 60, 400_000, 0)
    used = world.usage()
    assert (used.included_s, used.included_held_s, used.billed_s, used.calls) == (60, 0, 100, 1)


def test_the_daemon_charges_no_more_than_was_held(world):
    """It cannot know that a hold was lost: for it a timer has failed, and nobody pays for that."""
    uuid = world.call(talk_us=None)
    world.run(5)
    backup = Backup(world.db)
    world.run(100)
    world.kill_daemon()
    backup.restore()
    held_micros = held(world)[uuid].amount_micros
    world.start_daemon()
    world.run(30)
    billed_s = world.cdr(uuid).billed_s
    assert billed_s >= 104
    assert cost(world.cdr(uuid)) == (billed_s, 0, held_micros, billed_s * 10_000 - held_micros)


def test_who_waits_a_slice_before_reconciling_finds_nobody_alive_and_all_charged(world, folder):
    """The runbook: without a daemon the switch's timers end every call with its last paid second."""
    uuid = world.call(talk_us=None)
    world.run(5)
    backup = Backup(world.db)
    world.run(100)
    paid_s = held(world)[uuid].granted_s
    world.kill_daemon()
    backup.restore()
    world.run(LONGEST_PAID_S)
    assert uuid not in world.sim.channels
    world.run(10)
    reconciled(world, folder)
    assert cost(world.cdr(uuid)) == (paid_s, 0, paid_s * 10_000, 0)
    before = world.account()
    world.start_daemon()
    world.run(30)
    assert world.account() == before
    assert reconciled(world, folder) == []


def test_what_the_switch_s_timer_lets_pass_stays_waived(world, folder):
    """A second beyond the last paid one is the daemon's own, not the caller's (rule 3)."""
    uuid = world.call(talk_us=16 * S)
    world.run(5)
    backup = Backup(world.db)
    world.run(30)
    world.kill_daemon()
    backup.restore()
    reconciled(world, folder)
    assert cost(world.cdr(uuid)) == (16, 0, 150_000, 10_000)
