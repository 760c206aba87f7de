"""A telephone number as dialled and as meant.

`normalise` reads what Chinese switches really send. Where one spelling could be two numbers, the
order is:

1. An emergency number is one in any spelling, also behind a trunk 0 or an area code (0755-110):
   nothing else in the plan is that short there. Digits that merely begin with one are not.
2. 400, then mobile, then hotlines (95588, 12345), then extensions (3 to 6 digits, not from 0).
3. 7 or 8 digits are a local number of the home area; with no home area they are unknown.
4. `+` and `00` mean E.164, so `+13800138000` is a number in Ohio; a 0 after `+` or `+86` is a
   trunk 0 that should not be there, and is dropped.
5. A carrier's prefix (17909, 12593) is dropped: rates match the number it reaches.
6. An extension behind a complete number is dropped. Dashes are separators first: 0755-1234567-8
   is the 8-digit subscriber 12345678.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from fsbilling.numbering import plan
from fsbilling.numbering.plan import EMERGENCY
from fsbilling.numbering.spelling import digit_readings, is_hidden, printable, user_part

__all__ = ["EMERGENCY", "Number", "NumberKind", "normalise"]


class NumberKind(StrEnum):
    """What a number reaches."""

    SERVICE_400 = "400"
    LANDLINE = "landline"
    MOBILE = "mobile"
    INTERNATIONAL = "international"
    EMERGENCY = "emergency"
    SHORT = "short"
    EXTENSION = "extension"
    ANONYMOUS = "anonymous"
    UNKNOWN = "unknown"


# gc=False: strings only, in every live call.
class Number(msgspec.Struct, frozen=True, gc=False):
    """One number.

    Attributes:
        dialled: What the switch sent, cut to a bounded length of printable characters.
        kind: What it reaches.
        digits: The normal form that rates match by prefix: E.164 without the plus for landline,
            mobile and international (`"8675583765566"`, `"8613800138000"`, `"12025550123"`);
            `"4001234567"` for a 400 number; the bare digits of an emergency, short or extension
            number; empty for anonymous and unknown.
    """

    dialled: str
    kind: NumberKind
    digits: str


_COMPLETE = frozenset(
    {NumberKind.SERVICE_400, NumberKind.LANDLINE, NumberKind.MOBILE, NumberKind.INTERNATIONAL}
)
"""Kinds that an extension suffix may follow."""

_REACHABLE = _COMPLETE | {NumberKind.EMERGENCY, NumberKind.SHORT}
"""Kinds that a carrier prefix may precede."""

_Reading: TypeAlias = tuple[NumberKind, str]

_NATIONAL = (
    (plan.SERVICE_400, NumberKind.SERVICE_400, ""),
    (plan.MOBILE, NumberKind.MOBILE, plan.COUNTRY_CODE),
    (plan.LANDLINE, NumberKind.LANDLINE, plan.COUNTRY_CODE),
    (plan.HOTLINE, NumberKind.SHORT, ""),
)

_UNKNOWN: _Reading = (NumberKind.UNKNOWN, "")


def normalise(
    dialled: str, *, home_area_code: str = "", emergency: frozenset[str] = EMERGENCY
) -> Number:
    """Read a number as dialled; the module's docstring says how.

    Never raises, whatever the text is, and its work is bounded. `home_area_code` is written with
    its 0 (`"0755"`). Unequal numbers have unequal `digits`, whatever their kinds, with one
    exception that E.164 brings along: the digits of a foreign number may equal a hotline's.
    """
    shown = printable(dialled)
    user = user_part(dialled)
    for digits, shortened in digit_readings(user):
        kind, normal = _read(digits, home_area_code, emergency)
        if kind in _COMPLETE or (kind is not NumberKind.UNKNOWN and not shortened):
            return Number(shown, kind, normal)
    hidden = is_hidden(user)
    return Number(shown, NumberKind.ANONYMOUS if hidden else NumberKind.UNKNOWN, "")


def _read(digits: str, home: str, emergency: frozenset[str]) -> _Reading:
    """Read digits with an optional plus; a carrier prefix is tried last, and once."""
    reading = _read_plain(digits, home, emergency)
    prefix = plan.CARRIER_PREFIX.match(digits)
    if reading != _UNKNOWN or prefix is None:
        return reading
    reading = _read_plain(digits[prefix.end() :], home, emergency)
    return reading if reading[0] in _REACHABLE else _UNKNOWN


def _read_plain(digits: str, home: str, emergency: frozenset[str]) -> _Reading:
    bare = digits.removeprefix("+")
    if bare in emergency:
        return NumberKind.EMERGENCY, bare
    if bare.startswith("00"):
        return _read_e164(bare[2:], emergency)
    if bare.startswith("0"):
        return _read_national(bare[1:].removeprefix(plan.COUNTRY_CODE), emergency)
    if bare != digits:
        return _read_e164(bare, emergency)
    return _read_untagged(bare, home, emergency)


def _read_e164(digits: str, emergency: frozenset[str]) -> _Reading:
    """Read what followed `+` or `00`."""
    if digits.startswith(plan.COUNTRY_CODE):
        return _read_national(digits[2:].removeprefix("0"), emergency)
    if plan.SERVICE_400.fullmatch(digits):
        return NumberKind.SERVICE_400, digits
    if plan.INTERNATIONAL.fullmatch(digits):
        return NumberKind.INTERNATIONAL, digits
    return _UNKNOWN


def _read_national(digits: str, emergency: frozenset[str]) -> _Reading:
    """Read what followed a trunk 0 or our country code."""
    elsewhere = plan.AREA_AND_SHORT.fullmatch(digits)
    for short in (digits, elsewhere[1] if elsewhere else digits):
        if short in emergency:
            return NumberKind.EMERGENCY, short
    if elsewhere and plan.HOTLINE.fullmatch(elsewhere[1]):
        return NumberKind.LANDLINE, plan.COUNTRY_CODE + digits
    for pattern, kind, country_code in _NATIONAL:
        if pattern.fullmatch(digits):
            return kind, country_code + digits
    return _UNKNOWN


def _read_untagged(digits: str, home: str, emergency: frozenset[str]) -> _Reading:
    """Read digits that say nothing of where they begin."""
    if plan.HOTLINE.fullmatch(digits):
        return NumberKind.SHORT, digits
    if plan.EXTENSION.fullmatch(digits):
        return NumberKind.EXTENSION, digits
    if plan.LOCAL.fullmatch(digits):
        return _read_national(home[1:] + digits, emergency) if home else _UNKNOWN
    if plan.GREATER_CHINA.fullmatch(digits):
        return NumberKind.INTERNATIONAL, digits
    national = _read_national(digits, emergency)
    if national == _UNKNOWN and digits.startswith(plan.COUNTRY_CODE):
        return _read_national(digits[2:].removeprefix("0"), emergency)
    return national
