"""How the billed time of a call ends: with the paying leg, or with the leg it left behind."""

from __future__ import annotations

import msgspec

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.beginning import answer
from fsbilling.calls.call import SERVICE_400
from fsbilling.calls.cause import cut_cause
from fsbilling.calls.lookout import next_look, renewal_due_us
from fsbilling.calls.state import Phase, Session, Step, changed


def hang_up(session: Session, ended: on.HungUp) -> Step:
    """Take the end of a leg: it ends the billing, or another leg is asked for."""
    if session.phase in (Phase.SETTLING, Phase.GONE) or ended.leg_uuid != _ending_leg(session):
        return session, []
    if session.phase is Phase.RINGING and ended.answered_us:
        # The answer was missed while the link was down; the hang-up carries its stamp.
        session = changed(session, answered_us=ended.answered_us)
    if _leaves_carrier_leg(session, ended):
        leaving = changed(session, phase=Phase.LEAVING, left=ended)
        return leaving, [do.Follow(ended.other_leg_uuid)]
    if session.cut:
        ended = msgspec.structs.replace(ended, by=session.bound)
    return settle(session, ended)


def follow(session: Session, leg: on.LegLives) -> Step:
    """Go on with the carrier leg that lives."""
    if session.phase is not Phase.LEAVING:
        return session, []
    # Who refers while the consult call rings leaves unanswered: the carrier leg's answer counts.
    following = changed(
        session,
        phase=Phase.TALKING if session.answered_us else Phase.RINGING,
        leg_uuid=leg.leg_uuid,
        self_armed=session.self_armed and session.answered_us != 0,
    )
    if not session.answered_us:
        return answer(following, leg.answered_us) if leg.answered_us else (following, [])
    return following, [next_look(following, leg.now_us, renewal_due_us(following))]


def stop_following(session: Session, leg: on.LegEnded) -> Step:
    """Settle: the carrier leg is over as well, at the later end of the two."""
    left = session.left
    if session.phase is not Phase.LEAVING or left is None or leg.leg_uuid != left.other_leg_uuid:
        return session, []
    if leg.ended_us <= left.ended_us:
        return settle(session, left)
    return settle(
        session, msgspec.structs.replace(left, leg_uuid=leg.leg_uuid, ended_us=leg.ended_us)
    )


def settle(session: Session, ending: on.HungUp) -> Step:
    """Let what was talked be written down; repeated until it is."""
    settling = changed(session, phase=Phase.SETTLING, ending=ending)
    commands: list[do.Command] = [do.Settle(ending)]
    if session.answered_us:
        commands.insert(0, do.RemoveTimer(session.timer_seq))
    return settling, commands


def _leaves_carrier_leg(session: Session, ended: on.HungUp) -> bool:
    """Tell whether a leg that was paid for may live on without the paying one.

    A 400 call's paying leg is the carrier leg itself. A leg that our cut has ended is not
    followed: every leg of its call ends with it. One that left in the moment of the cut was not
    there to be cut any more, and the other one talks on.
    """
    was_cut = session.cut and ended.cause == cut_cause(session.bound)
    return (
        session.phase in (Phase.RINGING, Phase.TALKING)
        and session.call.service != SERVICE_400
        and session.leg_uuid == session.call.uuid
        and not was_cut
        and ended.transferred
        and ended.other_leg_uuid != ""
    )


def _ending_leg(session: Session) -> str:
    """The channel whose hang-up ends the billing now."""
    if session.phase is Phase.LEAVING and session.left:
        return session.left.other_leg_uuid
    return session.leg_uuid
