"""What is known of one live call: the state that `calls.session` steps from and to."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.calls import command as do
from fsbilling.calls import event as on
from fsbilling.calls.call import Call
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


# gc=False: as in `Call`.
class Session(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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


changed = msgspec.structs.replace
"""Gives the same call with some of what is known of it changed."""
