"""While SQL is out: refuse, or let calls through up to a stated amount and settle them later."""

import os

import pytest
from outages import YUAN, trust, with_sql_again, without_sql, world_with_journal
from world import SWITCH, S

from fsbilling.store import accounts, directory
from fsbilling.store.journal import Journal


@pytest.fixture
def world(db, tmp_path):
    return world_with_journal(db, tmp_path)


def test_without_an_outage_limit_calls_are_refused_while_sql_is_out(world):
    without_sql(world)
    uuid = world.call()
    world.run(3)
    assert uuid not in world.sim.channels
    with_sql_again(world)
    world.daemon.reception.unrecorded.write()
    assert world.cdr(uuid).refusal == "unavailable"


def test_a_call_let_through_is_charged_exactly_once_sql_is_back(world):
    trust(world, 5 * YUAN)
    without_sql(world)
    uuid = world.call(talk_us=12 * S)
    incoming = world.call_400(talk_us=7 * S)
    world.run(30)
    assert world.cdrs(uuid) == []
    assert with_sql_again(world) == 6, "each call's grant, answer and end"
    assert (world.cdr(uuid).billed_s, world.cdr(incoming).billed_s) == (12, 7)
    assert world.account().balance_micros == 10 * YUAN - 190_000
    assert (world.holds(), world.ledger_faults()) == ([], [])
    assert world.daemon.outage.risk.micros() == 0


