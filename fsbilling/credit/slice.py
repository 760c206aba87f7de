"""How many seconds the next hold pays for.

A call may take at most a quarter of what its fair share of the free credit would last, at
least one second (at the start three) and at most the configured slice. So slices are long while
there is plenty (few commits), and shrink towards the end: equal calls on one account run dry
together, and what one of them holds unused when the others end is a second or two.
"""

from __future__ import annotations

import msgspec

from fsbilling.clock import US_PER_S
from fsbilling.rating.price import affordable_s, covered_s, price
from fsbilling.rating.terms import Terms

SHARE_PARTS = 4
"""A call takes at most this part of its share at once; more parts: fairer, and more commits."""

FIRST_S = 3
"""What a first hold pays for at least, if the credit does: the timer that the switch sets at the
answer may be up to a second early, and is replaced by an exact one within a second."""

HORIZON_S = 86_400
"""How far ahead anybody looks: a day. It bounds free and capped calls as well."""


class Grant(msgspec.Struct, frozen=True):
    """What a hold pays for after its next renewal.

    Attributes:
        granted_s: Seconds in all, counted from the answer; unchanged when credit is out.
        held_micros: The hold in all.
        reserve_s: How much longer this call's share of the credit left over would last.
    """

    granted_s: int
    held_micros: int
    reserve_s: int


def next_grant(
    terms: Terms,
    *,
    answered_us: int,
    granted_s: int,
    held_micros: int,
    free_micros: int,
    live_calls: int,
    slice_s: int,
) -> Grant:
    """Decide how far a call that has `granted_s` for `held_micros` may go on.

    `free_micros` is the account's credit that no hold has taken; `live_calls` counts this call.
    The new hold never exceeds `held_micros + free_micros` (DESIGN rule 1), and is exactly the
    price of the new `granted_s`, at least the old hold.
    """
    horizon_s = granted_s + HORIZON_S
    reachable_s = affordable_s(terms, answered_us, held_micros + max(free_micros, 0), horizon_s)
    if reachable_s <= granted_s:
        return Grant(granted_s, held_micros, 0)
    share_micros = held_micros + max(free_micros, 0) // max(live_calls, 1)
    share_s = max(affordable_s(terms, answered_us, share_micros, horizon_s) - granted_s, 0)
    least_s = 1 if granted_s else FIRST_S
    wanted_s = granted_s + min(max(share_s // SHARE_PARTS, least_s), slice_s)
    paid_s = covered_s(terms, answered_us, min(wanted_s, reachable_s), horizon_s)
    if paid_s == horizon_s:
        # Nothing more to pay, however long: free, or at the maximum charge. Keep the net short.
        paid_s = wanted_s
    amount_micros = price(terms, answered_us, paid_s * US_PER_S).amount_micros
    return Grant(
        granted_s=paid_s,
        held_micros=max(amount_micros, held_micros),
        reserve_s=max(granted_s + share_s - paid_s, 0),
    )


def can_start(terms: Terms, *, answered_us: int, free_micros: int) -> bool:
    """Tell whether the free credit buys anything: a free call always may start.

    Seconds that are free by grace alone do not let an account without credit place calls.
    """
    without_s = affordable_s(terms, answered_us, 0, HORIZON_S)
    with_credit_s = affordable_s(terms, answered_us, max(free_micros, 0), HORIZON_S)
    return with_credit_s > without_s or without_s == HORIZON_S
