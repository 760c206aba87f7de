"""Whole calls at virtual time, as a telecom engineer would try them."""

import pytest
from world import CENT_A_SECOND, SWITCH, S

from fsbilling.calls.cdr import EndSource, HungUpBy
from fsbilling.credit.account import Mode
from fsbilling.credit.throttle import Throttle
from fsbilling.errors import StoreError
from fsbilling.rating.rate import Rate
from fsbilling.sim.plan import Outcome, Service, Transfer
from fsbilling.store import accounts


def test_an_answered_call_is_charged_by_the_second_and_its_hold_given_back(world):
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=61 * S - 1)
    world.run(90)
    record = world.cdr(uuid)
    assert (record.billed_s, record.charge_micros) == (61, 610_000)
    assert (
        record.explanation == "std v1 row 1: caller *, callee *: 0.60/min, 1/1: 61 s -> 61 s = 0.61"
    )
    assert (record.hangup_cause, record.hung_up_by) == ("NORMAL_CLEARING", HungUpBy.CALLER)
    account = world.account()
    assert (account.balance_micros, account.held_micros) == (9_390_000, 0)


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (Outcome.BUSY, "USER_BUSY"),
        (Outcome.NO_ANSWER, "NO_ANSWER"),
        (Outcome.CANCEL, "ORIGINATOR_CANCEL"),
    ],
)
def test_a_call_that_is_not_answered_costs_nothing_and_leaves_a_cdr(world, outcome, cause):
    world.open_for_business()
    uuid = world.call(outcome=outcome, ring_us=20 * S)
    world.run(90)
    record = world.cdr(uuid)
    assert (record.hangup_cause, record.answered_us, record.charge_micros) == (cause, 0, 0)
    assert (world.account().balance_micros, world.holds()) == (1_000_000, [])


def test_a_400_call_is_paid_by_the_owner_at_the_price_of_the_caller_s_region(world):
    shenzhen = Rate(origin="area:0755", rate_micros_per_min=300_000, note="深圳")
    world.open_for_business(rates=[CENT_A_SECOND, shenzhen])
    near = world.call_400(talk_us=20 * S)
    far = world.call_400(caller="01065288888", talk_us=20 * S)
    world.run(60)
    assert world.cdr(near).charge_micros == 100_000
    assert world.cdr(near).caller_region.city == "深圳"
    assert world.cdr(far).charge_micros == 200_000


def test_who_hung_up_is_told_from_the_signalling(world):
    world.open_for_business(credit="10.00")
    by_callee = world.call(talk_us=5 * S, hung_up_by="callee")
    killed = world.call(talk_us=None)
    world.run(10)
    world.api(f"uuid_kill {killed} MANAGER_REQUEST")
    world.run(5)
    assert world.cdr(by_callee).hung_up_by is HungUpBy.CALLEE
    assert world.cdr(killed).hung_up_by is HungUpBy.OPERATOR


def test_a_prepaid_call_ends_inside_its_last_paid_second(world):
    world.open_for_business(credit="0.47")
    uuid = world.call(talk_us=None)
    world.run(100)
    record = world.cdr(uuid)
    assert 46_900_000 <= record.duration_us <= 47_000_000
    assert (record.billed_s, record.charge_micros, record.waived_micros) == (47, 470_000, 0)
    assert (record.hangup_cause, record.hung_up_by) == ("ALLOTTED_TIMEOUT", HungUpBy.CREDIT)
    assert world.account().balance_micros == 0


def warnings(world):
    return [command for command in world.commands if command.startswith("uuid_displace")]


def test_the_payer_is_warned_once_before_the_end(world):
    world.open_for_business(credit="0.60")
    uuid = world.call(talk_us=None)
    world.run(100)
    (warning,) = warnings(world)
    assert warning.startswith(f"uuid_displace {uuid} start tone_stream://%(200,100,950) 0 m")


def test_a_top_up_withdraws_the_warning_which_comes_again_when_it_is_due(world):
    world.open_for_business(credit="0.60")
    uuid = world.call(talk_us=None, ring_us=0)
    world.run(40)
    assert len(warnings(world)) == 1
    world.topup("acme", 600_000, "pay-2")
    world.run(40)
    assert len(warnings(world)) == 1, "120 s are paid for: the end is 40 s away"
    world.run(15)
    assert len(warnings(world)) == 2
    world.run(40)
    assert (len(warnings(world)), world.cdr(uuid).billed_s) == (2, 120)


