"""The price of a call: what it costs, how long credit lasts, and why (DESIGN rule 8).

The quote, the live call, the CDR and the re-rating all ask `price`; `affordable_s` and
`covered_s` are its inverses. Everything is integers: micro-units, seconds, microseconds.

A call's price never falls as the call goes on. Both inverses rest on that.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.clock import US_PER_S
from fsbilling.money import divide_half_up, format_micros
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms

S_PER_MIN = 60


class PartKind(StrEnum):
    """What a part of a charge is for."""

    CONNECT_FEE = "connect fee"
    USAGE = "usage"
    MINIMUM = "minimum"
    CAP = "cap"


class Part(msgspec.Struct, frozen=True):
    """One part of a charge.

    Attributes:
        kind: What for.
        amount_micros: How much; only the cap is negative, and none is zero except usage.
    """

    kind: PartKind
    amount_micros: int


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a call costs.

    Attributes:
        talked_s: The duration, rounded up to whole seconds.
        billed_s: The seconds charged for, increments included; 0 when the call is free by grace
            or was never answered.
        amount_micros: The charge; exactly the sum of the parts.
        parts: What it is made of; empty when the call is not billed.
    """

    talked_s: int
    billed_s: int
    amount_micros: int
    parts: tuple[Part, ...]


def price(terms: Terms, answered_us: int, duration_us: int) -> Charge:  # noqa: ARG001
    """Price a call that was answered at `answered_us` and lasted `duration_us`.

    The duration is rounded up to whole seconds, these to increments counted from the answer; the
    connect fee is added; minimum and maximum charge bound the sum. Only the usage can have a
    fraction of a micro-unit, and it is rounded half up: the same as one rounding of the whole,
    since every other part is whole.

    A call that was never answered, lasted nothing, or is shorter than the rate's grace is not
    billed: no connect fee, no minimum.

    `answered_us` fixes the moment; a rate of one price for all hours does not ask for it.
    """
    rate = terms.rate
    talked_s = -(-max(duration_us, 0) // US_PER_S)
    if duration_us <= 0 or duration_us < rate.grace_s * US_PER_S:
        return Charge(talked_s=talked_s, billed_s=0, amount_micros=0, parts=())
    billed_s = _billed_s(rate, talked_s)
    parts = _parts(rate, billed_s)
    amount_micros = sum(part.amount_micros for part in parts)
    return Charge(talked_s=talked_s, billed_s=billed_s, amount_micros=amount_micros, parts=parts)


def affordable_s(terms: Terms, answered_us: int, credit_micros: int, limit_s: int) -> int:
    """Give the largest whole number of seconds, 0 to `limit_s`, that costs at most the credit.

    The exact inverse of `price`: the answer's price is within the credit, and that of one second
    more is not (unless the limit stopped it). At no credit the seconds that are free by grace
    remain; a negative credit affords nothing. A call that has reached its maximum charge may go
    on to the limit.
    """
    if credit_micros < 0 or limit_s <= 0:
        return 0
    if _cost_micros(terms, answered_us, limit_s) <= credit_micros:
        return limit_s
    # The limit costs more: the credit is below any cap, and a rate of 0 stops at fee or minimum.
    rate = terms.rate
    free_s = max(rate.grace_s - 1, 0)
    usage_micros = credit_micros - rate.connect_fee_micros
    if credit_micros < rate.min_charge_micros or usage_micros < 0:
        return free_s
    # round_half_up(x) <= usage  <=>  x < usage + 1/2, with x = billed_s * rate / 60.
    billed_s = (S_PER_MIN * (2 * usage_micros + 1) - 1) // (2 * rate.rate_micros_per_min)
    if billed_s < rate.first_increment_s:
        return free_s
    steps = (billed_s - rate.first_increment_s) // rate.next_increment_s
    return max(free_s, rate.first_increment_s + steps * rate.next_increment_s)


def covered_s(terms: Terms, answered_us: int, seconds: int, limit_s: int) -> int:
    """Give the last second, up to `limit_s`, that costs no more than `seconds` do.

    Talk up to it is already paid for when `seconds` are: with 60/60 increments 61 s cover 120;
    within a minimum charge they cover all that it buys; at the maximum charge, the limit.
    """
    return affordable_s(terms, answered_us, _cost_micros(terms, answered_us, seconds), limit_s)


def explain(terms: Terms, charge: Charge) -> str:
    """Say in one line why a call costs what it does; the parts in it add up to the charge.

    `std-400 v3 row 12 (深圳): caller area:0755, callee *: 0.15/min, 6/6: 61 s -> 66 s = 0.165`
    """
    rate = terms.rate
    row = f" row {rate.rate_id}" if rate.rate_id else ""
    note = f" ({rate.note})" if rate.note else ""
    return (
        f"{terms.tariff} v{terms.version}{row}{note}: "
        f"caller {rate.origin}, callee {rate.destination}: "
        f"{format_micros(rate.rate_micros_per_min)}/min, "
        f"{rate.first_increment_s}/{rate.next_increment_s}: {_sum_line(rate, charge)}"
    )


def _cost_micros(terms: Terms, answered_us: int, seconds: int) -> int:
    return price(terms, answered_us, seconds * US_PER_S).amount_micros


def _billed_s(rate: Rate, talked_s: int) -> int:
    steps = -(-max(talked_s - rate.first_increment_s, 0) // rate.next_increment_s)
    return rate.first_increment_s + steps * rate.next_increment_s


def _parts(rate: Rate, billed_s: int) -> tuple[Part, ...]:
    usage_micros = divide_half_up(rate.rate_micros_per_min * billed_s, S_PER_MIN)
    asked_micros = rate.connect_fee_micros + usage_micros
    minimum_micros = max(rate.min_charge_micros - asked_micros, 0)
    cap_micros = 0
    if rate.max_charge_micros:
        cap_micros = min(rate.max_charge_micros - asked_micros - minimum_micros, 0)
    parts = (
        Part(PartKind.CONNECT_FEE, rate.connect_fee_micros),
        Part(PartKind.USAGE, usage_micros),
        Part(PartKind.MINIMUM, minimum_micros),
        Part(PartKind.CAP, cap_micros),
    )
    return tuple(part for part in parts if part.amount_micros or part.kind is PartKind.USAGE)


def _sum_line(rate: Rate, charge: Charge) -> str:
    if not charge.talked_s:
        return "no talk, free"
    if not charge.billed_s:
        return f"under {rate.grace_s} s of grace, free"
    talk = f"{charge.talked_s} s -> {charge.billed_s} s"
    total = format_micros(charge.amount_micros)
    if len(charge.parts) == 1:
        return f"{talk} = {total}"
    terms_of_sum = " ".join(_signed(part) for part in charge.parts).removeprefix("+ ")
    return f"{talk}: {terms_of_sum} = {total}"


def _signed(part: Part) -> str:
    sign = "-" if part.amount_micros < 0 else "+"
    return f"{sign} {part.kind} {format_micros(abs(part.amount_micros))}"
