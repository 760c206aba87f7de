"""What can happen to one live call, as its session sees it."""

from __future__ import annotations

import msgspec

from fsbilling.calls.cdr import EndSource, HungUpBy


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The switch answered the paying leg at `at_us` (its own stamp)."""

    at_us: int


class Woken(msgspec.Struct, frozen=True, tag=True):
    """The alarm that the session asked for went off; `now_us` is the switch's time."""

    now_us: int


class Renewed(msgspec.Struct, frozen=True, tag=True):
    """The hold was renewed and is committed: it now pays for `granted_s` seconds in all.

    `included_s` is what it has of the package for them. `reserve_s` is how much longer this call's
    fair share of what is free would last, as far as anybody looked. `granted_s` unchanged means:
    nothing pays for another second; then `bound` is what will end the call.
    """

    now_us: int
    granted_s: int
    held_micros: int
    reserve_s: int
    included_s: int = 0
    bound: HungUpBy = HungUpBy.CREDIT


class RenewalUnknown(msgspec.Struct, frozen=True, tag=True):
    """SQL did not answer: whether the hold was renewed is unknown (DESIGN rule 5)."""

    now_us: int


class CreditChanged(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The account changed by other hands: a top-up, an adjustment, a limit, other calls.

    `granted_s`, `held_micros` and `included_s` are what this call should hold now, at most what
    it does; they were reckoned when it had `before_s` granted, and mean nothing if it has other
    by now. `reserve_s` is as in `Renewed`.
    """

    now_us: int
    before_s: int
    granted_s: int
    held_micros: int
    reserve_s: int
    included_s: int = 0


class Suspended(msgspec.Struct, frozen=True, tag=True):
    """An operator suspended the account: its calls end."""


class GaveBack(msgspec.Struct, frozen=True, tag=True):
    """The hold is smaller and pays for `granted_s` seconds; an earlier timer stands already."""

    now_us: int
    granted_s: int
    held_micros: int
    included_s: int = 0


class NotGivenBack(msgspec.Struct, frozen=True, tag=True):
    """Whether the earlier timer stands, or will, is unknown: the hold stays as it was."""


class HungUp(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The switch hung a leg of this call up.

    Attributes:
        leg_uuid: The channel that ended.
        ended_us: Its hang-up stamp.
        answered_us: Its answer stamp; 0 when it was never answered.
        progress_us: When it first rang; 0 when it never did.
        cause: FreeSWITCH's hang-up cause.
        sip_cause: Such as `sip:486`; empty when none.
        by: Who ended it, as far as the protocol tells.
        source: How the end is known.
        other_leg_uuid: The channel it was last bridged to; empty when none.
        transferred: It may have left by a transfer, so that `other_leg_uuid` lives on.
    """

    leg_uuid: str
    ended_us: int
    answered_us: int = 0
    progress_us: int = 0
    cause: str = ""
    sip_cause: str = ""
    by: HungUpBy = HungUpBy.UNKNOWN
    source: EndSource = EndSource.EVENT
    other_leg_uuid: str = ""
    transferred: bool = False


class LegLives(msgspec.Struct, frozen=True, tag=True):
    """The carrier leg lives on after the paying leg left by a transfer.

    `answered_us` is its own answer stamp; 0 while it rings.
    """

    leg_uuid: str
    now_us: int
    answered_us: int = 0


class LegEnded(msgspec.Struct, frozen=True, tag=True):
    """The carrier leg is over as well: nothing is left to follow.

    `ended_us` is its own hang-up stamp; 0 when the switch no longer knows it.
    """

    leg_uuid: str
    ended_us: int = 0


class LegUnknown(msgspec.Struct, frozen=True, tag=True):
    """The switch did not say whether the carrier leg lives."""

    leg_uuid: str
    now_us: int


class Settled(msgspec.Struct, frozen=True, tag=True):
    """The CDR and the ledger entry are committed."""


class SettlementUnknown(msgspec.Struct, frozen=True, tag=True):
    """SQL did not answer the settlement; it is repeated until it does (it counts once)."""

    now_us: int


Event = (
    Answered
    | Woken
    | Renewed
    | RenewalUnknown
    | CreditChanged
    | Suspended
    | GaveBack
    | NotGivenBack
    | HungUp
    | LegLives
    | LegEnded
    | LegUnknown
    | Settled
    | SettlementUnknown
)
