"""The life of one call: `step(session, event) -> (session, commands)`.

    RINGING --answered--> TALKING --hung up--> SETTLING --settled--> gone
       |                     |  ^                  ^
       |                     |  +--leg lives--+    |
       |                     +--transferred--> LEAVING --leg ended--+
       +--hung up unanswered------------------------+

Nothing here waits, reads a clock or talks to anyone: the outcome of every command comes back
as an event. That makes each fault replayable in a test. While a call TALKS or is LEAVING the
invariant is: `granted_s` is paid for by a committed hold, and a timer in the switch ends the
call when those seconds are over (DESIGN rules 2 and 3).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.call import SERVICE_400, Call
from fsbilling.calls.cdr import HungUpBy
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S
from fsbilling.rating.terms import Terms


class Phase(StrEnum):
    """Where in its life a call is."""

    RINGING = "ringing"
    TALKING = "talking"
    LEAVING = "leaving"
    SETTLING = "settling"
    GONE = "gone"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One live call.

    Attributes:
        call: Who calls whom, and who pays.
        terms: The price it was started with.
        pace: How far ahead things happen.
        phase: Where in its life it is.
        granted_s: Seconds, counted from the answer, that the committed hold pays for.
        held_micros: The hold.
        included_s: What the hold has of the package.
        reserve_s: How much longer its share of credit and package would last (an estimate).
        answered_us: The answer stamp; 0 while ringing.
        leg_uuid: The channel whose end ends the billing: the paying leg, or the one it follows.
        timer_seq: The switch-side timer that stands now. Timer 0 is set by the switch itself at
            the answer, to the whole second; the meter's own are exact.
        stale_seqs: Earlier timers that may stand still, as the switch did not say: the next move
            removes them. They would end the call too early, never too late.
        in_doubt: While it rang it was to give some back, and whether timer 0 will be the earlier
            one is unknown.
        self_armed: The switch is sure to set timer 0: it was told before the call could be
            answered. Not so for a call that a dialler originates.
        dry: The last renewal found no credit for another second.
        warned: The payer has heard the warning.
        cut: We have ended it, for the reason in `bound`.
        bound: What ends it when no more is granted: credit, a cap, its length, or an operator.
        left: The paying leg's own end, while another leg lives on; None before that.
        ending: What ends the billing, while it is being settled.
    """

    call: Call
    terms: Terms
    pace: Pace
    phase: Phase = Phase.RINGING
    granted_s: int
    held_micros: int
    included_s: int = 0
    reserve_s: int = 0
    answered_us: int = 0
    leg_uuid: str
    timer_seq: int = 0
    stale_seqs: tuple[int, ...] = ()
    self_armed: bool = True
    in_doubt: bool = False
    dry: bool = False
    warned: bool = False
    cut: bool = False
    bound: HungUpBy = HungUpBy.CREDIT
    left: on.HungUp | None = None
    ending: on.HungUp | None = None

    @property
    def paid_until_us(self) -> int:
        """The moment the granted seconds are over; meaningful once answered."""
        return self.answered_us + self.granted_s * US_PER_S


Step = tuple[Session, list[do.Command]]


def step(session: Session, event: on.Event) -> Step:  # noqa: PLR0911 -- a return an event
    """Let one thing happen to a call; events that no longer matter change nothing."""
    match event:
        case on.Answered(at_us=at_us):
            return _answer(session, at_us)
        case on.Woken(now_us=now_us):
            return _wake(session, now_us)
        case on.Renewed():
            return _renewed(session, event)
        case on.RenewalUnknown(now_us=now_us) | on.LegUnknown(now_us=now_us):
            return session, [_look_again(session, now_us)]
        case on.HungUp():
            return _hang_up(session, event)
        case on.LegLives():
            return _follow(session, event)
        case on.LegEnded():
            return _stop_following(session, event)
        case on.Settled():
            return _change(session, phase=Phase.GONE), [do.Forget()]
        case on.SettlementUnknown(now_us=now_us):
            return session, [do.WakeAt(now_us + session.pace.retry_us)]
        case _:
            return _by_other_hands(session, event)


