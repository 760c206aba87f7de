"""What could go wrong with calls let through while SQL is out, each found by a reviewer."""

import json
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from outages import YUAN, trust, with_sql_again, without_sql, world_with_journal
from world import SWITCH, S

from fsbilling.billing.exact import make_exact
from fsbilling.billing.settler import MAX_TRIES, Granted
from fsbilling.calls.cdr import EndSource
from fsbilling.calls.event import HungUp
from fsbilling.daemon.post import QUESTIONS
from fsbilling.errors import Refused, StoreDeclined, StoreError, SwitchError
from fsbilling.rating.rate import Rate
from fsbilling.store import accounts, directory, entries
from fsbilling.store.journal import Journal
from fsbilling.switch.channel import Channel

POOR = {"variables": {"sip_auth_username": "2002", "sip_authorized": "true"}}


@pytest.fixture
def world(db, tmp_path):
    return world_with_journal(db, tmp_path)


def add_poor(world):
    with world.db.write() as conn:
        world.add_account(conn, "poor", "0")
        assert directory.add_line(conn, "user", "2002", "poor") is None


def restart(world):
    path = world.journal.path
    world.journal.close()
    world.sql.is_open = True
    world.journal = Journal(path, max_bytes=1_000_000)
    world.start_daemon()
    world.daemon.settler.play()
    for _ in range(3):
        world.daemon.sweep(take_up=True)
        world.run(3)


def test_a_second_call_of_the_same_uuid_in_an_outage_is_not_free(world):
    """`inbound-use-callid-as-uuid`: the caller chooses the UUID (authorise: `uuid_used`)."""
    trust(world, 5 * YUAN)
    without_sql(world)
    uuid = world.call(talk_us=5 * S)
    world.run(10)
    world.call(talk_us=120 * S, uuid=uuid)
    world.run(3)
    let_through = uuid in world.sim.channels
    world.run(130)
    with_sql_again(world)
    world.run(5)
    charged = 10 * YUAN - world.account().balance_micros
    assert not let_through or charged == 1_250_000


def test_a_channel_that_asks_again_in_an_outage_keeps_callee_and_price(world):
    """With SQL the second question is refused `already_paid` (authorise._standing, rule 7)."""
    world.change_tariff(
        (
            Rate(rate_micros_per_min=600_000),
            Rate(callee_kind="international", rate_micros_per_min=60_000_000),
        )
    )
    trust(world, 9 * YUAN)
    without_sql(world)
    uuid = world.call(ring_us=20 * S, talk_us=5 * S)
    world.run(1)
    headers = json.loads(world.sim.execute(f"uuid_dump {uuid} json"))
    headers["Caller-Destination-Number"] = "0012125551234"
    headers["variable_fsbilling_number"] = "0012125551234"
    answer = world.daemon.reception.answer(Channel(headers | {"Core-UUID": world.sim.core_uuid}))
    assert answer["fsbilling_verdict"] == "refused", answer


def test_an_account_that_owes_for_one_outage_is_not_trusted_again_in_the_next(world):
    """credit/account.py, granted.py: no call starts before a top-up has paid it back."""
    add_poor(world)
    trust(world, YUAN, "poor")
    for _ in range(3):
        without_sql(world)
        for _ in range(40):
            world.call(talk_us=900 * S, **POOR)
        world.run(1_000)
        with_sql_again(world)
        world.run(31)
        world.daemon.outage.probe()
    assert world.account("poor").balance_micros >= -YUAN


def test_a_part_payment_of_an_overdraft_is_taken(world):
    add_poor(world)
    trust(world, YUAN, "poor")
    without_sql(world)
    world.call(talk_us=5 * S, **POOR)
    world.run(10)
    with_sql_again(world)
    assert world.account("poor").balance_micros == -50_000
    with world.db.write() as conn:
        paid = entries.topup(conn, "poor", amount_micros=20_000, ref="part", at_us=1)
    assert not isinstance(paid, Refused), paid


def test_calls_that_are_over_do_not_count_as_live_ones(world):
    trust(world, 5 * YUAN, max_calls=1)
    without_sql(world)
    world.call(talk_us=5 * S)
    world.run(10)
    assert not world.sim.channels
    uuid = world.call(talk_us=5 * S)
    world.run(3)
    assert uuid in world.sim.channels


def test_grants_leave_the_journal_room_for_the_calls_they_let_through(world, tmp_path):
    trust(world, 5 * YUAN)
    world.daemon.settler._journal = world.journal = Journal(tmp_path / "small", max_bytes=40_000)
    without_sql(world)
    uuids = [world.call(talk_us=5 * S) for _ in range(60)]
    world.run(3)
    let_through = [uuid for uuid in uuids if uuid in world.sim.channels]
    assert let_through
    world.run(20)
    unsettled = world.daemon.meter.calls.all()
    assert unsettled == [], f"{len(unsettled)} of {len(let_through)} ended calls are on no disk"