def test_the_owner_of_a_400_number_is_warned_on_his_own_side(world):
    world.open_for_business(credit="0.60")
    caller_pays = world.call(talk_us=None)
    world.run(100)
    world.topup("acme", 600_000, "pay-2")
    owner_pays = world.call_400(talk_us=None)
    world.run(100)
    first, second = warnings(world)
    assert first.split()[1:2] == [caller_pays]
    assert second.split()[1:2] == [owner_pays]
    assert first.split()[-1] != second.split()[-1]


def test_a_call_after_zero_is_refused_with_a_cdr_that_says_why_and_served_after_a_top_up(world):
    world.open_for_business(credit="0.05")
    world.call(talk_us=None)
    world.run(30)
    refused = world.call()
    world.run(5)
    record = world.cdr(refused)
    assert (record.refusal, record.hangup_cause) == ("no_credit", "OUTGOING_CALL_BARRED")
    assert "top it up" in record.explanation
    world.topup("acme", 1_000_000, "pay-2")
    served = world.call(talk_us=10 * S)
    world.run(30)
    assert world.cdr(served).charge_micros == 100_000


def test_a_top_up_in_mid_call_lengthens_it(world):
    world.open_for_business(credit="0.20")
    uuid = world.call(talk_us=60 * S)
    world.run(12)
    world.topup("acme", 1_000_000, "pay-2")
    world.run(60)
    assert world.cdr(uuid).billed_s == 60


def test_postpaid_stops_at_its_credit_limit(world):
    world.open_for_business(credit="0", mode=Mode.POSTPAID, credit_limit_micros=300_000)
    uuid = world.call(talk_us=None)
    world.run(60)
    assert world.cdr(uuid).billed_s == 30
    assert world.account().balance_micros == -300_000
    refused = world.call()
    world.run(5)
    assert world.cdr(refused).refusal == "no_credit"


def test_a_suspended_account_places_no_calls(world):
    world.open_for_business()
    with world.db.write() as conn:
        accounts.set_suspended(conn, "acme", True)
    uuid = world.call()
    world.run(5)
    assert world.cdr(uuid).refusal == "suspended"


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({"variables": {}}, "unknown_payer"),
        ({"callee": "12025550123"}, "bad_number"),
        ({"callee": "4009999999", "service": Service.CALLED_PAYS}, "unknown_number"),
    ],
)
def test_a_call_that_cannot_be_charged_is_refused_and_recorded(world, plan, reason):
    world.open_for_business()
    uuid = world.call(**plan)
    world.run(5)
    assert world.cdr(uuid).refusal == reason


def test_a_destination_without_a_rate_is_refused(world):
    world.open_for_business(rates=[Rate(destination="prefix:86", rate_micros_per_min=1)])
    uuid = world.call(callee="0012025550123")
    world.run(5)
    assert world.cdr(uuid).refusal == "no_rate"


def test_an_originated_call_is_authorised_by_the_link_metered_and_cut(world):
    world.open_for_business(credit="0.30")
    uuid = world.call(
        service=Service.ORIGINATED, variables={"fsbilling_account": "acme"}, talk_us=None
    )
    world.run(60)
    record = world.cdr(uuid)
    assert (record.direction, record.billed_s) == ("outbound", 30)


def test_an_originated_call_without_credit_is_ended(world):
    world.open_for_business(credit="0")
    uuid = world.call(
        service=Service.ORIGINATED, variables={"fsbilling_account": "acme"}, talk_us=None
    )
    world.run(5)
    assert uuid not in world.sim.channels
    assert world.cdr(uuid).refusal == "no_credit"


def test_an_originated_call_is_guarded_by_the_switch_when_the_daemon_dies(world):
    world.open_for_business(credit="10")
    uuid = world.call(
        service=Service.ORIGINATED,
        variables={"fsbilling_account": "acme"},
        ring_us=0,
        talk_us=None,
    )
    world.run(1)
    world.kill_daemon()
    world.run(16)
    assert uuid not in world.sim.channels


