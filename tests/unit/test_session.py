"""The life of one call, step by step, at virtual time."""

import msgspec
import pytest

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.call import Call
from fsbilling.calls.cdr import EndSource, HungUpBy
from fsbilling.calls.pace import Pace
from fsbilling.calls.session import Phase, Session, resume, step
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import UNKNOWN_REGION
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms

S = 1_000_000
A_LEG = "aaaaaaaa-0000-4000-8000-000000000001"
B_LEG = "bbbbbbbb-0000-4000-8000-000000000001"
ANSWER = 1_800_000_000 * S
PACE = Pace(renew_lead_us=3 * S, cut_lead_us=100_000, warn_before_us=30 * S)


def ringing(*, granted_s=15, reserve_s=600, pace=PACE):
    number = Number("13800138000", NumberKind.MOBILE, "8613800138000")
    call = Call(
        switch="fs1",
        uuid=A_LEG,
        core_uuid="core",
        account="acme",
        service="outbound",
        direction="inbound",
        caller=number,
        callee=number,
        caller_region=UNKNOWN_REGION,
        callee_region=UNKNOWN_REGION,
        rated_caller=number,
        rated_caller_region=UNKNOWN_REGION,
        created_us=ANSWER - 5 * S,
    )
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=600_000))
    return Session(
        call=call,
        terms=terms,
        pace=pace,
        granted_s=granted_s,
        held_micros=granted_s * 10_000,
        reserve_s=reserve_s,
        leg_uuid=A_LEG,
    )


def talking(**changes):
    return step(ringing(**changes), on.Answered(ANSWER))[0]


def renewed(session, now_us, granted_s, reserve_s=600):
    return step(session, on.Renewed(now_us, granted_s, granted_s * 10_000, reserve_s))


def hung_up(at_us, leg=A_LEG, **more):
    return on.HungUp(leg_uuid=leg, ended_us=at_us, cause="NORMAL_CLEARING", **more)


def kinds(commands):
    return [type(command) for command in commands]


def test_the_answer_starts_the_meter():
    session, commands = step(ringing(), on.Answered(ANSWER))
    assert session.phase is Phase.TALKING
    assert commands == [do.RecordAnswer(ANSWER), do.WakeAt(ANSWER + 12 * S)]


def test_a_call_the_switch_may_not_have_armed_gets_a_timer_at_the_answer():
    originated = msgspec.structs.replace(ringing(), self_armed=False)
    session, commands = step(originated, on.Answered(ANSWER))
    assert commands[1] == do.MoveTimer(ANSWER + 15 * S, 1, ())
    _, commands = renewed(session, ANSWER + 12 * S, 45, 600)
    assert commands[0] == do.MoveTimer(ANSWER + 45 * S, 2, (1, 0))


def test_a_first_slice_shorter_than_the_lead_waits_until_the_switch_has_set_its_timer():
    _, commands = step(ringing(granted_s=2), on.Answered(ANSWER))
    assert commands[-1] == do.WakeAt(ANSWER + 300_000)


def test_a_second_answer_changes_nothing():
    session = talking()
    assert step(session, on.Answered(ANSWER + S)) == (session, [])


def test_a_slice_is_renewed_ahead_of_its_end():
    session, commands = step(talking(), on.Woken(ANSWER + 12 * S))
    assert commands == [do.Renew()]
    session, commands = renewed(session, ANSWER + 12 * S, 45, 600)
    assert commands == [
        do.MoveTimer(ANSWER + 45 * S, 1, (0,)),
        do.WakeAt(ANSWER + 42 * S),
    ]
    assert (session.granted_s, session.held_micros) == (45, 450_000)


def test_the_switch_is_told_only_after_the_hold_is_committed():
    """Rules 2 and 3: the timer moves in answer to `Renewed`, never in the same breath."""
    _, commands = step(talking(), on.Woken(ANSWER + 12 * S))
    assert do.MoveTimer not in kinds(commands)