def test_a_call_whose_daemon_died_after_its_answer_is_charged_once_its_end_is_known(world):
    trust(world, 5 * YUAN)
    without_sql(world)
    uuid = world.call(talk_us=25 * S)
    world.run(20)
    world.kill_daemon()
    world.run(10)
    restart(world)
    estimate = world.cdr(uuid)
    assert (estimate.end_source, estimate.answered_us > 0) == ("estimate", True)
    ended = HungUp(leg_uuid=uuid, ended_us=estimate.answered_us + 25 * S, source=EndSource.WITNESS)
    make_exact(world.db, world.daemon.book, estimate, ended, now_us=world.clock.now_us())
    assert world.cdr(uuid).charge_micros == 250_000


def test_a_small_first_hold_that_sql_took_unheard_does_not_cut_the_outage_call(world):
    """Commit done, answer lost; then duty begins anew before the journal is played."""
    trust(world, 9 * YUAN)
    door = world.sql

    real = door.write

    @contextmanager
    def deaf():
        with real() as conn:
            yield conn
        door.is_open = False
        raise StoreError("the connection broke after COMMIT")

    door.write = deaf
    uuid = world.call(talk_us=50 * S)
    world.run(0.5)
    del door.write
    granted_s = world.daemon.meter.calls.get((SWITCH, uuid)).granted_s
    (hold,) = world.holds()
    assert hold.granted_s < granted_s
    world.run(hold.granted_s + 5)
    assert uuid in world.sim.channels
    world.sql.is_open = True  # duty begins (daemon._begin), then the errand plays the journal
    world.daemon.outage.probe()
    world.daemon.meter.catch_up(world.holds())
    world.daemon.sweep(take_up=True)
    world.run(1)
    world.daemon.settler.play()
    world.run(60)
    assert world.cdr(uuid).billed_s == 50, (world.cdr(uuid).billed_s, world.cdr(uuid).hangup_cause)


def test_an_account_without_credit_is_not_let_through_while_sql_answers(world):
    """Outage: one answer that did not come is no outage: only `probe` says so."""
    add_poor(world)
    trust(world, YUAN, "poor")
    real = world.sql.write

    @contextmanager
    def locked():
        raise StoreError("canceling statement due to lock timeout")
        yield

    world.sql.write = locked
    uuid = world.call(talk_us=60 * S, **POOR)
    world.run(2)
    world.daemon.outage.probe()
    assert not world.daemon.outage.is_on
    assert uuid not in world.sim.channels
    world.sql.write = real


def test_the_overdraft_is_nothing_when_calls_owe_nothing(world):
    """sql-tables.md: 0 but after an outage; ADR 17: used only by what an outage took."""
    with world.db.write() as conn:
        world.add_account(conn, "poor", "0.10")
        assert directory.add_line(conn, "user", "2002", "poor") is None
    trust(world, 9 * YUAN, "poor")
    without_sql(world)
    world.call(talk_us=5 * S, **POOR)
    world.run(3)
    with_sql_again(world)
    world.run(20)
    account = world.account("poor")
    assert account.balance_micros == 50_000
    assert account.overdraft_micros == 0


def test_an_outbound_call_to_an_owned_400_number_has_one_price(world):
    """payer.find_payer gives no target for an outbound call; trust.payer gives the number's."""
    world.change_tariff(
        (
            Rate(rate_micros_per_min=600_000),
            Rate(callee_kind="mobile", rate_micros_per_min=6_000_000),
        )
    )
    with world.db.write() as conn:
        assert (
            directory.add_number(conn, "4007654321", "acme", "sofia/gateway/c/13800138000") is None
        )
    trust(world, 9 * YUAN)
    with_sql = world.call(callee="4007654321", talk_us=5 * S)
    world.run(10)
    without_sql(world)
    without = world.call(callee="4007654321", talk_us=5 * S)
    world.run(10)
    with_sql_again(world)
    assert world.cdr(without).rated_callee_kind == world.cdr(with_sql).rated_callee_kind


def test_a_live_channel_that_asks_again_in_an_outage_gets_no_more_than_its_hold(world):
    """Held for with SQL, still ringing; it asks again (a retried hook) when SQL is out."""
    trust(world, 9 * YUAN)
    uuid = world.call(ring_us=20 * S, talk_us=5 * S)
    world.run(1)
    before = world.daemon.meter.calls.get((SWITCH, uuid)).granted_s
    without_sql(world)
    headers = json.loads(world.sim.execute(f"uuid_dump {uuid} json"))
    answer = world.daemon.reception.answer(Channel(headers | {"Core-UUID": world.sim.core_uuid}))
    after = world.daemon.meter.calls.get((SWITCH, uuid)).granted_s
    assert answer.get("fsbilling_granted_s", "0") in ("0", str(after)), (before, after, answer)


