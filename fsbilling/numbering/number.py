"""A telephone number as dialled and as meant."""

from __future__ import annotations

from enum import StrEnum

import msgspec


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


class Number(msgspec.Struct, frozen=True):
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