def test_without_credit_the_call_looks_once_more_and_is_then_cut_inside_its_last_second():
    session = step(talking(reserve_s=0), on.Woken(ANSWER + 12 * S))[0]
    session, commands = renewed(session, ANSWER + 12 * S, 15, 0)
    exact = do.MoveTimer(ANSWER + 15 * S, 1, (0,))
    assert commands == [exact, do.Warn(), do.WakeAt(ANSWER + 13_400_000)]
    session, commands = step(session, on.Woken(ANSWER + 13_400_000))
    assert commands == [do.Renew()]
    session, commands = renewed(session, ANSWER + 13_400_000, 15, 0)
    assert commands == [do.WakeAt(ANSWER + 14_900_000)]
    session, commands = step(session, on.Woken(ANSWER + 14_900_000))
    assert commands == [do.Cut(A_LEG, HungUpBy.CREDIT), do.WakeAt(ANSWER + 15_900_000)]
    session, commands = step(session, hung_up(ANSWER + 14_910_000, by=HungUpBy.SWITCH))
    assert kinds(commands) == [do.RemoveTimer, do.Settle]
    assert session.ending.by is HungUpBy.CREDIT


def test_a_cut_is_repeated_until_the_switch_confirms_it():
    session = step(talking(), on.Woken(ANSWER + 15 * S))[0]
    _, commands = step(session, on.Woken(ANSWER + 16 * S))
    assert commands[0] == do.Cut(A_LEG, HungUpBy.CREDIT)


def test_a_top_up_before_the_cut_lets_the_call_go_on():
    session = talking(reserve_s=0)
    session = renewed(session, ANSWER + 12 * S, 15, 0)[0]
    session, commands = renewed(session, ANSWER + 13_400_000, 45, 600)
    assert kinds(commands) == [do.MoveTimer, do.WakeAt]
    assert not session.dry
    assert not session.warned


def test_a_dry_call_woken_a_moment_before_its_cut_asks_no_more():
    """Its timer is in its last second: a second paid for now would be held and not talked."""
    session = renewed(talking(reserve_s=0), ANSWER + 13_400_000, 15, 0)[0]
    _, commands = step(session, on.Woken(ANSWER + 14_899_990))
    assert commands == [do.WakeAt(ANSWER + 14_900_000)]


def test_the_warning_comes_once_and_again_after_it_was_withdrawn():
    session = talking(granted_s=60)
    session, commands = renewed(session, ANSWER + 50 * S, 70, 5)
    assert do.Warn() in commands
    session, commands = renewed(session, ANSWER + 60 * S, 75, 0)
    assert do.Warn() not in commands
    session, commands = renewed(session, ANSWER + 70 * S, 100, 900)
    assert not session.warned
    session, commands = renewed(session, ANSWER + 95 * S, 105, 3)
    assert do.Warn() in commands


def test_the_call_is_looked_at_when_the_warning_may_be_due():
    """15 s granted and 40 s in reserve: the end is 55 s away, the warning 25 s."""
    session, _ = step(ringing(granted_s=60, reserve_s=10), on.Answered(ANSWER))
    assert renewed(session, ANSWER + 30 * S, 90, 5)[1][-1] == do.WakeAt(ANSWER + 65 * S)


def test_no_warning_when_it_is_turned_off():
    quiet = msgspec.structs.replace(PACE, warn_before_us=0)
    _, commands = renewed(talking(pace=quiet), ANSWER + 12 * S, 16, 0)
    assert do.Warn() not in commands


@pytest.mark.parametrize("now_s", [12.0, 13.5, 14.89])
def test_an_unknown_renewal_is_repeated_until_the_paid_seconds_are_over(now_s):
    """Rule 5: SQL that does not answer ends nothing; rule 2: but nothing unpaid is given."""
    now_us = ANSWER + int(now_s * S)
    _, commands = step(talking(), on.RenewalUnknown(now_us))
    (wake,) = commands
    assert now_us < wake.at_us <= ANSWER + 14_900_000
    assert kinds(step(talking(), on.Woken(ANSWER + 14_900_000))[1]) == [do.Cut, do.WakeAt]