def test_a_finished_call_whose_grant_was_set_aside_leaves_a_trace(world):
    """The grant is declined five times (a lock, a full disk), the record behind it is not."""
    trust(world, 5 * YUAN)
    without_sql(world)
    uuid = world.call(talk_us=5 * S)
    world.run(10)
    world.sql.is_open = True

    real = world.daemon.settler._play_one

    def declined(kept):
        if isinstance(kept, Granted):
            raise StoreDeclined("a constraint")
        real(kept)

    world.daemon.settler._play_one = declined
    for _ in range(3 * MAX_TRIES):
        with suppress(StoreDeclined):
            world.daemon.settler.play()
    assert world.journal.is_empty
    assert b"finished" in Path(f"{world.journal.path}.aside").read_bytes()
    assert world.cdrs(uuid) == []
    assert world.daemon.outage.risk.micros() == 0


def test_nobody_waits_for_sql_while_it_is_known_to_be_out(world):
    """outage.py: `While is_on, nobody waits for SQL`."""
    trust(world, 5 * YUAN)
    long_one = world.call(talk_us=600 * S)
    world.run(5)
    without_sql(world)
    asked = []
    real = world.sql._pass

    def count():
        asked.append(1)
        real()

    world.sql._pass = count
    world.daemon.watch.look = lambda: None
    world.call(talk_us=20 * S)
    world.run(40)
    assert long_one not in world.sim.channels
    assert len(asked) == 0, f"{len(asked)} transactions, each up to 3 s of a pool of 500 workers"


def test_a_cap_that_is_used_up_bars_calls_in_an_outage_as_well(world):
    trust(world, 5 * YUAN, daily_cap_micros=50_000)
    world.call(talk_us=60 * S)
    world.run(20)
    uuid = world.call(talk_us=20 * S)
    world.run(3)
    assert world.cdr(uuid).refusal == "daily_cap"
    world.daemon.outage.read_trust()
    without_sql(world)
    again = world.call(talk_us=20 * S)
    world.run(3)
    assert again not in world.sim.channels


def test_a_credit_limit_may_be_raised_while_an_overdraft_is_owed(world):
    from fsbilling.credit.account import Mode

    with world.db.write() as conn:
        world.add_account(conn, "poor", "0", mode=Mode.POSTPAID, credit_limit_micros=100_000)
        assert directory.add_line(conn, "user", "2002", "poor") is None
    trust(world, 9 * YUAN, "poor")
    without_sql(world)
    world.call(talk_us=30 * S, **POOR)
    world.run(40)
    with_sql_again(world)
    assert world.account("poor").balance_micros == -300_000
    with world.db.write() as conn:
        raised = accounts.set_credit_limit(conn, "poor", 200_000)
    assert not isinstance(raised, Refused), raised


def test_no_call_is_let_through_by_grace_when_all_is_at_risk(world):
    """credit.slice.can_start: seconds free by grace alone do not start calls."""
    world.change_tariff((Rate(rate_micros_per_min=600_000, grace_s=3),))
    trust(world, YUAN // 10)
    without_sql(world)
    for _ in range(60):
        world.call(talk_us=900 * S)
    world.run(2)
    granted = [session.held_micros for session in world.daemon.meter.calls.all()]
    assert 0 not in granted, granted


def test_what_sql_refused_is_not_let_through_as_its_record_was_not_taken(world):
    """Authoriser._refuse writes the CDR within the `try` of Reception._authorise."""
    add_poor(world)
    trust(world, YUAN, "poor")
    real, writes = world.sql.write, []

    @contextmanager
    def second_write_fails():
        writes.append(1)
        if len(writes) == 2:
            raise StoreError("the connection is lost")
        with real() as conn:
            yield conn

    world.sql.write = second_write_fails
    uuid = world.call(talk_us=60 * S, **POOR)  # SQL says no_credit, then does not answer
    world.run(0.2)
    assert uuid not in world.sim.channels or (SWITCH, uuid) not in world.daemon.meter.calls


def test_a_call_that_was_granted_too_late_for_its_hook_leaves_nothing_at_risk(world):
    """SQL hung longer than [hook] deadline_ms: FreeSWITCH has gone on, and refused the call."""
    trust(world, 5 * YUAN)
    uuid = world.call(ring_us=60 * S)
    world.run(1)
    headers = json.loads(world.sim.execute(f"uuid_dump {uuid} json"))
    ghost = "11111111-2222-4333-8444-555555555555"
    channel = Channel(
        headers
        | {
            "Unique-ID": ghost,
            "Channel-Call-UUID": ghost,
            "variable_fsbilling_call": "",
            "Core-UUID": world.sim.core_uuid,
        }
    )
    without_sql(world)

    def not_on_duty(command, timeout_s=5.0):
        if not command.startswith(QUESTIONS):
            raise SwitchError("not on duty: another daemon may be")
        return world.sim.execute(command)

    world.daemon.reception._nodes[SWITCH]._api = not_on_duty
    answer = world.daemon.reception.answer(channel)
    assert answer["fsbilling_verdict"] == "allowed", answer
    world.daemon.reception.abandoned(channel)
    world.run(3_700)
    assert world.daemon.outage.risk.micros() == 0
