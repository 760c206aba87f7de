"""Who calls whom, and who pays: the facts of one billed call, fixed when it is authorised."""

from __future__ import annotations

import msgspec

from fsbilling.numbering.number import Number
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.rating.party import Party

SERVICE_400 = "400"
OUTBOUND = "outbound"
SERVICES = (SERVICE_400, OUTBOUND)

NOBODY = Party("", UNKNOWN_REGION)
"""One end of a call of which rates know nothing."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call that somebody pays for.

    Attributes:
        switch: The node's name in the configuration; with `uuid` the key of everything.
        uuid: The paying channel's UUID (the A leg's, or the originated leg's).
        core_uuid: FreeSWITCH's own UUID; it changes when FreeSWITCH restarts.
        account: The paying account's code.
        service: `"400"` or `"outbound"`.
        direction: FreeSWITCH's Call-Direction of the paying channel: `"inbound"`, `"outbound"`.
        caller: Who calls.
        callee: Who is called, as dialled and normalised.
        caller_region: Where the caller is, by his number.
        callee_region: Where the called party is, by his number.
        created_us: When the switch created the channel.
        origin: The caller as rates see him: a number that a caller chose himself prices nothing.
        destination: The callee as rates see him; a 400 number's target tells its kind.
    """

    switch: str
    uuid: str
    core_uuid: str
    account: str
    service: str
    direction: str
    caller: Number
    callee: Number
    caller_region: Region
    callee_region: Region
    created_us: int
    origin: Party = NOBODY
    destination: Party = NOBODY
