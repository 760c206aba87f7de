"""The price of a call: what it costs, and how long credit lasts (DESIGN rule 8).

The quote, the live call, the CDR and the re-rating all ask `price`; `affordable_s` and
`covered_s` are its inverses. Everything is integers: micro-units, seconds, microseconds. Until
the one rounding at the end, money is counted in 3600ths of a micro-unit, in which a second of
any price per minute or per hour is a whole number.

A call's price never falls as the call goes on. Both inverses rest on that.
"""

from __future__ import annotations

from typing import Final

from fsbilling.clock import US_PER_S
from fsbilling.rating.charge import Charge, Part, PartKind, explain
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms

__all__ = ["Charge", "Part", "PartKind", "affordable_s", "covered_s", "explain", "price"]

S_PER_H: Final = 3_600


def price(terms: Terms, answered_us: int, duration_us: int, included_s: int = 0) -> Charge:
    """Price a call that was answered at `answered_us` and lasted `duration_us`.

    The duration is rounded up to whole seconds, these to increments counted from the answer. A
    package pays for the first `included_s` of them, where the row takes part in it; each second
    after costs what the row in force at its beginning asks. If there is one, the connect fee is
    added, and the minimum holds; the price per call is added in any case. The maximum bounds the
    sum, which is rounded once, half up, to the tariff's precision.

    A call that was never answered, lasted nothing, or is shorter than the rate's grace is not
    billed: no connect fee, no price per call, no minimum.
    """
    rate = terms.start_rate(answered_us)
    if duration_us <= 0:
        return Charge(rate, 0, 0, 0, 0, ())
    talked_s = -(-duration_us // US_PER_S)
    if duration_us < rate.grace_s * US_PER_S:
        return Charge(rate, talked_s, 0, 0, 0, ())
    billed_s = _billed_s(rate, talked_s)
    free_s = _free_s(rate, billed_s, included_s)
    parts: list[Part] = []
    if free_s:
        parts.append(Part(PartKind.INCLUDED, 0, free_s))
    if rate.per_call_micros:
        parts.append(Part(PartKind.PER_CALL, rate.per_call_micros))
    asked = rate.per_call_micros * S_PER_H
    if free_s < billed_s:
        if rate.connect_fee_micros:
            parts.append(Part(PartKind.CONNECT_FEE, rate.connect_fee_micros))
            asked += rate.connect_fee_micros * S_PER_H
        for row, seconds in terms.pieces(answered_us, free_s, billed_s):
            usage = (row.rate_micros_per_min * 60 + row.rate_micros_per_hour) * seconds
            asked += usage
            rounded_micros = (usage + S_PER_H // 2) // S_PER_H
            parts.append(Part(PartKind.USAGE, rounded_micros, seconds, row))
    amount_micros = _bounded(terms, rate, asked, parts, paid=free_s < billed_s)
    return Charge(rate, talked_s, billed_s, free_s, amount_micros, tuple(parts))


def affordable_s(
    terms: Terms, answered_us: int, credit_micros: int, limit_s: int, included_s: int = 0
) -> int:
    """Give the largest whole number of seconds, 0 to `limit_s`, that costs at most the credit.

    The exact inverse of `price`: the answer's price is within the credit, and that of one second
    more is not (unless the limit stopped it). At no credit the seconds remain that are free by
    grace or included; a negative credit affords nothing. A call that has reached its maximum
    charge may go on to the limit.
    """
    if credit_micros < 0:
        return 0
    limit_s = max(limit_s, 0)
    rate = terms.start_rate(answered_us)
    bound = _bound(terms, credit_micros)
    if rate.max_charge_micros and rate.max_charge_micros * S_PER_H < bound:
        return limit_s
    if limit_s < rate.grace_s:
        return limit_s
    end_s = _billed_s(rate, limit_s)
    billed_s = _billed_within_s(terms, answered_us, bound, end_s, included_s)
    if billed_s == end_s:
        return limit_s
    grace_s = max(rate.grace_s - 1, 0)
    if billed_s < rate.first_increment_s:
        return grace_s
    steps = (billed_s - rate.first_increment_s) // rate.next_increment_s
    return max(grace_s, rate.first_increment_s + steps * rate.next_increment_s)


def covered_s(terms: Terms, answered_us: int, paid: Charge, limit_s: int) -> int:
    """Give the last second, up to `limit_s`, that asks no more money or package than a charge.

    Talk up to it is already paid for: with 60/60 increments 61 s cover 120; within a minimum
    charge they cover all that it buys; at the maximum charge, the limit.
    """
    return affordable_s(terms, answered_us, paid.amount_micros, limit_s, paid.included_s)


def _billed_s(rate: Rate, talked_s: int) -> int:
    first_s = rate.first_increment_s
    steps = -((first_s - talked_s) // rate.next_increment_s)
    return first_s + max(steps, 0) * rate.next_increment_s


def _free_s(rate: Rate, billed_s: int, included_s: int) -> int:
    """Give how many of the first billed seconds a package pays for."""
    return min(max(included_s, 0), billed_s) if rate.in_package else 0


def _bounded(terms: Terms, rate: Rate, asked: int, parts: list[Part], *, paid: bool) -> int:
    """Hold what is asked (in 3600ths) to minimum and maximum, round it, and note the parts."""
    micros = terms.precision_micros
    if paid and asked < rate.min_charge_micros * S_PER_H:
        asked = rate.min_charge_micros * S_PER_H
        _note(PartKind.MINIMUM, rate.min_charge_micros, parts)
    if rate.max_charge_micros and asked > rate.max_charge_micros * S_PER_H:
        asked = rate.max_charge_micros * S_PER_H
        _note(PartKind.CAP, rate.max_charge_micros, parts)
    amount_micros = (2 * asked + S_PER_H * micros) // (2 * S_PER_H * micros) * micros
    _note(PartKind.ROUNDING, amount_micros, parts)
    return amount_micros


def _note(kind: PartKind, whole_micros: int, parts: list[Part]) -> None:
    """Add the part, if any, that brings the sum of the parts to the whole."""
    rest_micros = whole_micros
    for part in parts:
        rest_micros -= part.amount_micros
    if rest_micros:
        parts.append(Part(kind, rest_micros))


def _bound(terms: Terms, credit_micros: int) -> int:
    """Give the least that may not be asked (in 3600ths): it rounds to more than the credit.

    round_half_up(asked) <= credit  <=>  asked < (credit // micros + 1/2) * micros.
    """
    micros = terms.precision_micros
    return (2 * (credit_micros // micros) + 1) * micros * (S_PER_H // 2)


def _billed_within_s(
    terms: Terms, answered_us: int, bound: int, end_s: int, included_s: int
) -> int:
    """Give how many billed seconds up to `end_s`, increments aside, ask for less than the bound.

    A maximum charge is not heeded.
    """
    rate = terms.start_rate(answered_us)
    if rate.per_call_micros * S_PER_H >= bound:
        return 0
    billed_s = _free_s(rate, end_s, included_s)
    left = bound - (rate.per_call_micros + rate.connect_fee_micros) * S_PER_H
    if left <= 0 or rate.min_charge_micros * S_PER_H >= bound:
        return billed_s
    for row, seconds in terms.pieces(answered_us, billed_s, end_s):
        usage = row.hour_micros * seconds
        if usage >= left:
            return billed_s + (left - 1) // row.hour_micros
        left -= usage
        billed_s += seconds
    return billed_s
