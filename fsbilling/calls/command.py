"""What a session asks the world to do, in this order; the billing room does it."""

from __future__ import annotations

import msgspec

from fsbilling.calls.cdr import HungUpBy
from fsbilling.calls.event import HungUp


class RecordAnswer(msgspec.Struct, frozen=True, tag=True):
    """Write the answer stamp beside the hold, so that a restart finds it."""

    answered_us: int


class MoveTimer(msgspec.Struct, frozen=True, tag=True):
    """Let the switch end every leg of this call at `at_us` if nobody moves the timer again.

    Timer `to_seq` is added first; only when it stands are those in `from_seqs` removed
    (DESIGN rule 3).
    """

    at_us: int
    to_seq: int
    from_seqs: tuple[int, ...]


class RemoveTimer(msgspec.Struct, frozen=True, tag=True):
    """Tidy a timer away: the call is over, or an earlier timer guards it."""

    seq: int


class Renew(msgspec.Struct, frozen=True, tag=True):
    """Ask for the next slice; answered by `Renewed` or `RenewalUnknown`."""


class GiveBack(msgspec.Struct, frozen=True, tag=True):
    """Shorten the hold to what `granted_s` seconds cost; answered by `GaveBack`, `NotGivenBack`.

    First timer `to_seq` is added at `at_us`, the new end; only when it stands is the smaller
    hold committed, so that at no moment more may be talked than is held (DESIGN rules 2 and 3).
    While the call rings there is only timer 0, which the switch will set: it is told the fewer
    seconds, and `at_us` and `to_seq` are 0.
    """

    granted_s: int
    held_micros: int
    included_s: int
    at_us: int
    to_seq: int


class Warn(msgspec.Struct, frozen=True, tag=True):
    """Let the payer hear that the credit ends soon."""


class Cut(msgspec.Struct, frozen=True, tag=True):
    """End this leg now: its paid seconds are over, or an operator wants it (`by`)."""

    leg_uuid: str
    by: HungUpBy


class Follow(msgspec.Struct, frozen=True, tag=True):
    """Ask whether this leg lives, and mark it as the paying one.

    Answered by `LegLives`, `LegEnded` or `LegUnknown`.
    """

    leg_uuid: str


class Settle(msgspec.Struct, frozen=True, tag=True):
    """Replace the hold by one CDR and one entry; answered by `Settled` or `SettlementUnknown`."""

    ending: HungUp


class WakeAt(msgspec.Struct, frozen=True, tag=True):
    """Send `Woken` at this moment of the switch's time; replaces any earlier wish."""

    at_us: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """The call is on disk: drop its session."""


Command = (
    RecordAnswer
    | MoveTimer
    | RemoveTimer
    | Renew
    | GiveBack
    | Warn
    | Cut
    | Follow
    | Settle
    | WakeAt
    | Forget
)
