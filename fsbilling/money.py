"""Money: integer micro-units (10^-6 of the currency), never a float (DESIGN rule 8).

0.15 yuan is 150_000. Python's integers do not overflow; the SQL columns hold 64 bits, so
`parse_micros` refuses anything beyond `MAX_MICROS`.
"""

from __future__ import annotations

import re

MICROS_PER_UNIT = 1_000_000
DECIMALS = 6
_AMOUNT = re.compile(r"(?P<sign>-?)(?P<units>[0-9]{1,15})(\.(?P<decimals>[0-9]{1,15}))?")
MAX_MICROS = 10**15
"""A thousand million units: far above any account, far below 2^63."""


def parse_micros(text: str) -> int:
    """Read a decimal amount such as `"0.15"` as micro-units, exactly.

    Raises ValueError, with a sentence for a person, for anything that is not a plain decimal
    number in ASCII digits, that has more than six decimals, or that is beyond `MAX_MICROS`.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is not an amount; write it like 12.34")
    sign, units, decimals = found["sign"], found["units"], (found["decimals"] or "").rstrip("0")
    if len(decimals) > DECIMALS:
        raise ValueError(f"{text[:40]!r} has more than six decimals")
    micros = int(units) * MICROS_PER_UNIT + int(decimals.ljust(DECIMALS, "0"))
    if micros > MAX_MICROS:
        raise ValueError(f"{text[:40]!r} is out of range")
    return -micros if sign else micros


def format_micros(micros: int, *, decimals: int = 2) -> str:
    """Write micro-units as a decimal amount with at least `decimals` decimals, exactly.

    Further decimals appear only when they are not zero: 150_000 -> "0.15",
    3_333 -> "0.003333". No rounding ever happens.
    """
    sign = "-" if micros < 0 else ""
    units, fraction = divmod(abs(micros), MICROS_PER_UNIT)
    digits = f"{fraction:0{DECIMALS}d}".rstrip("0").ljust(decimals, "0")
    return f"{sign}{units}.{digits}" if digits else f"{sign}{units}"


def divide_half_up(numerator: int, denominator: int) -> int:
    """Divide two integers, rounding halves away from zero; `denominator` must be positive."""
    if denominator <= 0:
        raise ValueError("the denominator must be positive")
    quotient, rest = divmod(abs(numerator), denominator)
    rounded = quotient + (2 * rest >= denominator)
    return -rounded if numerator < 0 else rounded