@pytest.mark.parametrize("cause", ["BLIND_TRANSFER", "ATTENDED_TRANSFER"])
def test_after_a_transfer_by_the_payer_the_carrier_leg_is_billed_to_its_end(world, cause):
    world.open_for_business(credit="10.00")
    uuid = world.call(
        talk_us=None,
        transfer=Transfer(after_us=20 * S, to="1002", talk_us=40 * S, cause=cause),
    )
    world.run(120)
    record = world.cdr(uuid)
    assert record.billed_s == 60
    assert record.last_leg_uuid != uuid
    assert world.holds() == []


def test_after_a_transfer_the_credit_still_ends_the_call(world):
    world.open_for_business(credit="0.50")
    uuid = world.call(talk_us=None, transfer=Transfer(after_us=20 * S, to="1002", talk_us=400 * S))
    world.run(120)
    record = world.cdr(uuid)
    assert (record.billed_s, record.hung_up_by) == (50, HungUpBy.CREDIT)
    assert world.sim.channels == {}


def test_after_a_transfer_a_dead_daemon_gives_nothing_away(world):
    world.open_for_business(credit="10.00")
    world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=400 * S))
    world.run(10)
    world.kill_daemon()
    world.run(40)
    assert world.sim.channels == {}


def test_a_transfer_that_nobody_saw_is_found_by_the_leg_that_lives(world):
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None, transfer=Transfer(after_us=5 * S, to="1002", talk_us=400 * S))
    world.run(4)
    world.kill_daemon()
    world.run(4)
    world.start_daemon()
    world.run(3)
    world.daemon.sweep()
    world.run(60)
    assert world.cdrs(uuid) == []
    (hold,) = world.holds()
    assert hold.leg_uuid != uuid
    assert hold.granted_s > 60


def test_a_restarted_switch_ends_its_calls_at_their_last_sign_of_life(world):
    world.open_for_business(credit="10.00")
    uuid = world.call(talk_us=None)
    world.run(41)
    world.sim.restart()
    world.run(1)
    world.daemon.sweep(take_up=True)
    record = world.cdr(uuid)
    assert record.end_source is EndSource.ESTIMATE
    assert 0 < record.billed_s <= 41
    assert world.holds() == []


def test_a_400_number_reached_from_an_ivr_is_paid_for_from_there(world):
    """The operator's menu had answered: no second answer will ever be announced."""
    world.open_for_business(credit="0.30")
    channel = world.call_400(talk_us=None, outcome=Outcome.ANSWER)
    world.run(2)
    session = world.daemon.meter.calls.get((SWITCH, channel))
    assert session.answered_us


def test_calls_beyond_the_daemon_s_own_rate_are_refused_as_busy_and_emergencies_pass(world):
    world.open_for_business()
    world.daemon.reception._throttle = Throttle(2, world.clock.now_us)
    causes = {}

    def note(event):
        causes[event.headers["Unique-ID"]] = event.headers["Hangup-Cause"]

    world.sim.listen(note, {"CHANNEL_HANGUP_COMPLETE"})
    uuids = [world.call(talk_us=5 * S) for _ in range(4)]
    emergency = world.call(callee="110", talk_us=5 * S)
    world.run(2)
    assert emergency in world.sim.channels
    assert [uuid in world.sim.channels for uuid in uuids] == [True, True, False, False]
    assert causes == dict.fromkeys(uuids[2:], "SWITCH_CONGESTION")
    assert world.cdrs(uuids[3]) == []


def test_a_call_refused_because_sql_was_away_has_its_cdr_when_sql_is_back(world):
    world.open_for_business()
    reception = world.daemon.reception
    away, here = Away(), world.daemon.reception._authoriser._db
    reception._authoriser._db = away
    uuid = world.call()
    world.run(5)
    assert uuid not in world.sim.channels
    assert world.cdrs(uuid) == []
    reception._authoriser._db = here
    reception.unrecorded.write()
    record = world.cdr(uuid)
    assert (record.refusal, record.hangup_cause) == ("unavailable", "NORMAL_TEMPORARY_FAILURE")
    assert len(reception.unrecorded) == 0


class Away:
    """A database that does not answer."""

    def read(self):
        raise StoreError("away")

    write = read