def test_a_hang_up_before_the_answer_is_settled_without_a_timer():
    session, commands = step(ringing(), hung_up(ANSWER))
    assert session.phase is Phase.SETTLING
    assert kinds(commands) == [do.Settle]
    assert session.answered_us == 0


def test_an_answer_that_was_missed_comes_with_the_hang_up():
    session, _ = step(ringing(), hung_up(ANSWER + 9 * S, answered_us=ANSWER))
    assert session.answered_us == ANSWER


def test_settling_is_repeated_until_sql_answers_and_then_forgotten():
    session, _ = step(talking(), hung_up(ANSWER + 9 * S))
    session, commands = step(session, on.SettlementUnknown(ANSWER + 10 * S))
    assert commands == [do.WakeAt(ANSWER + 10_500_000)]
    session, commands = step(session, on.Woken(ANSWER + 10_500_000))
    assert commands == [do.Settle(hung_up(ANSWER + 9 * S))]
    session, commands = step(session, on.Settled())
    assert (session.phase, commands) == (Phase.GONE, [do.Forget()])


def test_a_second_hang_up_changes_nothing():
    session, _ = step(talking(), hung_up(ANSWER + 9 * S))
    assert step(session, hung_up(ANSWER + 11 * S)) == (session, [])


def test_the_hang_up_of_another_leg_changes_nothing():
    session = talking()
    assert step(session, hung_up(ANSWER + 9 * S, leg=B_LEG)) == (session, [])


def transferred():
    left = hung_up(ANSWER + 9 * S, other_leg_uuid=B_LEG, transferred=True)
    return step(talking(granted_s=60), left)


def test_after_a_transfer_the_carrier_leg_is_followed_to_its_end():
    session, commands = transferred()
    assert session.phase is Phase.LEAVING
    assert commands == [do.Follow(B_LEG)]
    session, commands = step(session, on.LegLives(B_LEG, ANSWER + 9 * S))
    assert (session.phase, session.leg_uuid) == (Phase.TALKING, B_LEG)
    assert kinds(commands) == [do.WakeAt]
    assert step(session, hung_up(ANSWER + 9 * S)) == (session, [])
    session, commands = step(session, hung_up(ANSWER + 50 * S, leg=B_LEG))
    assert session.ending.ended_us == ANSWER + 50 * S
    assert session.answered_us == ANSWER


def test_who_refers_while_the_consult_call_rings_pays_from_the_carrier_leg_s_answer():
    left = hung_up(ANSWER - S, other_leg_uuid=B_LEG, transferred=True)
    session, commands = step(ringing(), left)
    assert commands == [do.Follow(B_LEG)]
    ringing_on, commands = step(session, on.LegLives(B_LEG, ANSWER - S))
    assert (ringing_on.phase, ringing_on.leg_uuid, commands) == (Phase.RINGING, B_LEG, [])
    talking_on, commands = step(ringing_on, on.Answered(ANSWER))
    assert commands[1] == do.MoveTimer(ANSWER + 15 * S, 1, ())
    at_once, _ = step(session, on.LegLives(B_LEG, ANSWER + S, ANSWER))
    assert at_once.answered_us == talking_on.answered_us == ANSWER
    ended, _ = step(talking_on, hung_up(ANSWER + 9 * S, leg=B_LEG))
    assert ended.ending.leg_uuid == B_LEG


def test_after_a_transfer_the_cut_reaches_the_carrier_leg():
    session = step(transferred()[0], on.LegLives(B_LEG, ANSWER + 9 * S))[0]
    _, commands = step(session, on.Woken(ANSWER + 60 * S))
    assert commands[0] == do.Cut(B_LEG, HungUpBy.CREDIT)