def test_no_more_than_the_stated_amount_is_at_risk_however_many_call(world):
    trust(world, YUAN // 2)
    without_sql(world)
    uuids = [world.call(talk_us=900 * S) for _ in range(60)]
    world.run(2)
    let_through = [uuid for uuid in uuids if uuid in world.sim.channels]
    assert 10 < len(let_through) < 60
    assert 0 < world.daemon.outage.risk.micros("acme") <= YUAN // 2
    world.run(900)
    assert not world.sim.channels
    with_sql_again(world)
    charged_micros = 10 * YUAN - world.account().balance_micros
    assert 0 < charged_micros <= YUAN // 2
    assert sum(world.cdr(uuid).billed_s for uuid in let_through) * 10_000 == charged_micros


def test_the_switch_ends_such_a_call_within_a_second_of_what_was_granted(world):
    trust(world, YUAN)
    without_sql(world)
    uuid = world.call(talk_us=900 * S)
    world.run(2)
    granted_s = world.daemon.meter.calls.get((SWITCH, uuid)).granted_s
    world.run(900)
    with_sql_again(world)
    assert (granted_s - 1) * S <= world.cdr(uuid).duration_us <= (granted_s + 1) * S
    assert world.cdr(uuid).charge_micros <= granted_s * 10_000


def test_what_an_account_has_not_becomes_its_overdraft_and_bars_calls_until_paid(world):
    with world.db.write() as conn:
        world.add_account(conn, "poor", "0")
        assert directory.add_line(conn, "user", "2002", "poor") is None
    trust(world, YUAN, "poor")
    without_sql(world)
    poor = {"variables": {"sip_auth_username": "2002", "sip_authorized": "true"}}
    uuid = world.call(talk_us=5 * S, **poor)
    world.run(10)
    with_sql_again(world)
    assert (world.cdr(uuid).charge_micros, world.cdr(uuid).waived_micros) == (50_000, 0)
    assert world.account("poor").balance_micros == -50_000
    barred = world.call(**poor)
    world.run(3)
    assert world.cdr(barred).refusal == "no_credit"
    world.topup("poor", 250_000, "pays back")
    account = world.account("poor")
    assert (account.free_micros, account.overdraft_micros) == (200_000, 0)
    assert world.ledger_faults() == []


def test_a_call_that_outlives_the_outage_goes_on_with_a_hold_like_any_other(world):
    trust(world, YUAN)
    without_sql(world)
    uuid = world.call(talk_us=60 * S)
    world.run(3)
    assert with_sql_again(world) == 2, "its grant and its answer"
    (hold,) = world.holds()
    assert hold.amount_micros == hold.granted_s * 10_000
    world.run(80)
    record = world.cdr(uuid)
    assert (record.billed_s, record.hangup_cause) == (60, "NORMAL_CLEARING")
    assert world.account().free_micros == 10 * YUAN - 600_000


def test_a_renewal_before_the_grant_is_in_sql_waits_for_it(world):
    trust(world, YUAN // 10)
    without_sql(world)
    uuid = world.call(talk_us=20 * S)
    world.run(2)
    granted_s = world.daemon.meter.calls.get((SWITCH, uuid)).granted_s
    assert granted_s < 8
    world.sql.is_open = True
    world.run(granted_s - 3)
    assert uuid in world.sim.channels
    world.daemon.settler.play()
    world.daemon.outage.probe()
    world.run(30)
    assert world.cdr(uuid).billed_s == 20


def test_a_killed_daemon_s_grants_are_held_by_the_next_one(world):
    trust(world, YUAN)
    without_sql(world)
    uuid = world.call(talk_us=15 * S)
    world.run(4)
    world.kill_daemon()
    path = world.journal.path
    world.journal.close()
    world.sql.is_open = True
    world.journal = Journal(path, max_bytes=1_000_000)
    world.start_daemon()
    assert world.daemon.settler.play() == 2
    world.daemon.sweep(take_up=True)
    world.run(30)
    assert world.cdr(uuid).billed_s == 15
    assert world.ledger_faults() == []


def test_a_journal_of_grants_played_twice_holds_and_charges_once(world, tmp_path):
    trust(world, YUAN)
    without_sql(world)
    world.call(talk_us=5 * S)
    world.run(10)
    copy = tmp_path / "copy"
    copy.write_bytes(world.journal.path.read_bytes())
    with_sql_again(world)
    world.daemon.settler._journal = Journal(copy, max_bytes=1_000_000)
    world.daemon.settler.play()
    assert world.account().balance_micros == 10 * YUAN - 50_000
    assert (world.holds(), world.ledger_faults()) == ([], [])


def test_a_full_journal_lets_nobody_through(world, tmp_path):
    trust(world, YUAN)
    world.daemon.settler._journal = Journal(tmp_path / "small", max_bytes=100)
    without_sql(world)
    uuid = world.call()
    world.run(3)
    assert uuid not in world.sim.channels
    assert world.daemon.outage.risk.micros() == 0


def test_a_grant_that_the_disk_did_not_take_lets_nobody_through(world, monkeypatch):
    """What is risked stands on disk first (docs/adr/0017)."""
    trust(world, YUAN)
    without_sql(world)

    def broken(_fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    uuid = world.call()
    world.run(2)
    assert uuid not in world.sim.channels
    # The record may be there all the same (test_outage_amount): it is played, and swept up.
    monkeypatch.undo()
    with_sql_again(world)
    assert world.daemon.outage.risk.micros() == 0
    for _ in range(2):
        world.daemon.sweep()
        world.run(3)
    assert (world.holds(), world.account().balance_micros) == ([], 10 * YUAN)


def test_a_line_that_another_account_owns_is_not_paid_by_the_trusted_one(world):
    """The first of a call's lines that anybody owns names its payer, trusted or not."""
    with world.db.write() as conn:
        world.add_account(conn, "other", "1.00")
        assert directory.add_line(conn, "accountcode", "branch", "other") is None
    trust(world, YUAN)
    without_sql(world)
    variables = {"accountcode": "branch", "sip_auth_username": "1001", "sip_authorized": "true"}
    uuid = world.call(variables=variables)
    world.run(3)
    assert uuid not in world.sim.channels


def test_a_suspended_account_is_not_let_through(world):
    with world.db.write() as conn:
        accounts.set_suspended(conn, "acme", True)
    trust(world, YUAN)
    without_sql(world)
    uuid = world.call()
    world.run(3)
    assert uuid not in world.sim.channels
