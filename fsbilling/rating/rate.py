"""One row of a tariff: whom it is for, and what it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from fsbilling.money import format_micros
from fsbilling.rating.party import ANY

MAX_PRICE_MICROS = 10**12
"""A million units per minute, or per call: a day of it is still far below 2^63 micro-units."""
MAX_INCREMENT_S = 86_400
MAX_GRACE_S = 3_600
MAX_LEVEL = 10**9

MIN_PER_H = 60

_AMOUNTS: Final = (
    "rate_micros_per_min",
    "rate_micros_per_hour",
    "connect_fee_micros",
    "per_call_micros",
    "min_charge_micros",
    "max_charge_micros",
)
_COUNTS: Final = (
    ("first_increment_s", 1, MAX_INCREMENT_S, " seconds"),
    ("next_increment_s", 1, MAX_INCREMENT_S, " seconds"),
    ("grace_s", 0, MAX_GRACE_S, " seconds"),
    ("level_from", 0, MAX_LEVEL, ""),
)


class Rate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A price for the calls from one match to another.

    Strings and integers only: the garbage collector need not walk 100,000 of them (`gc=False`).

    Attributes:
        rate_id: The SQL row's id; 0 before it is stored.
        origin: Match of the caller, in the written form of `match.parse_match`: `"*"`,
            `"prefix:861380"`, `"area:0755"`, `"province:广东"`, `"zone:delta"`.
        destination: Match of the callee; same forms.
        callee_kind: One of `party.CALLEE_KINDS`.
        relation: One of `party.RELATIONS`: how caller and callee lie to each other.
        band: Name of a time band of the plan; `"*"`: all the time no band's own row is for.
        level_from: The month's volume, in the plan's unit, from which on the row holds.
        rate_micros_per_min: Price of a minute of billed time.
        rate_micros_per_hour: Price of an hour, for prices that no whole micro-unit a minute
            gives; the two are added.
        connect_fee_micros: Added once to every call of which a second is paid for by money.
        per_call_micros: Price of every connected call, within a package too.
        first_increment_s: The first seconds, billed whole.
        next_increment_s: The seconds after them, billed in steps of this many.
        grace_s: Calls shorter than this are free.
        min_charge_micros: What a call costs at least of which a second is paid for by money;
            connect fee and price per call included.
        max_charge_micros: What a call costs at most, all included; 0: no maximum.
        in_package: Whether the plan's included seconds pay for such calls.
        note: For people; often the place's name. Shown in the explanation.
    """

    rate_id: int = 0
    origin: str = ANY
    destination: str = ANY
    callee_kind: str = ANY
    relation: str = ANY
    band: str = ANY
    level_from: int = 0
    rate_micros_per_min: int
    rate_micros_per_hour: int = 0
    connect_fee_micros: int = 0
    per_call_micros: int = 0
    first_increment_s: int = 1
    next_increment_s: int = 1
    grace_s: int = 0
    min_charge_micros: int = 0
    max_charge_micros: int = 0
    in_package: bool = True
    note: str = ""

    @property
    def hour_micros(self) -> int:
        """Price of an hour, whichever way it is written."""
        return self.rate_micros_per_min * MIN_PER_H + self.rate_micros_per_hour

    @property
    def match(self) -> tuple[str, str, str, str]:
        """Which calls it is for; rows of one match differ in band or level."""
        return (self.destination, self.origin, self.callee_kind, self.relation)


def rate_faults(rate: Rate) -> Iterator[tuple[str, str]]:
    """Give each field whose value no call could be priced by, with a sentence for a person.

    Matches are not looked at here: `match.parse_match` gives only sound ones.
    """
    for field in _AMOUNTS:
        if not 0 <= getattr(rate, field) <= MAX_PRICE_MICROS:
            yield field, f"must be from 0 to {format_micros(MAX_PRICE_MICROS, decimals=0)}"
    for field, least, most, unit in _COUNTS:
        if not least <= getattr(rate, field) <= most:
            yield field, f"must be from {least} to {most}{unit}"
    if rate.rate_micros_per_min and rate.rate_micros_per_hour:
        yield "rate_micros_per_hour", "give a price per minute or per hour, not both"
    if 0 < rate.max_charge_micros < rate.min_charge_micros:
        yield "max_charge_micros", "must not be below the minimum charge (0: no maximum)"
