"""What the two parties of a simulated call are going to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fsbilling.clock import US_PER_S


class Outcome(StrEnum):
    """How the ringing ends, if the switch lets the call ring."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCEL = "cancel"
    """The caller gives up `ring_us` after he called, whatever the call is waiting for."""


class Service(StrEnum):
    """Which part of the dialplan the call meets."""

    CALLED_PAYS = "400"
    OUTBOUND = "outbound"
    IVR = "ivr"
    """The switch itself answers: there is no B leg."""
    ORIGINATED = "originated"
    """The switch calls the callee; the call never meets the dialplan, nor the hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One party sends the other on to a third and leaves.

    `by` is `caller` (the paying leg leaves, the carrier leg lives on) or `callee` (the
    carrier leg leaves). The third party answers at once and talks `talk_us` more.
    """

    after_us: int
    to: str
    talk_us: int
    by: str = "caller"
    cause: str = "BLIND_TRANSFER"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """One call to place.

    Attributes:
        caller: The number that calls, as the switch will see it.
        callee: The number called, as dialled.
        service: Which part of the dialplan it meets.
        ring_us: From the start of ringing to the outcome; 0: no ringing is heard at all.
        outcome: How the ringing ends.
        talk_us: From the answer to the hang-up; None: until somebody ends it.
        hung_up_by: `caller` or `callee`.
        variables: Variables of the paying leg, such as `sip_auth_username`.
        network_addr: Where the caller's SIP peer is.
        transfer: What happens in mid-call, if anything.
        uuid: The paying leg's UUID; "" for one drawn from the switch's seed.
    """

    caller: str
    callee: str
    service: Service = Service.OUTBOUND
    ring_us: int = 2 * US_PER_S
    outcome: Outcome = Outcome.ANSWER
    talk_us: int | None = 30 * US_PER_S
    hung_up_by: str = "caller"
    variables: Mapping[str, str] = field(default_factory=dict)
    network_addr: str = "127.0.0.1"
    transfer: Transfer | None = None
    uuid: str = ""