def test_a_payer_who_left_in_the_moment_of_the_cut_leaves_a_leg_that_is_cut():
    """Seed 770236 of the simulation: settled at once, the carrier leg had no timer any more."""
    dry, _ = renewed(talking(granted_s=15), ANSWER + 12 * S, 15, reserve_s=0)
    session, commands = step(dry, on.Woken(ANSWER + 15 * S - PACE.cut_lead_us))
    assert do.Cut(A_LEG, HungUpBy.CREDIT) in commands
    left = hung_up(ANSWER + 15 * S - PACE.cut_lead_us, other_leg_uuid=B_LEG, transferred=True)
    session, commands = step(session, left)
    assert commands == [do.Follow(B_LEG)]
    session, commands = step(session, on.LegLives(B_LEG, ANSWER + 15 * S))
    _, commands = step(session, on.Woken(ANSWER + 15 * S))
    assert commands[0] == do.Cut(B_LEG, HungUpBy.CREDIT)


def test_a_carrier_leg_that_ended_with_the_paying_leg_ends_the_billing():
    session, commands = step(transferred()[0], on.LegEnded(B_LEG))
    assert session.ending.ended_us == ANSWER + 9 * S
    assert kinds(commands) == [do.RemoveTimer, do.Settle]


def test_a_carrier_leg_that_ended_a_little_later_is_billed_to_its_own_end():
    session, _ = step(transferred()[0], on.LegEnded(B_LEG, ANSWER + 10 * S))
    assert (session.ending.ended_us, session.ending.leg_uuid) == (ANSWER + 10 * S, B_LEG)


def test_a_leg_nobody_knows_about_is_asked_for_again_and_cut_when_the_paid_seconds_end():
    session, commands = step(transferred()[0], on.LegUnknown(B_LEG, ANSWER + 9 * S))
    assert commands == [do.WakeAt(ANSWER + 9_500_000)]
    _, commands = step(session, on.Woken(ANSWER + 9_500_000))
    assert commands == [do.Follow(B_LEG)]
    over_us = ANSWER + 60 * S
    _, commands = step(session, on.Woken(over_us))
    assert commands == [do.Follow(B_LEG)]
    _, commands = step(session, on.LegUnknown(B_LEG, over_us))
    assert commands == [do.WakeAt(over_us + session.pace.retry_us)]
    session, commands = step(session, on.LegLives(B_LEG, over_us))
    assert commands == [do.WakeAt(over_us)]
    _, commands = step(session, on.Woken(over_us))
    assert commands[0] == do.Cut(B_LEG, HungUpBy.CREDIT)


def test_a_call_taken_up_again_sets_a_new_timer_before_removing_what_may_stand():
    session = msgspec.structs.replace(talking(), timer_seq=7)
    session, commands = resume(session, ANSWER + 5 * S)
    assert commands == [
        do.MoveTimer(ANSWER + 15 * S, 9, (8, 7, 6)),
        do.WakeAt(ANSWER + 5 * S),
    ]


def test_a_ringing_call_taken_up_again_waits_for_its_answer():
    session = ringing()
    assert resume(session, ANSWER) == (session, [])


def test_the_source_of_an_end_is_kept():
    session, _ = step(talking(), hung_up(ANSWER + 9 * S, source=EndSource.WITNESS))
    assert session.ending.source is EndSource.WITNESS


def test_little_credit_is_renewed_later_so_that_calls_hold_less_ahead_of_each_other():
    quiet = msgspec.structs.replace(PACE, warn_before_us=0)
    for reserve_s, due_s in ((600, 42), (10, 43)):
        _, commands = renewed(talking(pace=quiet), ANSWER + 12 * S, 45, reserve_s)
        assert commands[-1] == do.WakeAt(ANSWER + due_s * S)


def changed(session, now_us, *, granted_s, reserve_s, **more):
    reckoned = {"before_s": session.granted_s, "held_micros": granted_s * 10_000}
    event = on.CreditChanged(
        now_us=now_us, granted_s=granted_s, reserve_s=reserve_s, **(reckoned | more)
    )
    return step(session, event)


