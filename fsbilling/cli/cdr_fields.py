"""A CDR as named fields: the same names in `cdr show --json`, in the CSV export and in the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbilling.calls.cdr import Cdr
from fsbilling.cli.output import Fields, moment, money
from fsbilling.numbering.number import Number
from fsbilling.numbering.region import Region

if TYPE_CHECKING:
    from fsbilling.store.revisions import Revision

PARTY_PARTS = ("dialled", "kind", "digits", "area_code", "city", "province")

FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
"""What a spreadsheet reads as the beginning of a formula (OWASP, CSV Injection)."""

CSV_COLUMNS = (
    "account",
    "service",
    "direction",
    *(f"caller_{part}" for part in PARTY_PARTS),
    *(f"callee_{part}" for part in PARTY_PARTS),
    *(f"rated_caller_{part}" for part in PARTY_PARTS),
    "created_us",
    "created",
    "progress_us",
    "progress",
    "answered_us",
    "answered",
    "ended_us",
    "ended",
    "end_source",
    "duration_us",
    "billed_s",
    "included_s",
    "charge_micros",
    "charge",
    "waived_micros",
    "waived",
    "tariff",
    "tariff_version",
    "rate_id",
    "price_micros_per_min",
    "price_per_min",
    "explanation",
    "refusal",
    "hangup_cause",
    "sip_cause",
    "hung_up_by",
    "switch",
    "uuid",
    "core_uuid",
    "last_leg_uuid",
    "month",
    "used_s",
    "used_calls",
    "rated_callee_kind",
    "revision",
)
"""The names of `fields`, in their order: the export's first line, also when no row follows."""


def fields(cdr: Cdr) -> Fields:
    """Every fact of a CDR, flat, in the order people look for them."""
    return {
        "account": cdr.account,
        "service": cdr.service,
        "direction": cdr.direction,
        **_party("caller", cdr.caller, cdr.caller_region),
        **_party("callee", cdr.callee, cdr.callee_region),
        **_party("rated_caller", cdr.rated_caller, cdr.rated_caller_region),
        **moment("created", cdr.created_us),
        **moment("progress", cdr.progress_us),
        **moment("answered", cdr.answered_us),
        **moment("ended", cdr.ended_us),
        "end_source": cdr.end_source,
        "duration_us": cdr.duration_us,
        **_price(cdr),
        "refusal": cdr.refusal,
        "hangup_cause": cdr.hangup_cause,
        "sip_cause": cdr.sip_cause,
        "hung_up_by": cdr.hung_up_by,
        "switch": cdr.switch,
        "uuid": cdr.uuid,
        "core_uuid": cdr.core_uuid,
        "last_leg_uuid": cdr.last_leg_uuid,
        "month": cdr.month,
        "used_s": cdr.used_s,
        "used_calls": cdr.used_calls,
        "rated_callee_kind": cdr.rated_callee_kind,
        "revision": cdr.revision,
    }


def revision_fields(past: Revision) -> Fields:
    """A price that the call had before; the names are those of `fields`."""
    return {
        "revision": past.revision,
        **_price(past),
        **moment("replaced", past.replaced_us),
    }


def csv_cells(cdr: Cdr) -> list[str]:
    """The values of `fields` as CSV cells; no text in them starts a formula.

    Callers choose what they dial and what they call themselves, and a spreadsheet would run
    `=HYPERLINK(...)` on the invoicing person's desk: such text gets a leading apostrophe.
    """
    return [_cell(value) for value in fields(cdr).values()]


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text


def _price(priced: Cdr | Revision) -> Fields:
    return {
        "billed_s": priced.billed_s,
        "included_s": priced.included_s,
        **money("charge", priced.charge_micros),
        **money("waived", priced.waived_micros),
        "tariff": priced.tariff,
        "tariff_version": priced.tariff_version,
        "rate_id": priced.rate_id,
        **money("price", priced.price_micros_per_min, "_per_min"),
        "explanation": priced.explanation,
    }


def _party(side: str, number: Number, region: Region) -> Fields:
    return {
        f"{side}_dialled": number.dialled,
        f"{side}_kind": number.kind,
        f"{side}_digits": number.digits,
        f"{side}_area_code": region.area_code,
        f"{side}_city": region.city,
        f"{side}_province": region.province,
    }
