"""What a channel asks for: read once from the switch's own words, before anything is decided.

DESIGN rule 7: what a caller can write never picks the account and never picks the rate of
another number. Hence the payer of a 400 call is found by the number that was called, and the
payer of an outbound call by what the switch itself proved or the operator set (see `lines`);
the caller's number prices only calls to 400 numbers, where the network delivered it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fsbilling.billing.target import callee_kind
from fsbilling.calls.call import OUTBOUND, SERVICE_400, SERVICES, Call
from fsbilling.numbering.line import Line, LineKind
from fsbilling.numbering.number import Number, NumberKind, normalise
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.switch.channel import Channel, is_uuid


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
        switch, uuid, core_uuid: The key of the leg to be billed, and its FreeSWITCH process.
        service: `"400"` or `"outbound"`.
        direction: FreeSWITCH's Call-Direction.
        caller: Who calls, as shown to the called party.
        callee: Who is called.
        rated_caller: The number that prices the caller's side: empty unless it can be trusted.
        lines: What an outbound call may be recognised by, the most deliberate first.
        account: The payer named by the operator's own `originate`; empty otherwise.
        part_of: The paid call that the asking channel belongs to already, if it is another one.
        is_leg: A further carrier leg of a call under way: the asking channel was paid or answered
            before, so the leg is billed by itself, by its own answer and hang-up. The dialplan
            has drawn its UUID (`fsbilling_leg`).
        created_us: When the switch created the channel.
        talks_since_us: From when it is paid for if the switch answered it before anybody asked,
            by the switch's clock; 0 when its answer is still to come.
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
    part_of: str
    is_leg: bool
    created_us: int
    talks_since_us: int = 0

    @property
    def is_emergency(self) -> bool:
        """An emergency call is never blocked and never billed (DESIGN rule 10)."""
        return self.callee.kind is NumberKind.EMERGENCY


def read_attempt(channel: Channel, *, switch: str, plan: NumberPlan, account: str = "") -> Attempt:
    """Read a channel that stands in the dialplan, or was just originated for `account`."""
    caller = plan.read(channel.caller_number)
    callee = plan.read(channel.variable("fsbilling_number") or channel.destination_number)
    service = channel.variable("fsbilling_service")
    if service not in SERVICES:
        service = SERVICE_400 if callee.kind is NumberKind.SERVICE_400 else OUTBOUND
    leg_uuid = channel.variable("fsbilling_leg")
    is_leg = service == OUTBOUND and is_uuid(leg_uuid)
    paid_call = channel.variable("fsbilling_call")
    return Attempt(
        switch=switch,
        uuid=leg_uuid if is_leg else channel.uuid,
        core_uuid=channel.core_uuid,
        service=service,
        direction="outbound" if is_leg else channel.direction,
        caller=caller,
        callee=callee,
        rated_caller=_rated_caller(channel, service, caller, plan),
        lines=_lines(channel),
        account=channel.variable("fsbilling_account") if is_leg else account,
        part_of=paid_call if paid_call != channel.uuid or is_leg else "",
        is_leg=is_leg,
        created_us=channel.stamped_us if is_leg else channel.created_us,
    )


def call_of(
    attempt: Attempt, account: str, target: str, region_of: Callable[[Number], Region]
) -> Call:
    """Make the call that an account pays for; `target` is where a 400 number's calls go."""

    def home(number: Number) -> Region:
        return region_of(number) if number.digits else UNKNOWN_REGION

    return Call(
        switch=attempt.switch,
        uuid=attempt.uuid,
        core_uuid=attempt.core_uuid,
        account=account,
        service=attempt.service,
        direction=attempt.direction,
        caller=attempt.caller,
        callee=attempt.callee,
        caller_region=home(attempt.caller),
        callee_region=home(attempt.callee),
        rated_caller=attempt.rated_caller,
        rated_caller_region=home(attempt.rated_caller),
        created_us=attempt.created_us,
        rated_callee_kind=callee_kind(attempt.callee, target),
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