def test_a_top_up_takes_the_warning_back_and_it_comes_again_when_due():
    session = renewed(talking(), ANSWER + 12 * S, 30, 5)[0]
    assert session.warned
    session, commands = changed(session, ANSWER + 20 * S, granted_s=30, reserve_s=60)
    assert not session.warned
    assert commands == [do.WakeAt(ANSWER + 27 * S)]
    session, commands = renewed(session, ANSWER + 62 * S, 65, 25)
    assert do.Warn() in commands


def test_a_call_without_credit_asks_again_as_soon_as_there_is_some():
    dry = renewed(talking(reserve_s=0), ANSWER + 12 * S, 15, 0)[0]
    assert changed(dry, ANSWER + 12 * S, granted_s=15, reserve_s=9)[1] == [do.Renew()]
    assert do.Renew() not in changed(dry, ANSWER + 12 * S, granted_s=15, reserve_s=0)[1]


def test_the_warning_comes_at_once_when_credit_is_taken_away():
    session = renewed(talking(), ANSWER + 12 * S, 45, 600)[0]
    _, commands = changed(session, ANSWER + 20 * S, granted_s=45, reserve_s=0)
    assert commands[0] == do.Warn()


def test_a_hold_is_given_back_by_an_earlier_timer_first():
    """Rules 2 and 3: the session keeps the old end until the smaller hold is committed."""
    session, commands = changed(
        renewed(talking(), ANSWER + 12 * S, 45, 600)[0],
        ANSWER + 13 * S,
        granted_s=16,
        reserve_s=1,
    )
    assert commands == [do.GiveBack(16, 160_000, 0, ANSWER + 16 * S, 2)]
    assert (session.granted_s, session.timer_seq) == (45, 1)
    session, commands = step(session, on.GaveBack(ANSWER + 13 * S, 16, 160_000))
    assert commands[:2] == [do.RemoveTimer(1), do.RemoveTimer(0)]
    assert (session.granted_s, session.held_micros, session.timer_seq) == (16, 160_000, 2)


def test_a_ringing_call_gives_back_by_a_smaller_timer_to_come():
    session, commands = changed(ringing(), ANSWER - 9 * S, granted_s=3, reserve_s=0)
    assert commands == [do.GiveBack(3, 30_000, 0, 0, 0)]
    session, commands = step(session, on.GaveBack(ANSWER - 9 * S, 3, 30_000))
    assert (session.granted_s, session.held_micros, session.timer_seq) == (3, 30_000, 0)
    assert commands == []


def test_a_ringing_call_s_timer_in_doubt_is_replaced_as_soon_as_it_stands():
    session, commands = step(ringing(), on.NotGivenBack())
    assert commands == []
    assert changed(session, ANSWER - 8 * S, granted_s=3, reserve_s=0) == (session, [])
    _, commands = step(session, on.Answered(ANSWER))
    assert commands[-1] == do.WakeAt(ANSWER + PACE.answer_settles_us)


def test_nothing_is_given_back_before_the_switch_has_set_its_own_timer():
    session, commands = changed(talking(), ANSWER + 200_000, granted_s=3, reserve_s=0)
    assert do.GiveBack not in kinds(commands)
    assert session.granted_s == 15


def test_a_timer_that_may_not_stand_is_removed_and_the_hold_stays():
    before = renewed(talking(), ANSWER + 12 * S, 45, 600)[0]
    session, commands = step(before, on.NotGivenBack())
    assert commands == [do.RemoveTimer(2)]
    assert session.granted_s == before.granted_s
    _, commands = renewed(session, ANSWER + 42 * S, 60)
    assert (moved(commands).to_seq, moved(commands).from_seqs) == (3, (2, 1, 0))


def moved(commands):
    (move,) = [command for command in commands if isinstance(command, do.MoveTimer)]
    return move


