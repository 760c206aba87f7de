"""What a channel asks for: read once from the switch's own words, before anything is decided.

DESIGN rule 7: what a caller can write never picks the account and never picks the rate of
another number. Hence the payer of a 400 call is found by the number that was called, and the
payer of an outbound call by what the switch itself proved or the operator set (see `lines`);
the caller's number prices only calls to 400 numbers, where the network delivered it.
"""

from __future__ import annotations

import msgspec

from fsbilling.numbering.line import Line, LineKind
from fsbilling.numbering.number import Number, NumberKind, normalise
from fsbilling.switch.channel import Channel

SERVICE_400 = "400"
OUTBOUND = "outbound"
SERVICES = (SERVICE_400, OUTBOUND)


class NumberPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How this site's numbers are read: its own area code, and what is an emergency here."""

    home_area_code: str = ""
    emergency: frozenset[str] = frozenset()

    def read(self, dialled: str) -> Number:
        """Normalise one number; never raises."""
        return normalise(dialled, home_area_code=self.home_area_code, emergency=self.emergency)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call that wants to start.

    Attributes:
        switch, uuid, core_uuid: The channel's key and its FreeSWITCH process.
        service: `"400"` or `"outbound"`.
        direction: FreeSWITCH's Call-Direction.
        caller: Who calls, as shown to the called party.
        callee: Who is called.
        rated_caller: The number that prices the caller's side: empty unless it can be trusted.
        lines: What an outbound call may be recognised by, the most deliberate first.
        account: The payer named by the operator's own `originate`; empty otherwise.
        created_us: When the switch created the channel.
    """

    switch: str
    uuid: str
    core_uuid: str
    service: str
    direction: str
    caller: Number
    callee: Number
    rated_caller: Number
    lines: tuple[Line, ...]
    account: str
    created_us: int

    @property
    def is_emergency(self) -> bool:
        """An emergency call is never blocked and never billed (DESIGN rule 10)."""
        return self.callee.kind is NumberKind.EMERGENCY


def read_attempt(channel: Channel, *, switch: str, plan: NumberPlan, account: str = "") -> Attempt:
    """Read a channel that stands in the dialplan, or was just originated for `account`."""
    caller = plan.read(channel.caller_number)
    callee = plan.read(channel.destination_number)
    service = channel.variable("fsbilling_service")
    if service not in SERVICES:
        service = SERVICE_400 if callee.kind is NumberKind.SERVICE_400 else OUTBOUND
    return Attempt(
        switch=switch,
        uuid=channel.uuid,
        core_uuid=channel.core_uuid,
        service=service,
        direction=channel.direction,
        caller=caller,
        callee=callee,
        rated_caller=_rated_caller(channel, service, caller, plan),
        lines=_lines(channel),
        account=account,
        created_us=channel.created_us,
    )


def _rated_caller(channel: Channel, service: str, caller: Number, plan: NumberPlan) -> Number:
    if service == SERVICE_400:
        return caller
    # The From header is the caller's own word; this variable is the operator's.
    return plan.read(channel.variable("effective_caller_id_number"))


def _lines(channel: Channel) -> tuple[Line, ...]:
    candidates = (
        (LineKind.ACCOUNTCODE, channel.variable("accountcode")),
        (LineKind.USER, channel.auth_user),
        (LineKind.GATEWAY, channel.gateway),
        (LineKind.IP, channel.network_ip),
    )
    return tuple(Line(kind, value) for kind, value in candidates if value)
