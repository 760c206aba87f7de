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

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.beginning import answer, resume
from fsbilling.calls.cdr import HungUpBy
from fsbilling.calls.ending import follow, hang_up, stop_following
from fsbilling.calls.lookout import is_over, look_again, look_ahead, renewal_due_us
from fsbilling.calls.sharing import credit_changed, gave_back
from fsbilling.calls.state import Phase, Session, Step, changed
from fsbilling.calls.timer import move_timer, standing, timer_unknown
from fsbilling.clock import US_PER_S

__all__ = ["Phase", "Session", "Step", "resume", "step"]


def step(session: Session, event: on.Event) -> Step:  # noqa: PLR0911 -- a return an event
    """Let one thing happen to a call; events that no longer matter change nothing."""
    match event:
        case on.Answered(at_us=at_us):
            return answer(session, at_us)
        case on.Woken(now_us=now_us):
            return _wake(session, now_us)
        case on.Renewed():
            return _renewed(session, event)
        case on.RenewalUnknown(now_us=now_us) | on.LegUnknown(now_us=now_us):
            return session, [look_again(session, now_us)]
        case on.HungUp():
            return hang_up(session, event)
        case on.LegLives():
            return follow(session, event)
        case on.LegEnded():
            return stop_following(session, event)
        case on.Settled():
            return changed(session, phase=Phase.GONE), [do.Forget()]
        case on.SettlementUnknown(now_us=now_us):
            return session, [do.WakeAt(now_us + session.pace.retry_us)]
        case _:
            return _by_other_hands(session, event)


def _wake(session: Session, now_us: int) -> Step:  # noqa: PLR0911 -- a return a phase
    match session.phase:
        case Phase.SETTLING if session.ending:
            return session, [do.Settle(session.ending)]
        case Phase.LEAVING if session.left:
            # Also when it is over: if the leg lives, it is cut as the one that is followed.
            return session, [do.Follow(session.left.other_leg_uuid)]
        case Phase.TALKING if is_over(session, now_us):
            return _cut(session, now_us)
        case Phase.TALKING if session.dry and now_us > session.paid_until_us - US_PER_S:
            # Woken a moment early. Its timer is in its last second and can no longer be moved:
            # what is paid for now would not be talked (switch.node).
            return session, [do.WakeAt(session.paid_until_us - session.pace.cut_lead_us)]
        case Phase.TALKING if session.stale_seqs and now_us < renewal_due_us(session):
            session, move = move_timer(session, *standing(session))
            return look_ahead(session, now_us, [move])
        case Phase.TALKING:
            return session, [do.Renew()]
        case _:
            return session, []


def _cut(session: Session, now_us: int) -> Step:
    """End the call; say so again every so often until the switch confirms it."""
    again = do.WakeAt(now_us + session.pace.cut_again_us)
    return changed(session, cut=True), [do.Cut(session.leg_uuid, session.bound), again]


def _suspend(session: Session) -> Step:
    """End it as an operator would; said again by whoever sees that it still lives."""
    if session.phase not in (Phase.RINGING, Phase.TALKING):
        return session, []
    ended = changed(session, cut=True, bound=HungUpBy.OPERATOR)
    return ended, [do.Cut(session.leg_uuid, HungUpBy.OPERATOR)]


def _renewed(session: Session, renewed: on.Renewed) -> Step:
    grew = renewed.granted_s > session.granted_s
    session = changed(
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
        session, move = move_timer(session, *standing(session))
        commands.append(move)
    return look_ahead(session, renewed.now_us, commands)


def _by_other_hands(
    session: Session,
    event: on.CreditChanged | on.Suspended | on.GaveBack | on.NotGivenBack | on.TimerUnknown,
) -> Step:
    match event:
        case on.CreditChanged():
            return credit_changed(session, event)
        case on.Suspended():
            return _suspend(session)
        case on.GaveBack():
            return gave_back(session, event)
        case on.NotGivenBack():
            if session.phase is Phase.RINGING:
                return changed(session, in_doubt=True), []
            return session, [do.RemoveTimer(session.timer_seq + 1)]
        case on.TimerUnknown():
            return timer_unknown(session, event)
