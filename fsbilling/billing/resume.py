"""Make a session again from the hold that survived it."""

from __future__ import annotations

from fsbilling.calls.pace import Pace
from fsbilling.calls.session import Phase, Session
from fsbilling.store.hold_rows import Hold


def session_of(hold: Hold, pace: Pace) -> Session:
    """Give the session of a call whose hold is in SQL: what was granted is what is paid for."""
    return Session(
        call=hold.call,
        terms=hold.terms,
        pace=pace,
        phase=Phase.TALKING if hold.answered_us else Phase.RINGING,
        granted_s=hold.granted_s,
        held_micros=hold.amount_micros,
        included_s=hold.included_s,
        answered_us=hold.answered_us,
        leg_uuid=hold.leg_uuid,
        timer_seq=hold.timer_seq,
    )
