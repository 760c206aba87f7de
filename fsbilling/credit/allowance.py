"""What a call may still hold: the account's free credit, or what its caps leave of it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fsbilling.calls.cdr import HungUpBy
from fsbilling.credit.limits import Limits, Periods


class Allowance(msgspec.Struct, frozen=True):
    """How much more may be held, and what sets the bound.

    Attributes:
        free_micros: What no hold has taken; negative when a cap was lowered below what is used.
        bound: `credit`, `daily_cap` or `monthly_cap`: what ends the call when it is used up.
    """

    free_micros: int
    bound: HungUpBy

    def bound_of(self, granted_s: int, longest_s: int | None) -> HungUpBy:
        """Say what ends a call that gets no more than `granted_s`: the bound, or its length."""
        is_longest = longest_s is not None and granted_s >= longest_s
        return HungUpBy.MAX_LENGTH if is_longest else self.bound


def allowance(
    free_micros: int, limits: Limits, of: Periods, used_micros: Mapping[str, int]
) -> Allowance:
    """Give the tightest of free credit and caps; `used_micros` is by period.

    A period that is not counted (the call began before there was a cap) bounds nothing.
    """
    allowed = Allowance(free_micros, HungUpBy.CREDIT)
    if not limits.is_capped:
        return allowed
    caps = (
        (limits.daily_cap_micros, of.day, HungUpBy.DAILY_CAP),
        (limits.monthly_cap_micros, of.month, HungUpBy.MONTHLY_CAP),
    )
    for cap_micros, period, bound in caps:
        if cap_micros is None or period not in used_micros:
            continue
        left_micros = cap_micros - used_micros[period]
        if left_micros < allowed.free_micros:
            allowed = Allowance(left_micros, bound)
    return allowed
