"""How many seconds the next hold pays for, and when a hold is too long.

A call may take at most a quarter of what its fair share of the free credit would last, at
least one second (at the start three) and at most the configured slice. So slices are long while
there is plenty (few commits), and shrink towards the end: equal calls on one account run dry
together, and what one of them holds unused when the others end is a second or two.

When more calls come, a share shrinks after it was taken: a call that holds far more than it
would get now gives the rest back.
"""

from __future__ import annotations

import msgspec

from fsbilling.clock import US_PER_S
from fsbilling.rating.price import affordable_s, covered_s, price
from fsbilling.rating.terms import Terms

SHARE_PARTS = 4
"""A call takes at most this part of its share at once; more parts: fairer, and more commits."""

FIRST_SHARE_PARTS = 16
"""A call that rings holds less: nobody knows how many more come before it is answered."""

FIRST_S = 3
"""What a first hold pays for at least, if the credit does: the timer that the switch sets at the
answer may be up to a second early, and is replaced by an exact one within a second."""

KEPT_S = 2
"""A hold is never shortened to end sooner: the switch needs the time to take its timer back."""

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
    longest_s: int | None = None,
) -> Grant:
    """Decide how far a call that has `granted_s` for `held_micros` may go on.

    `free_micros` is the account's credit that no hold has taken; `live_calls` counts this call;
    `longest_s` is how long a call may last, if that is limited. The new hold never exceeds
    `held_micros + free_micros` (DESIGN rule 1), and is exactly the price of the new
    `granted_s`, at least the old hold.
    """
    end_s = granted_s + HORIZON_S
    limit_s = end_s if longest_s is None else min(longest_s, end_s)
    reachable_s = affordable_s(terms, answered_us, held_micros + max(free_micros, 0), limit_s)
    if reachable_s <= granted_s:
        return Grant(granted_s, held_micros, 0)
    share_micros = held_micros + max(free_micros, 0) // max(live_calls, 1)
    share_s = max(affordable_s(terms, answered_us, share_micros, limit_s) - granted_s, 0)
    wanted_s = granted_s + min(_part(share_s, is_first=not granted_s), slice_s)
    paid_s = covered_s(terms, answered_us, min(wanted_s, reachable_s), limit_s)
    if paid_s == end_s:
        # Nothing more to pay, however long: free, or at the maximum charge. Keep the net short.
        paid_s = wanted_s
    amount_micros = price(terms, answered_us, paid_s * US_PER_S).amount_micros
    return Grant(
        granted_s=paid_s,
        held_micros=max(amount_micros, held_micros),
        reserve_s=max(granted_s + share_s - paid_s, 0),
    )


def _part(share_s: int, *, is_first: bool) -> int:
    if is_first:
        return max(share_s // FIRST_SHARE_PARTS, FIRST_S)
    return max(share_s // SHARE_PARTS, 1)


def outlook(
    terms: Terms,
    *,
    answered_us: int,
    talked_s: int,
    granted_s: int,
    held_micros: int,
    free_micros: int,
    live_calls: int,
    longest_s: int | None = None,
) -> Grant:
    """Look at a live call's hold as the account stands now: nothing is taken.

    The grant has fewer seconds than before when the call should give some back: it holds more
    than twice as far ahead as a call without any would be let, and others want it; or beyond the
    longest call.
    `talked_s` is rounded up.
    """
    share_micros = max(free_micros, 0) // max(live_calls, 1)
    horizon_s = granted_s + HORIZON_S
    within_s = affordable_s(terms, answered_us, held_micros + share_micros, horizon_s)
    share_s = max(within_s - granted_s, 0)
    longest_s = max(horizon_s if longest_s is None else longest_s, talked_s + KEPT_S)
    kept_s = granted_s
    if live_calls > 1 and granted_s > talked_s + 2 * KEPT_S + share_s // 2:
        fair_s = talked_s + KEPT_S + share_s // SHARE_PARTS
        kept_s = covered_s(terms, answered_us, fair_s, granted_s)
    kept_s = min(kept_s, longest_s)
    amount_micros = price(terms, answered_us, kept_s * US_PER_S).amount_micros
    return Grant(
        granted_s=kept_s,
        held_micros=min(amount_micros, held_micros) if kept_s < granted_s else held_micros,
        reserve_s=min(share_s, max(longest_s - granted_s, 0)),
    )


def can_start(terms: Terms, *, answered_us: int, free_micros: int, live_calls: int = 0) -> bool:
    """Tell whether the free credit buys anything: a free call always may start.

    Seconds that are free by grace alone do not let an account without credit place calls. Beside
    live calls, which will use up whatever is left, a new one must get a whole first hold: it
    would end seconds before the others.
    """
    without_s = affordable_s(terms, answered_us, 0, HORIZON_S)
    with_credit_s = affordable_s(terms, answered_us, max(free_micros, 0), HORIZON_S)
    if live_calls and with_credit_s < FIRST_S:
        return False
    return with_credit_s > without_s or without_s == HORIZON_S