def resume(session: Session, now_us: int) -> Step:
    """Take a call up again after a restart or a lost link: its timer is set anew."""
    if session.phase is not Phase.TALKING:
        return session, []
    # The daemon may have died between committing a timer's number and moving the timer, so the
    # one before the recorded one may still stand; or, giving back, between adding a timer and
    # committing its number, so the one after it may.
    seq = session.timer_seq
    session = _change(session, timer_seq=seq + 1)
    armed, move = _move_timer(session, seq + 1, seq, max(seq - 1, 0))
    return armed, [move, do.WakeAt(now_us)]


def _answer(session: Session, at_us: int) -> Step:
    if session.phase is not Phase.RINGING:
        return session, []
    talking = _change(session, phase=Phase.TALKING, answered_us=at_us)
    commands: list[do.Command] = [do.RecordAnswer(at_us)]
    if not session.self_armed:
        # Timer 0 may be set after this, too late to be removed now: the next move removes it.
        talking, move = _move_timer(talking)
        commands.append(move)
    # The switch sets timer 0 just after it has told of the answer (switch_channel.c).
    first_look_us = at_us + session.pace.answer_settles_us
    if not session.in_doubt:
        first_look_us = max(_renewal_due_us(talking), first_look_us)
    return talking, [*commands, do.WakeAt(first_look_us)]


def _wake(session: Session, now_us: int) -> Step:  # noqa: PLR0911 -- a return a phase
    match session.phase:
        case Phase.SETTLING if session.ending:
            return session, [do.Settle(session.ending)]
        case Phase.LEAVING if session.left:
            # Also when it is over: if the leg lives, it is cut as the one that is followed.
            return session, [do.Follow(session.left.other_leg_uuid)]
        case Phase.TALKING if _is_over(session, now_us):
            return _cut(session, now_us)
        case Phase.TALKING if session.dry and now_us > session.paid_until_us - US_PER_S:
            # Woken a moment early. Its timer is in its last second and can no longer be moved:
            # what is paid for now would not be talked (switch.node).
            return session, [do.WakeAt(session.paid_until_us - session.pace.cut_lead_us)]
        case Phase.TALKING if session.stale_seqs and now_us < _renewal_due_us(session):
            session, move = _move_timer(session, *_standing(session))
            return _look_ahead(session, now_us, [move])
        case Phase.TALKING:
            return session, [do.Renew()]
        case _:
            return session, []


def _cut(session: Session, now_us: int) -> Step:
    """End the call; say so again every so often until the switch confirms it."""
    again = do.WakeAt(now_us + session.pace.cut_again_us)
    return _change(session, cut=True), [do.Cut(session.leg_uuid, session.bound), again]


def _suspend(session: Session) -> Step:
    """End it as an operator would; said again by whoever sees that it still lives."""
    if session.phase not in (Phase.RINGING, Phase.TALKING):
        return session, []
    ended = _change(session, cut=True, bound=HungUpBy.OPERATOR)
    return ended, [do.Cut(session.leg_uuid, HungUpBy.OPERATOR)]


def _renewed(session: Session, renewed: on.Renewed) -> Step:
    grew = renewed.granted_s > session.granted_s
    session = _change(
        session,
        granted_s=renewed.granted_s,
        held_micros=renewed.held_micros,
        included_s=renewed.included_s,
        reserve_s=renewed.reserve_s,
        dry=not grew,
        bound=renewed.bound,
    )
    if session.phase is not Phase.TALKING:
        return session, []
    commands: list[do.Command] = []
    # Timer 0 knows whole seconds only: it is early. A dialler's call may still have it.
    is_early = session.timer_seq == 0 or (session.timer_seq == 1 and not session.self_armed)
    if grew or is_early or session.stale_seqs:
        session, move = _move_timer(session, *_standing(session))
        commands.append(move)
    return _look_ahead(session, renewed.now_us, commands)


def _look_ahead(session: Session, now_us: int, commands: list[do.Command]) -> Step:
    """Warn, or take a warning back, as the end comes near or goes; say when to look again."""
    left_us = session.paid_until_us + session.reserve_s * US_PER_S - now_us
    if left_us > session.pace.warn_before_us:
        session = _change(session, warned=False)
    elif not session.warned and session.pace.warn_before_us:
        session = _change(session, warned=True)
        commands.append(do.Warn())
    return session, [*commands, _next_look(session, now_us, _renewal_due_us(session))]


