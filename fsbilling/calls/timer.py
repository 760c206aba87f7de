"""The switch's own timers of a call: which may stand, and how they are moved (DESIGN rule 3)."""

from __future__ import annotations

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.state import Phase, Session, Step, changed


def standing(session: Session) -> tuple[int, ...]:
    """The timers that may stand now: timer 0 is set by the switch whatever we do."""
    seq = session.timer_seq
    return (1, 0) if seq == 1 else (seq,)


def move_timer(session: Session, *from_seqs: int) -> tuple[Session, do.MoveTimer]:
    """Set a timer to the end of the paid seconds; those before it are removed after it stands."""
    stale = tuple(dict.fromkeys((*from_seqs, *session.stale_seqs)))
    moved = changed(session, timer_seq=session.timer_seq + 1, stale_seqs=())
    return moved, do.MoveTimer(moved.paid_until_us, moved.timer_seq, stale)


def timer_unknown(session: Session, unknown: on.TimerUnknown) -> Step:
    """Remember what may stand; ask again soon, unless the link is down: then it is taken up."""
    stale = tuple(dict.fromkeys((*session.stale_seqs, *unknown.seqs)))
    session = changed(session, stale_seqs=stale)
    if not unknown.is_linked or session.phase is not Phase.TALKING:
        return session, []
    return session, [do.WakeAt(unknown.now_us + session.pace.retry_us)]
