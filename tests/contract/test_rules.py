"""The ten rules of DESIGN section 4, each over every store, with a simulated switch."""

import msgspec
import pytest
from sqlalchemy import text
from world import CENT_A_SECOND, SWITCH, S, World

from fsbilling.billing.settle import settle
from fsbilling.calls.cdr import EndSource, HungUpBy
from fsbilling.errors import FsbillingError, Refused
from fsbilling.rating.rate import Rate
from fsbilling.store import entries


@pytest.fixture
def world(db):
    return World(db)


def test_rule_1_no_overspend_and_never_charged_more_than_was_held(world):
    """Five calls on the credit of one: what they talk in all is what there was."""
    world.open_for_business(credit="1.00")
    uuids = [world.call(talk_us=None) for _ in range(5)]
    for _ in range(40):
        world.run(5)
        account = world.account()
        assert account.free_micros >= 0
        assert account.held_micros == sum(hold.amount_micros for hold in world.holds())
    records = [world.cdr(uuid) for uuid in uuids]
    assert sum(record.billed_s for record in records) >= 98
    assert sum(record.charge_micros for record in records) <= 1_000_000
    assert all(record.waived_micros == 0 for record in records)
    assert world.account().balance_micros == 1_000_000 - sum(
        record.charge_micros for record in records
    )


def test_rule_1_sql_itself_refuses_to_overspend(world):
    world.open_for_business(credit="1.00")
    with pytest.raises(FsbillingError), world.db.write() as conn:
        conn.execute(text("UPDATE account SET held_micros = balance_micros + 1"))


def test_rule_2_seconds_are_granted_only_when_the_hold_is_committed(world):
    """The hold's row stands, with the very seconds, when the switch first hears of them."""
    world.open_for_business()
    seen = []
    answer = world.sim.hook

    def watching(channel, resume):
        def resume_and_look(variables):
            held = {hold.call.uuid: hold.granted_s for hold in world.holds()}
            seen.append((held.get(channel.uuid), int(variables["fsbilling_granted_s"])))
            resume(variables)

        return answer(channel, resume_and_look)

    world.sim.hook = watching
    moved_api = world.api

    def api(command, timeout_s=5.0):
        if command.startswith("expand sched_api"):
            (hold,) = world.holds()
            seen.append((hold.granted_s, hold.granted_s))
        return moved_api(command, timeout_s)

    world.daemon.meter._nodes[SWITCH]._api = api
    world.call(talk_us=40 * S)
    world.run(60)
    assert len(seen) >= 3
    assert all(held is not None and held == told for held, told in seen)


def test_rule_2_nothing_is_granted_when_sql_does_not_answer(world):
    world.open_for_business()
    uuid = world.call(talk_us=None)
    world.run(3)
    (before,) = world.holds()
    world.sql.is_open = False
    world.run(60)
    assert uuid not in world.sim.channels
    assert world.holds()[0].granted_s == before.granted_s


def test_rule_3_a_dead_daemon_gives_nothing_away(world):
    world.open_for_business()
    uuid = world.call(talk_us=None)
    world.run(20)
    (hold,) = world.holds()
    world.kill_daemon()
    paid_until_us = hold.answered_us + hold.granted_s * S
    world.run((paid_until_us - world.clock.now_us()) / S - 0.001)
    assert uuid in world.sim.channels
    world.run(1.0)
    assert uuid not in world.sim.channels


def test_rule_3_even_one_that_died_before_the_answer(world):
    world.open_for_business()
    uuid = world.call(talk_us=None, ring_us=3 * S)
    world.run(1)
    world.kill_daemon()
    world.run(3 + 15 + 1)
    assert uuid not in world.sim.channels


def test_rule_3_the_new_timer_stands_before_the_old_one_goes(world):
    world.open_for_business()
    world.call(talk_us=40 * S)
    world.run(60)
    timers = [
        (verb, command.split("fsbilling-")[1].split()[0].rsplit("-", 1)[1])
        for command in world.commands
        for verb in ("sched_api", "sched_del")
        if verb in command
    ]
    added, removed = set(), []
    for verb, seq in timers:
        if verb == "sched_api":
            added.add(int(seq))
        else:
            removed.append(int(seq))
            live_on = int(seq) + 1 in added
            assert live_on or seq == timers[-1][1], timers
    assert len(removed) >= 2


def test_rule_4_a_call_is_settled_once(world):
    world.open_for_business()
    uuid = world.call(talk_us=10 * S)
    world.run(2)
    session = world.daemon.meter.calls.get((SWITCH, uuid))
    world.run(20)
    record = world.cdr(uuid)
    again = settle(
        world.db,
        world.daemon.book,
        session,
        msgspec.structs.replace(_ending(record), ended_us=record.ended_us + 5 * S),
        now_us=world.clock.now_us(),
    )
    assert again is None
    assert world.cdr(uuid) == record
    assert len(_charges(world)) == 1
    assert world.account().balance_micros == 1_000_000 - record.charge_micros


def test_rule_4_a_restart_in_mid_call_charges_once(world):
    world.open_for_business()
    uuid = world.call(talk_us=20 * S)
    world.run(10)
    world.kill_daemon()
    world.run(1)
    world.start_daemon()
    world.run(30)
    record = world.cdr(uuid)
    assert (record.billed_s, record.end_source) == (20, EndSource.EVENT)
    assert [entry.amount_micros for entry in _charges(world)] == [-200_000]
    assert world.holds() == []


