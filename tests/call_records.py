"""CDRs to fill a database with."""

from __future__ import annotations

import msgspec

from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import UNKNOWN_REGION, Region

BEGAN_US = 1_767_196_800_123_456
S = 1_000_000
CALLER = Number("075583765566", NumberKind.LANDLINE, "8675583765566")
SHENZHEN = Region("0755", "深圳", "广东")


def record(n: int = 1, **changes) -> Cdr:
    """An answered 400 call of 60.5 s, the n-th second after the beginning of 2026."""
    began_us = BEGAN_US + n * S
    cdr = Cdr(
        switch="fs1",
        uuid=f"00000000-0000-4000-8000-{n:012d}",
        core_uuid="core",
        account="acme",
        service="400",
        direction="inbound",
        caller=CALLER,
        callee=Number("4001234567", NumberKind.SERVICE_400, "4001234567"),
        caller_region=SHENZHEN,
        callee_region=UNKNOWN_REGION,
        rated_caller=CALLER,
        rated_caller_region=SHENZHEN,
        created_us=began_us,
        progress_us=0,
        answered_us=began_us + S,
        ended_us=began_us + 61_500_000,
        end_source=EndSource.EVENT,
        duration_us=60_500_000,
        billed_s=61,
        charge_micros=152_500,
        waived_micros=0,
        tariff="std",
        tariff_version=1,
        rate_id=2,
        price_micros_per_min=150_000,
        explanation="std v1 row 2: 61 s = 0.1525",
        refusal="",
        hangup_cause="NORMAL_CLEARING",
        sip_cause="sip:200",
        hung_up_by=HungUpBy.CALLER,
        last_leg_uuid="leg",
    )
    return msgspec.structs.replace(cdr, **changes)
