"""One row of a tariff: whom it is for, and what it asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from fsbilling.money import format_micros

MAX_PRICE_MICROS = 10**12
"""A million units per minute, or per call: a day of it is still far below 2^63 micro-units."""
MAX_INCREMENT_S = 86_400
MAX_GRACE_S = 3_600

_AMOUNTS: Final = (
    "rate_micros_per_min",
    "connect_fee_micros",
    "min_charge_micros",
    "max_charge_micros",
)
_SECONDS: Final = (
    ("first_increment_s", 1, MAX_INCREMENT_S),
    ("next_increment_s", 1, MAX_INCREMENT_S),
    ("grace_s", 0, MAX_GRACE_S),
)


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A price for the calls from one match to another.

    Attributes:
        rate_id: The SQL row's id; 0 before it is stored.
        origin: Match of the caller, in the written form of `match.parse_match`: `"*"`,
            `"prefix:861380"`, `"area:0755"`, `"province:广东"`.
        destination: Match of the callee; same forms.
        rate_micros_per_min: Price of a minute of billed time.
        connect_fee_micros: Added once to every call that is billed at all.
        first_increment_s: The first seconds, billed whole.
        next_increment_s: The seconds after them, billed in steps of this many.
        grace_s: Calls shorter than this are free.
        min_charge_micros: What a billed call costs at least, connect fee included.
        max_charge_micros: What a call costs at most, connect fee included; 0: no maximum.
        note: For people; often the place's name. Shown in the explanation.
    """

    rate_id: int = 0
    origin: str = "*"
    destination: str = "*"
    rate_micros_per_min: int
    connect_fee_micros: int = 0
    first_increment_s: int = 1
    next_increment_s: int = 1
    grace_s: int = 0
    min_charge_micros: int = 0
    max_charge_micros: int = 0
    note: str = ""


def rate_faults(rate: Rate) -> Iterator[tuple[str, str]]:
    """Give each field whose value no call could be priced by, with a sentence for a person.

    Matches are not looked at here: `match.parse_match` gives only sound ones.
    """
    for field in _AMOUNTS:
        if not 0 <= getattr(rate, field) <= MAX_PRICE_MICROS:
            yield field, f"must be from 0 to {format_micros(MAX_PRICE_MICROS, decimals=0)}"
    for field, least, most in _SECONDS:
        if not least <= getattr(rate, field) <= most:
            yield field, f"must be from {least} to {most} seconds"
    if 0 < rate.max_charge_micros < rate.min_charge_micros:
        yield "max_charge_micros", "must not be below the minimum charge (0: no maximum)"