def test_rule_4_a_top_up_counts_once_by_its_reference(world):
    world.open_for_business(credit="1.00")
    world.topup("acme", 5_000_000, "pay-1")
    world.topup("acme", 5_000_000, "pay-1")
    assert world.account().balance_micros == 6_000_000
    with world.db.write() as conn:
        other = entries.topup(
            conn, "acme", amount_micros=7_000_000, ref="pay-1", note="", at_us=world.clock.now_us()
        )
    assert isinstance(other, Refused)
    assert world.account().balance_micros == 6_000_000


def test_rule_5_a_lost_link_and_a_failed_sweep_end_nothing(world):
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None)
    world.run(5)
    world.link_is_up = False
    with pytest.raises(FsbillingError):
        world.daemon.sweep()
    world.run(3)
    assert len(world.holds()) == 1
    assert uuid in world.sim.channels
    world.link_is_up = True
    assert world.daemon.sweep(take_up=True) == 0
    world.run(3)
    assert world.daemon.sweep() == 0, "it lives: nothing is left to look at again"
    world.run(57)
    assert uuid in world.sim.channels
    assert world.cdrs(uuid) == []
    assert world.holds()[0].granted_s >= 60


def test_rule_5_a_call_that_ended_unseen_is_over_only_when_the_switch_said_so_twice(world):
    world.open_for_business()
    uuid = world.call(talk_us=8 * S)
    world.run(5)
    world.link_is_up = False
    world.run(10)
    world.link_is_up = True
    assert world.daemon.sweep(take_up=True) == 1
    assert world.cdrs(uuid) == []
    world.run(3)
    assert world.daemon.sweep() == 0
    record = world.cdr(uuid)
    assert record.end_source is EndSource.ESTIMATE
    assert record.billed_s <= 8
    assert world.holds() == []


def test_rule_6_the_switch_s_own_microseconds_are_billed(world):
    """9.000001 s are ten seconds, whatever `billsec` (truncated) and our own clock say."""
    world.open_for_business()
    uuid = world.call(talk_us=9 * S + 1)
    world.run(5)
    world.clock.move_to(world.clock.now_us() + 400_000)
    world.run(20)
    record = world.cdr(uuid)
    assert record.duration_us == record.ended_us - record.answered_us == 9 * S + 1
    assert record.billed_s == 10
    assert record.charge_micros == 100_000


@pytest.mark.parametrize(
    "written",
    [
        {"fsbilling_account": "victim"},
        {"sip_h_X-fsbilling_account": "victim"},
        {"sip_from_user": "victim", "sip_from_display": "victim"},
        {"sip_h_X-accountcode": "victim", "sip_h_P-Asserted-Identity": "victim"},
        {"sip_from_user_stripped": "victim", "sip_contact_user": "victim"},
    ],
)
def test_rule_7_what_a_caller_writes_never_picks_the_account(world, written):
    world.open_for_business()
    with world.db.write() as conn:
        world.add_account(conn, "victim", "100.00")
        conn.execute(
            text(
                "INSERT INTO line (kind, value, account_id) "
                "SELECT 'user', 'victim', id FROM account WHERE code = 'victim'"
            )
        )
    uuid = world.call(caller="victim", talk_us=5 * S, variables=written)
    world.run(20)
    assert world.account("victim").balance_micros == 100_000_000
    assert world.cdr(uuid).refusal == "unknown_payer"


def test_rule_7_a_caller_s_number_never_prices_an_outbound_call(world):
    cheap_for_shenzhen = Rate(origin="area:0755", rate_micros_per_min=6)
    world.open_for_business(rates=[CENT_A_SECOND, cheap_for_shenzhen])
    uuid = world.call(caller="075583765566", talk_us=10 * S)
    world.run(20)
    assert world.cdr(uuid).charge_micros == 100_000


def test_rule_8_one_function_prices_the_quote_the_live_call_and_the_cdr(world):
    """6/6 increments: hold and charge of a call that is cut are the same amount."""
    six = Rate(rate_micros_per_min=150_000, first_increment_s=6, next_increment_s=6)
    world.open_for_business(rates=[six], credit="0.10")
    uuid = world.call(talk_us=None)
    world.run(100)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros) == (36, 90_000)
    assert record.hung_up_by is HungUpBy.CREDIT
    assert world.account().balance_micros == 10_000
    assert all(type(value) is not float for value in msgspec.structs.astuple(record))


def test_rule_9_the_ledger_adds_up(world):
    world.open_for_business(credit="5.00")
    for talk_s in (3, 5, 8):
        world.call(talk_us=talk_s * S)
    world.run(30)
    with world.db.read() as conn:
        posted = entries.entries(conn, "acme", 100)
    assert sum(entry.amount_micros for entry in posted) == world.account().balance_micros
    assert world.ledger_faults() == []


@pytest.mark.parametrize("number", ["110", "119", "120", "122"])
def test_rule_10_emergencies_pass_and_are_never_billed(world, number):
    world.open_for_business(credit="0.00")
    world.sim.emergency = frozenset()
    asked = world.call(callee=number, talk_us=5 * S)
    world.run(2)
    assert asked in world.sim.channels
    world.run(10)
    assert world.cdrs(asked) == []


def test_rule_10_emergencies_pass_without_a_daemon_and_without_a_database(world):
    world.open_for_business()
    world.kill_daemon()
    uuid = world.call(callee="110", talk_us=5 * S)
    world.run(3)
    assert world.sim.channels[uuid].answered_us


def _ending(record):
    from fsbilling.calls.event import HungUp

    return HungUp(leg_uuid=record.uuid, ended_us=record.ended_us, cause=record.hangup_cause)


def _charges(world):
    with world.db.read() as conn:
        posted = entries.entries(conn, "acme", 100)
    return [entry for entry in posted if entry.kind == "charge"]
