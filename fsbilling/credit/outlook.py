"""When a live call's hold has become too long: more calls came, credit left, a limit was lowered.

A share shrinks after it was taken. A call that holds far more than it would get now gives the
rest back, of the money and of the package, so that equal calls still end together.
"""

from __future__ import annotations

from fsbilling.clock import US_PER_S
from fsbilling.credit.slice import FIRST_S, HORIZON_S, SHARE_PARTS, Grant, first_grant
from fsbilling.rating.price import affordable_s, covered_s, price
from fsbilling.rating.terms import Terms

KEPT_S = 2
"""A hold is never shortened to end sooner: the switch needs the time to take its timer back."""


def is_far_ahead(*, granted_s: int, talked_s: int, live_calls: int, longest_s: int | None) -> bool:
    """Tell whether a call that talks may hold too much: if not, an outlook asks nothing back."""
    is_beyond = longest_s is not None and granted_s > longest_s
    return is_beyond or (live_calls > 1 and granted_s > talked_s + 2 * KEPT_S)


def outlook(
    terms: Terms,
    *,
    answered_us: int,
    talked_s: int,
    granted_s: int,
    held_micros: int,
    free_micros: int,
    live_calls: int,
    included_s: int = 0,
    included_free_s: int = 0,
    longest_s: int | None = None,
) -> Grant:
    """Look at a live call's hold as the account stands now: nothing is taken.

    The grant has fewer seconds than before when the call should give some back: it holds more
    than twice as far ahead as a call without any would be let, and others want it; or beyond the
    longest call. Then it is exactly their price, the package used first. `talked_s` is rounded
    up; the rest is as for `next_grant`.
    """
    calls = max(live_calls, 1)
    share_micros = held_micros + max(free_micros, 0) // calls
    share_of_package_s = included_s + max(included_free_s, 0) // calls
    horizon_s = granted_s + HORIZON_S
    within_s = affordable_s(terms, answered_us, share_micros, horizon_s, share_of_package_s)
    share_s = max(within_s - granted_s, 0)
    longest_s = max(horizon_s if longest_s is None else longest_s, talked_s + KEPT_S)
    kept_s = granted_s
    if live_calls > 1 and granted_s > talked_s + 2 * KEPT_S + share_s // 2:
        fair_s = talked_s + KEPT_S + share_s // SHARE_PARTS
        fair = price(terms, answered_us, fair_s * US_PER_S, included_s)
        kept_s = covered_s(terms, answered_us, fair, granted_s)
    kept_s = min(kept_s, longest_s)
    reserve_s = min(share_s, max(longest_s - granted_s, 0))
    if kept_s >= granted_s:
        return Grant(granted_s, held_micros, included_s, reserve_s)
    charge = price(terms, answered_us, kept_s * US_PER_S, included_s)
    return Grant(
        granted_s=kept_s,
        held_micros=min(charge.amount_micros, held_micros),
        included_s=charge.included_s,
        reserve_s=reserve_s,
    )


def outlook_of_ringing(
    terms: Terms,
    *,
    answered_us: int,
    granted_s: int,
    held_micros: int,
    free_micros: int,
    live_calls: int,
    included_s: int = 0,
    included_free_s: int = 0,
    longest_s: int | None = None,
) -> Grant:
    """The same for a call that rings, and could be answered now: `answered_us`.

    It gives back what it holds beyond the first hold of a call that began now in its place, when
    that is half of it or the least there is; the least it keeps.
    """
    if granted_s <= FIRST_S:
        return Grant(granted_s, held_micros, included_s, 0)
    first = first_grant(
        terms,
        now_us=answered_us,
        since_us=answered_us,
        free_micros=max(free_micros, 0) + held_micros,
        live_calls=live_calls,
        slice_s=granted_s,
        included_free_s=max(included_free_s, 0) + included_s,
        longest_s=longest_s,
    )
    is_less = first.granted_s == FIRST_S or 2 * first.granted_s <= granted_s
    is_within = first.held_micros <= held_micros and first.included_s <= included_s
    if 0 < first.granted_s < granted_s and is_less and is_within:
        return first
    return Grant(granted_s, held_micros, included_s, first.reserve_s)
