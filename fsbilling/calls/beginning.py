"""How the billed time of a call begins: its answer, or its being taken up again."""

from __future__ import annotations

from fsbilling.calls import command as do
from fsbilling.calls.lookout import renewal_due_us
from fsbilling.calls.state import Phase, Session, Step, changed
from fsbilling.calls.timer import move_timer


def resume(session: Session, now_us: int) -> Step:
    """Take a call up again after a restart or a lost link: its timer is set anew."""
    if session.phase is not Phase.TALKING:
        return session, []
    # The daemon may have died between committing a timer's number and moving the timer, so the
    # one before the recorded one may still stand; or, giving back, between adding a timer and
    # committing its number, so the one after it may.
    seq = session.timer_seq
    session = changed(session, timer_seq=seq + 1)
    armed, move = move_timer(session, seq + 1, seq, max(seq - 1, 0))
    return armed, [move, do.WakeAt(now_us)]


def answer(session: Session, at_us: int) -> Step:
    """Let the billed time begin; a second answer changes nothing."""
    if session.phase is not Phase.RINGING:
        return session, []
    talking = changed(session, phase=Phase.TALKING, answered_us=at_us)
    commands: list[do.Command] = [do.RecordAnswer(at_us)]
    if not session.self_armed:
        # Timer 0 may be set after this, too late to be removed now: the next move removes it.
        talking, move = move_timer(talking)
        commands.append(move)
    # The switch sets timer 0 just after it has told of the answer (switch_channel.c).
    first_look_us = at_us + session.pace.answer_settles_us
    if not session.in_doubt:
        first_look_us = max(renewal_due_us(talking), first_look_us)
    return talking, [*commands, do.WakeAt(first_look_us)]
