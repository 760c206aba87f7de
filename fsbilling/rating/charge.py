"""What a call costs, part by part, and why in one line."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.money import format_micros
from fsbilling.rating.party import ANY
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms


class PartKind(StrEnum):
    """What a part of a charge is for."""

    INCLUDED = "included"
    PER_CALL = "per call"
    CONNECT_FEE = "connect fee"
    USAGE = "usage"
    MINIMUM = "minimum"
    CAP = "cap"
    ROUNDING = "rounding"


class Part(msgspec.Struct, frozen=True):
    """One part of a charge.

    Attributes:
        kind: What for.
        amount_micros: How much, rounded half up by itself; what the whole, which is rounded once,
            differs from the sum is a part of its own. Only cap and rounding may be negative.
        seconds: The billed seconds it is for; 0 for what is not priced by time.
        rate: The row that prices these seconds; None as above.
    """

    kind: PartKind
    amount_micros: int
    seconds: int = 0
    rate: Rate | None = None


class Charge(msgspec.Struct, frozen=True):
    """What a call costs.

    Attributes:
        rate: The row in force at the answer.
        talked_s: The duration, rounded up to whole seconds.
        billed_s: The seconds counted, increments and included ones too; 0 when the call is free
            by grace or was never answered.
        included_s: How many of these a package pays for.
        amount_micros: The charge; exactly the sum of the parts.
        parts: What it is made of; empty when the call is not billed.
    """

    rate: Rate
    talked_s: int
    billed_s: int
    included_s: int
    amount_micros: int
    parts: tuple[Part, ...]


def explain(terms: Terms, charge: Charge) -> str:
    """Say in one line why a call costs what it does; the parts in it add up to the charge.

    `std-400 v3 row 12 (深圳): caller area:0755, callee *: 0.15/min, 6/6: 61 s -> 66 s = 0.165`
    """
    rate = charge.rate
    row = f" row {rate.rate_id}" if rate.rate_id else ""
    note = f" ({rate.note})" if rate.note else ""
    return (
        f"{terms.tariff} v{terms.version}{row}{note}: {describe_match(rate)}: "
        f"{describe_price(rate)}, "
        f"{rate.first_increment_s}/{rate.next_increment_s}: {_sum_line(charge)}"
    )


def describe_match(rate: Rate) -> str:
    """Say whom a row is for, in which band, from which level on."""
    named = (
        ("callee kind", rate.callee_kind),
        ("relation", rate.relation),
        ("band", rate.band),
    )
    more = "".join(f", {name} {value}" for name, value in named if value != ANY)
    level = f", level {rate.level_from}" if rate.level_from else ""
    return f"caller {rate.origin}, callee {rate.destination}{more}{level}"


def describe_price(rate: Rate) -> str:
    """Say what time costs by a row: `0.15/min`, `12.00/h`."""
    if rate.rate_micros_per_hour:
        return f"{format_micros(rate.rate_micros_per_hour)}/h"
    return f"{format_micros(rate.rate_micros_per_min)}/min"


def _sum_line(charge: Charge) -> str:
    if not charge.talked_s:
        return "no talk, free"
    if not charge.billed_s:
        return f"under {charge.rate.grace_s} s of grace, free"
    talk = f"{charge.talked_s} s -> {charge.billed_s} s"
    total = format_micros(charge.amount_micros)
    if len(charge.parts) == 1 and charge.parts[0].kind is PartKind.USAGE:
        return f"{talk} = {total}"
    timed = sum(part.kind is PartKind.USAGE for part in charge.parts)
    several = timed > 1 or charge.included_s > 0
    parts = " ".join(_signed(part, several=several) for part in charge.parts)
    return f"{talk}: {parts.removeprefix('+ ')} = {total}"


def _signed(part: Part, *, several: bool) -> str:
    if part.kind is PartKind.INCLUDED:
        return f"+ {part.seconds} s included 0.00"
    sign = "-" if part.amount_micros < 0 else "+"
    amount = format_micros(abs(part.amount_micros))
    if part.rate is None or not several:
        return f"{sign} {part.kind} {amount}"
    band = "" if part.rate.band == ANY else f" {part.rate.band}"
    level = f" level {part.rate.level_from}" if part.rate.level_from else ""
    price = describe_price(part.rate)
    return f"{sign} {part.kind}{band}{level} {part.seconds} s at {price} {amount}"
