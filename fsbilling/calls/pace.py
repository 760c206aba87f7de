"""How far ahead of the end of the paid seconds things happen."""

from __future__ import annotations

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Leads and pauses, in microseconds of the switch's time.

    Attributes:
        renew_lead_us: A slice is renewed this long before it is used up.
        scarce_lead_us: The same when little credit is left: what calls hold ahead of each other
            then decides how far apart they end. More than `last_try_us` and `cut_lead_us`.
        scarce_s: A share of credit that lasts no longer than this is little.
        cut_lead_us: The call is ended this long before its last paid second is over, so that
            the hang-up stamp still falls inside that second.
        last_try_us: A call without credit looks once more this long before it is cut: a top-up
            or another call's end may have freed some. More than a second, because a switch-side
            timer in its last second can no longer be taken back (`switch.node`).
        warn_before_us: The payer is warned this long before the credit ends; 0 means never.
        answer_settles_us: How long the switch may take to set its own timer after the answer.
        retry_us: The pause after an answer that did not come.
        cut_again_us: The pause before a cut that was not confirmed is repeated.
    """

    renew_lead_us: int
    cut_lead_us: int
    warn_before_us: int
    last_try_us: int = 1_500_000
    scarce_lead_us: int = 2_000_000
    scarce_s: int = 10
    answer_settles_us: int = 300_000
    retry_us: int = 500_000
    cut_again_us: int = 1_000_000