def _by_other_hands(
    session: Session,
    event: on.CreditChanged | on.Suspended | on.GaveBack | on.NotGivenBack | on.TimerUnknown,
) -> Step:
    match event:
        case on.CreditChanged():
            return _credit_changed(session, event)
        case on.Suspended():
            return _suspend(session)
        case on.GaveBack():
            return _gave_back(session, event)
        case on.NotGivenBack():
            if session.phase is Phase.RINGING:
                return _change(session, in_doubt=True), []
            return session, [do.RemoveTimer(session.timer_seq + 1)]
        case on.TimerUnknown():
            return _timer_unknown(session, event)


def _credit_changed(session: Session, changed: on.CreditChanged) -> Step:
    """Go on longer, or give back what others need more, as the account now stands."""
    if session.cut or changed.before_s != session.granted_s:
        return session, []
    if session.phase is Phase.RINGING and not session.in_doubt:
        return session, [_give_back(session, changed)] if _asks_back(session, changed) else []
    if session.phase is not Phase.TALKING:
        return session, []
    session = _change(session, reserve_s=changed.reserve_s)
    settled_us = session.answered_us + session.pace.answer_settles_us
    if _asks_back(session, changed) and changed.now_us >= settled_us:
        return session, [_give_back(session, changed)]
    # Later its timer, in its last second, would fire although it was replaced.
    in_time = changed.now_us <= session.paid_until_us - session.pace.last_try_us
    if in_time and session.dry and changed.reserve_s:
        return session, [do.Renew()]
    return _look_ahead(session, changed.now_us, [])


def _asks_back(session: Session, changed: on.CreditChanged) -> bool:
    return changed.granted_s < session.granted_s


def _give_back(session: Session, changed: on.CreditChanged) -> do.GiveBack:
    rings = session.phase is Phase.RINGING
    return do.GiveBack(
        granted_s=changed.granted_s,
        held_micros=changed.held_micros,
        included_s=changed.included_s,
        at_us=0 if rings else session.answered_us + changed.granted_s * US_PER_S,
        to_seq=0 if rings else session.timer_seq + 1,
    )


def _gave_back(session: Session, gave: on.GaveBack) -> Step:
    stale = _standing(session)
    session = _change(
        session,
        granted_s=gave.granted_s,
        held_micros=gave.held_micros,
        included_s=gave.included_s,
    )
    if session.phase is Phase.RINGING:
        return session, []
    session = _change(session, timer_seq=session.timer_seq + 1)
    return _look_ahead(session, gave.now_us, [do.RemoveTimer(seq) for seq in stale])


def _hang_up(session: Session, ended: on.HungUp) -> Step:
    if session.phase in (Phase.SETTLING, Phase.GONE) or ended.leg_uuid != _ending_leg(session):
        return session, []
    if session.phase is Phase.RINGING and ended.answered_us:
        # The answer was missed while the link was down; the hang-up carries its stamp.
        session = _change(session, answered_us=ended.answered_us)
    if _leaves_carrier_leg(session, ended):
        leaving = _change(session, phase=Phase.LEAVING, left=ended)
        return leaving, [do.Follow(ended.other_leg_uuid)]
    if session.cut:
        ended = msgspec.structs.replace(ended, by=session.bound)
    return _settle(session, ended)


def _leaves_carrier_leg(session: Session, ended: on.HungUp) -> bool:
    """Tell whether a leg that was paid for may live on without the paying one.

    A 400 call's paying leg is the carrier leg itself. A leg that we cut is not followed: every
    leg of its call ends with it.
    """
    return (
        session.phase in (Phase.RINGING, Phase.TALKING)
        and session.call.service != SERVICE_400
        and session.leg_uuid == session.call.uuid
        and not session.cut
        and ended.transferred
        and ended.other_leg_uuid != ""
    )


def _ending_leg(session: Session) -> str:
    """The channel whose hang-up ends the billing now."""
    if session.phase is Phase.LEAVING and session.left:
        return session.left.other_leg_uuid
    return session.leg_uuid


