"""One row of a tariff: whom it is for, and what it asks."""

from __future__ import annotations

import msgspec

MAX_PRICE_MICROS = 10**12
"""A million units per minute, or per call: a day of it is still far below 2^63 micro-units."""
MAX_INCREMENT_S = 86_400
MAX_GRACE_S = 3_600
MAX_NOTE_CHARS = 200


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
