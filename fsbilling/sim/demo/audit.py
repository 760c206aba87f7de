"""Do the demo's figures add up? Counted from the switch's side, and by other means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fsbilling.calls.cdr import Cdr, HungUpBy
from fsbilling.money import parse_micros
from fsbilling.sim.demo import office, story
from fsbilling.store import accounts, cdrs, entries, holds
from fsbilling.store.engine import Database

S_PER_MIN = 60


def faults(db: Database, uuids: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each figure that is not as it must be; `uuids` by a call's title."""
    with db.read() as conn:
        records = {record.uuid: record for _, record in cdrs.page(conn)}
        known = accounts.list_all(conn)
        tampered = list(entries.verify(conn))
        left = holds.live(conn)
    billed = {uuid for title, uuid in uuids.items() if "emergency" not in title}
    if set(records) != billed:
        yield f"{len(billed)} calls were to be billed, {len(records)} have a CDR"
    for record in records.values():
        yield from _call_faults(record)
    yield from _story_faults({title: records.get(uuid) for title, uuid in uuids.items()})
    paid_in = {
        office.OWNER: parse_micros(office.OWNER_CREDIT),
        office.CALLER: parse_micros(office.CALLER_CREDIT),
        office.SPENDER: parse_micros(office.SPENDER_CREDIT) + parse_micros(office.TOP_UP),
    }
    for account in known:
        spent = sum(each.charge_micros for each in records.values() if each.account == account.code)
        if account.balance_micros != paid_in[account.code] - spent:
            yield f"{account.code}: the balance is not what was paid in less what was spent"
        if account.free_micros < 0 or account.held_micros:
            yield f"{account.code}: overspent, or a hold was left behind"
    if left:
        yield f"{len(left)} holds were left behind"
    yield from (f"the ledger: {fault}" for fault in tampered)


def _call_faults(record: Cdr) -> Iterator[str]:
    """Check one call by arithmetic of its own."""
    whole_s = -(-record.duration_us // 1_000_000)
    if record.billed_s < whole_s:
        yield f"{record.uuid}: {record.billed_s} s billed of {whole_s}"
    fee_micros = 50_000 if record.callee.digits.startswith("852") else 0
    if record.billed_s:
        expected = fee_micros + record.price_micros_per_min * record.billed_s // S_PER_MIN
        if record.charge_micros != expected:
            yield f"{record.uuid}: charged {record.charge_micros}, {expected} expected"


def _story_faults(records: Mapping[str, Cdr | None]) -> Iterator[str]:
    cut, refused, served = (
        records.get(title) for title in (story.CUT_CALL, story.REFUSED_CALL, story.SERVED_CALL)
    )
    if cut is None or cut.hung_up_by is not HungUpBy.CREDIT:
        yield "the call without credit was not cut"
    elif cut.charge_micros != parse_micros(office.SPENDER_CREDIT):
        yield f"the call that was cut cost {cut.charge_micros}, not all the credit there was"
    if refused is None or refused.refusal != "no_credit":
        yield "the call after zero was not refused"
    if served is None or not served.charge_micros:
        yield "service did not come back after the top-up"
