"""How many seconds the next hold pays for.

A call may take at most a quarter of what its fair share of the free credit would last, at
least one second (at the start three) and at most the configured slice. So slices are long while
there is plenty (few commits), and shrink towards the end: equal calls on one account run dry
together, and what one of them holds unused when the others end is a second or two.

When more calls come, a share shrinks after it was taken: then a call that holds far more than
it would get now gives the rest back (`credit.outlook`).

A package counts as credit that is used first: its seconds are held like money, and the second
at which they end is the second at which money begins.
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

HORIZON_S = 86_400
"""How far ahead anybody looks: a day. It bounds free and capped calls as well."""

RING_S = 300
"""How long after its start a call may be answered at a price that its first hold foresaw."""


class Grant(msgspec.Struct, frozen=True):
    """What a hold pays for after its next renewal.

    Attributes:
        granted_s: Seconds in all, counted from the answer; unchanged when credit is out.
        held_micros: The hold in all.
        included_s: What is held of the package in all.
        reserve_s: How much longer this call's share of what is left over would last.
    """

    granted_s: int
    held_micros: int
    included_s: int
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
    included_s: int = 0,
    included_free_s: int = 0,
    longest_s: int | None = None,
) -> Grant:
    """Decide how far a call that has `granted_s` for `held_micros` and `included_s` may go on.

    `free_micros` is the account's credit, and `included_free_s` the package's seconds, that no
    hold has taken; `live_calls` counts this call; `longest_s` is how long a call may last, if
    that is limited. The new hold never exceeds `held_micros + free_micros` (DESIGN rule 1) nor
    `included_s + included_free_s`, and is exactly the price of the new `granted_s`, the package
    used first.
    """
    limit_s = granted_s + HORIZON_S
    if longest_s is not None:
        limit_s = min(limit_s, longest_s)
    free_micros, calls = max(free_micros, 0), max(live_calls, 1)
    package_s = included_s + included_free_s
    share_micros = held_micros + free_micros // calls
    share_of_package_s = included_s + included_free_s // calls
    end_s = affordable_s(terms, answered_us, share_micros, limit_s, share_of_package_s)
    share_s = max(end_s - granted_s, 0)
    wanted_s = granted_s + min(_part(share_s, is_first=not granted_s), slice_s)
    if wanted_s > end_s:
        budget_micros = held_micros + free_micros
        reachable_s = affordable_s(terms, answered_us, budget_micros, limit_s, package_s)
        wanted_s = min(wanted_s, reachable_s)
        if wanted_s <= granted_s:
            return Grant(granted_s, held_micros, included_s, 0)
    wanted = price(terms, answered_us, wanted_s * US_PER_S, package_s)
    paid_s = covered_s(terms, answered_us, wanted, limit_s)
    if paid_s == limit_s:
        # Nothing more to pay, however long: free, or at the maximum charge. Keep the net short.
        paid_s = wanted_s
    return Grant(
        granted_s=paid_s,
        held_micros=wanted.amount_micros,
        included_s=wanted.included_s,
        reserve_s=max(granted_s + share_s - paid_s, 0),
    )


def _part(share_s: int, *, is_first: bool) -> int:
    if is_first:
        return max(share_s // FIRST_SHARE_PARTS, FIRST_S)
    return max(share_s // SHARE_PARTS, 1)


def first_grant(
    terms: Terms,
    *,
    now_us: int,
    since_us: int,
    free_micros: int,
    live_calls: int,
    slice_s: int,
    included_free_s: int = 0,
    longest_s: int | None = None,
) -> Grant:
    """Decide what a call that starts to ring at `now_us` gets, whenever it is answered.

    A call that rings across the edge of a band talks at another price. Where that may happen,
    the hold pays for the granted seconds at the dearest price that can come to them. `since_us`
    is a moment of the switch's time before which it was not answered: `now_us` may be ahead of
    the switch's clock, by up to `RING_S`.
    """

    def granted(by: Terms) -> Grant:
        return next_grant(
            by,
            answered_us=now_us,
            granted_s=0,
            held_micros=0,
            free_micros=free_micros,
            live_calls=live_calls,
            slice_s=slice_s,
            included_free_s=included_free_s,
            longest_s=longest_s,
        )

    grant = granted(terms)
    from_us = max(min(since_us, now_us), now_us - RING_S * US_PER_S)
    dearest = _dearest(terms, from_us, now_us + (RING_S + grant.granted_s) * US_PER_S)
    if not dearest:
        return grant
    grants = [granted(each) for each in dearest]
    granted_s = min(each.granted_s for each in grants)
    talk_us = granted_s * US_PER_S
    charges = [price(each, now_us, talk_us, included_free_s) for each in dearest]
    return Grant(
        granted_s=granted_s,
        held_micros=max(charge.amount_micros for charge in charges),
        included_s=max(charge.included_s for charge in charges),
        reserve_s=min(each.reserve_s for each in grants),
    )


def can_start(
    terms: Terms,
    *,
    answered_us: int,
    free_micros: int,
    live_calls: int = 0,
    included_free_s: int = 0,
) -> bool:
    """Tell whether credit or package buys anything: a free call always may start.

    Seconds that are free by grace alone do not let an account without credit place calls. Beside
    live calls, which will use up whatever is left, a new one must get a whole first hold: it
    would end seconds before the others.
    """
    without_s = affordable_s(terms, answered_us, 0, HORIZON_S)
    credit_micros = max(free_micros, 0)
    with_credit_s = affordable_s(terms, answered_us, credit_micros, HORIZON_S, included_free_s)
    if live_calls and with_credit_s < FIRST_S:
        return False
    return with_credit_s > without_s or without_s == HORIZON_S


def _dearest(terms: Terms, from_us: int, to_us: int) -> list[Terms]:
    """Give terms that nothing from then to then is dearer than; none when no edge lies there.

    One for each row that may be in force at the answer, as its fees and increments hold for the
    whole call, with the highest price of time of any row that may follow.
    """
    edges_us = (at_s * US_PER_S for at_s, _ in terms.edges)
    within_us = [at_us for at_us in edges_us if from_us < at_us <= to_us]
    if not within_us:
        return []
    starts = [terms.start_rate(at_us) for at_us in (from_us, *within_us)]
    bands = {rate.band for rate in starts}
    rows = (terms.rate, *terms.others)
    hour_micros = max(row.hour_micros for row in rows if row.band in bands)
    return [
        msgspec.structs.replace(
            terms,
            rate=msgspec.structs.replace(
                rate, rate_micros_per_min=0, rate_micros_per_hour=hour_micros
            ),
            others=(),
            edges=(),
        )
        for rate in dict.fromkeys(starts)
    ]
