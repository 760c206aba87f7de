"""What an outbound call is recognised by: something the switch knows and the caller cannot write.

Two lines are the same when kind and value are; so `parse_line` writes each value in one form.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum

import msgspec

MAX_VALUE = 128


class LineKind(StrEnum):
    """What the switch recognised."""

    USER = "user"
    """The SIP user that authenticated."""
    GATEWAY = "gateway"
    """The gateway (trunk) the call came in by, by its name in the Sofia profile."""
    IP = "ip"
    """The address the signalling came from."""
    ACCOUNTCODE = "accountcode"
    """FreeSWITCH's own variable, set by the directory or the dialplan."""


class Line(msgspec.Struct, frozen=True):
    """One line, written `user:1001`."""

    kind: LineKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


def parse_line(text: str) -> Line:
    """Read `KIND:VALUE`. Raises ValueError with a sentence for a person.

    An address is written as the switch writes it: IPv6 compressed, IPv4 never inside IPv6.
    """
    kind, colon, value = text.strip().partition(":")
    try:
        line_kind = LineKind(kind)
    except ValueError:
        line_kind = None
    if line_kind is None or not colon:
        kinds = ", ".join(LineKind)
        raise ValueError(f"{text!r} is not KIND:VALUE, like user:1001; the kinds are {kinds}")
    if line_kind is LineKind.IP:
        return Line(line_kind, _address(value))
    if not 1 <= len(value) <= MAX_VALUE or not value.isprintable() or " " in value:
        raise ValueError(f"a {kind} is 1 to {MAX_VALUE} characters without spaces")
    return Line(line_kind, value)


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not one IP address, like 192.0.2.7 or 2001:db8::7") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
