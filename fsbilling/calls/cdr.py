"""The call detail record: one row per billed leg, written once (DESIGN rule 4).

What happened never changes. What it cost may be corrected (`cdr rerate`); every price that a
call ever had is kept.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fsbilling.numbering.number import Number
from fsbilling.numbering.region import Region

PRICE_FIELDS = (
    "billed_s",
    "included_s",
    "charge_micros",
    "waived_micros",
    "tariff",
    "tariff_version",
    "rate_id",
    "price_micros_per_min",
    "explanation",
)
"""What a correction may change of a record, besides its `revision`."""


class HungUpBy(StrEnum):
    """Who ended the call."""

    CALLER = "caller"
    CALLEE = "callee"
    SWITCH = "switch"
    CREDIT = "credit"
    MAX_LENGTH = "max_length"
    DAILY_CAP = "daily_cap"
    MONTHLY_CAP = "monthly_cap"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


class EndSource(StrEnum):
    """How we know when the call ended."""

    EVENT = "event"
    WITNESS = "witness"
    ESTIMATE = "estimate"
    NONE = "none"


class Cdr(msgspec.Struct, frozen=True, kw_only=True):
    """One billed or refused leg.

    Attributes:
        switch, uuid: The key: node name and the paying channel's UUID.
        core_uuid: The FreeSWITCH process that carried it.
        account: The payer's code; empty when none could be named.
        service: `"400"` or `"outbound"`.
        direction: FreeSWITCH's Call-Direction of the paying channel.
        caller, callee: As dialled and normalised.
        caller_region, callee_region: By number.
        rated_caller, rated_caller_region, rated_callee_kind: What priced its two sides.
        month, used_s, used_calls: The month it counts for, and what was used of it (see `Call`).
        created_us, progress_us, answered_us, ended_us: The switch's four times; 0 when it never
            came to that. Duration is `ended_us - answered_us` (DESIGN rule 6).
        end_source: How `ended_us` is known.
        duration_us: Talk time in microseconds; 0 when never answered.
        billed_s: Seconds counted, increments and those of a package too.
        included_s: How many of these a package paid for.
        charge_micros: What the payer was charged.
        waived_micros: What the rate asked beyond the hold and was not charged (rule 1).
        tariff, tariff_version, rate_id: The row that priced it; empty and 0 when refused.
        price_micros_per_min: That row's price.
        explanation: "Why this price", one line.
        refusal: The reason of a refused attempt; empty when the call was let through.
        hangup_cause: FreeSWITCH's cause, such as `NORMAL_CLEARING`.
        sip_cause: The protocol's own, such as `sip:486`; empty when none.
        hung_up_by: Who ended it.
        last_leg_uuid: The channel whose end ended the billing; differs from `uuid` after a
            transfer.
        revision: How often its price was corrected.
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
    rated_caller: Number
    rated_caller_region: Region
    created_us: int
    progress_us: int
    answered_us: int
    ended_us: int
    end_source: EndSource
    duration_us: int
    billed_s: int
    charge_micros: int
    waived_micros: int
    tariff: str
    tariff_version: int
    rate_id: int
    price_micros_per_min: int
    explanation: str
    refusal: str
    hangup_cause: str
    sip_cause: str
    hung_up_by: HungUpBy
    last_leg_uuid: str
    revision: int = 0
    included_s: int = 0
    month: str = ""
    rated_callee_kind: str = ""
    used_s: int = 0
    used_calls: int = 0