def test_a_timer_that_may_still_stand_is_removed_by_moves_until_the_switch_says_so():
    """An answer lost on a living link: the earlier timer would end a paid call too early."""
    session, commands = renewed(talking(), ANSWER + 12 * S, 30)
    assert moved(commands).from_seqs == (0,)
    session, commands = step(session, on.TimerUnknown(ANSWER + 12 * S, (0,), is_linked=True))
    assert commands == [do.WakeAt(ANSWER + 12 * S + PACE.retry_us)]
    session, commands = step(session, on.Woken(ANSWER + 12 * S + PACE.retry_us))
    assert (moved(commands).to_seq, moved(commands).from_seqs) == (2, (1, 0))
    assert not any(isinstance(command, do.Renew) for command in commands)
    session, _ = step(session, on.TimerUnknown(ANSWER + 17 * S, (1, 0), is_linked=True))
    session, commands = renewed(session, ANSWER + 27 * S, 45)
    assert moved(commands).from_seqs == (2, 1, 0)
    session, commands = renewed(session, ANSWER + 42 * S, 60)
    assert moved(commands).from_seqs == (3,)


def test_a_call_without_credit_is_still_rid_of_an_earlier_timer():
    session, _ = renewed(talking(), ANSWER + 12 * S, 30)
    session, _ = step(session, on.TimerUnknown(ANSWER + 13 * S, (0,), is_linked=True))
    _, commands = renewed(session, ANSWER + 27 * S, 30, reserve_s=0)
    assert moved(commands).from_seqs == (1, 0)


def test_on_a_lost_link_the_timers_wait_until_the_call_is_taken_up():
    session, _ = renewed(talking(), ANSWER + 12 * S, 30)
    session, commands = step(session, on.TimerUnknown(ANSWER + 12 * S, (0,), is_linked=False))
    assert commands == []
    session, _ = renewed(session, ANSWER + 27 * S, 45)
    session, _ = step(session, on.TimerUnknown(ANSWER + 27 * S, (1, 0), is_linked=False))
    _, commands = resume(session, ANSWER + 30 * S)
    assert {0, 1, 2} <= set(moved(commands).from_seqs)


@pytest.mark.parametrize("call", [ringing(), talking()])
def test_a_suspended_account_s_calls_end_by_the_operator(call):
    session, commands = step(call, on.Suspended())
    assert commands == [do.Cut(A_LEG, HungUpBy.OPERATOR)]
    session, _ = step(session, hung_up(ANSWER + 9 * S, by=HungUpBy.SWITCH))
    assert session.ending.by is HungUpBy.OPERATOR


def test_a_call_that_ends_by_a_cap_says_so():
    bound = on.Renewed(ANSWER + 12 * S, 15, 150_000, 0, bound=HungUpBy.DAILY_CAP)
    session = step(step(talking(), bound)[0], on.Woken(ANSWER + 14_900_000))[0]
    session, _ = step(session, hung_up(ANSWER + 14_910_000, by=HungUpBy.SWITCH))
    assert session.ending.by is HungUpBy.DAILY_CAP


def test_what_was_reckoned_before_a_renewal_gives_nothing_back_after_it():
    """Seed 41 of the simulation: the renewal stood in the call's mailbox before the news."""
    session = renewed(talking(), ANSWER + 12 * S, 45, 600)[0]
    stale = changed(session, ANSWER + 13 * S, granted_s=15, reserve_s=0, before_s=15)
    assert stale == (session, [])


def test_credit_that_comes_in_the_last_second_is_too_late():
    """Seed 5353 of the simulation: a timer in its last second fires though it was replaced."""
    dry = renewed(talking(reserve_s=0), ANSWER + 12 * S, 15, 0)[0]
    assert do.Renew() in changed(dry, ANSWER + 13_500_000, granted_s=15, reserve_s=9)[1]
    assert do.Renew() not in changed(dry, ANSWER + 13_500_001, granted_s=15, reserve_s=9)[1]