def _follow(session: Session, leg: on.LegLives) -> Step:
    if session.phase is not Phase.LEAVING:
        return session, []
    # Who refers while the consult call rings leaves unanswered: the carrier leg's answer counts.
    following = _change(
        session,
        phase=Phase.TALKING if session.answered_us else Phase.RINGING,
        leg_uuid=leg.leg_uuid,
        self_armed=session.self_armed and session.answered_us != 0,
    )
    if not session.answered_us:
        return _answer(following, leg.answered_us) if leg.answered_us else (following, [])
    return following, [_next_look(following, leg.now_us, _renewal_due_us(following))]


def _stop_following(session: Session, leg: on.LegEnded) -> Step:
    left = session.left
    if session.phase is not Phase.LEAVING or left is None or leg.leg_uuid != left.other_leg_uuid:
        return session, []
    if leg.ended_us <= left.ended_us:
        return _settle(session, left)
    return _settle(
        session, msgspec.structs.replace(left, leg_uuid=leg.leg_uuid, ended_us=leg.ended_us)
    )


def _settle(session: Session, ending: on.HungUp) -> Step:
    settling = _change(session, phase=Phase.SETTLING, ending=ending)
    commands: list[do.Command] = [do.Settle(ending)]
    if session.answered_us:
        commands.insert(0, do.RemoveTimer(session.timer_seq))
    return settling, commands


def _standing(session: Session) -> tuple[int, ...]:
    """The timers that may stand now: timer 0 is set by the switch whatever we do."""
    seq = session.timer_seq
    return (1, 0) if seq == 1 else (seq,)


def _move_timer(session: Session, *from_seqs: int) -> tuple[Session, do.MoveTimer]:
    stale = tuple(dict.fromkeys((*from_seqs, *session.stale_seqs)))
    moved = _change(session, timer_seq=session.timer_seq + 1, stale_seqs=())
    return moved, do.MoveTimer(moved.paid_until_us, moved.timer_seq, stale)


def _timer_unknown(session: Session, unknown: on.TimerUnknown) -> Step:
    """Remember what may stand; ask again soon, unless the link is down: then it is taken up."""
    stale = tuple(dict.fromkeys((*session.stale_seqs, *unknown.seqs)))
    session = _change(session, stale_seqs=stale)
    if not unknown.is_linked or session.phase is not Phase.TALKING:
        return session, []
    return session, [do.WakeAt(unknown.now_us + session.pace.retry_us)]


def _renewal_due_us(session: Session) -> int:
    """When to ask for more: ahead of the end, or when the warning may be due."""
    pace = session.pace
    is_scarce = session.reserve_s <= pace.scarce_s
    lead_us = min(pace.renew_lead_us, pace.scarce_lead_us) if is_scarce else pace.renew_lead_us
    renewal_us = session.paid_until_us - lead_us
    if session.warned or not session.pace.warn_before_us:
        return renewal_us
    end_us = session.paid_until_us + session.reserve_s * US_PER_S
    return min(renewal_us, end_us - session.pace.warn_before_us)


def _next_look(session: Session, now_us: int, wanted_us: int) -> do.WakeAt:
    """When to look at this call again: once more just before its end, and at its end."""
    end_us = session.paid_until_us - session.pace.cut_lead_us
    last_try_us = end_us - session.pace.last_try_us
    if not session.dry:
        return do.WakeAt(max(min(wanted_us, last_try_us), now_us))
    return do.WakeAt(last_try_us if now_us < last_try_us else end_us)


def _look_again(session: Session, now_us: int) -> do.WakeAt:
    """When to repeat a question that was not answered: soon, and in any case at the end."""
    if not session.answered_us:
        return do.WakeAt(now_us + session.pace.retry_us)
    end_us = session.paid_until_us - session.pace.cut_lead_us
    soon_us = now_us + session.pace.retry_us
    return do.WakeAt(min(soon_us, end_us) if now_us < end_us else soon_us)


def _is_over(session: Session, now_us: int) -> bool:
    return session.answered_us != 0 and now_us >= session.paid_until_us - session.pace.cut_lead_us


def _change(session: Session, **changes: object) -> Session:
    return msgspec.structs.replace(session, **changes)
