"""Twin of `fsbilling.store.cdrs`."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.calls.cdr import Cdr, EndSource
from fsbilling.calls.parties import parties
from fsbilling.rating.month import Settled, Talk
from fsbilling.store.cdr_keys import Place
from fsbilling.store.cdrs import Counted

from .books import Transaction


def write(conn: Transaction, cdr: Cdr, place: Place | None = None) -> bool:
    key = (cdr.switch, cdr.uuid)
    before = conn.books.cdrs.get(key)
    if before is not None:
        if cdr.refusal or not before.refusal:
            return False
        conn.drop(conn.books.cdrs, key)
    conn.put(conn.books.cdrs, key, cdr)
    return True


def make_exact(conn: Transaction, cdr: Cdr) -> bool:
    key = (cdr.switch, cdr.uuid)
    before = conn.books.cdrs.get(key)
    if before is None or before.end_source != EndSource.ESTIMATE:
        return False
    if before.created_us != cdr.created_us:
        return False
    conn.put(conn.books.cdrs, key, cdr)
    return True


def find(conn: Transaction, uuid: str, switch: str | None = None) -> list[Cdr]:
    found = [cdr for cdr in conn.books.cdrs.values() if cdr.uuid == uuid]
    return sorted((cdr for cdr in found if switch in (None, cdr.switch)), key=lambda c: c.switch)


def settled(conn: Transaction, *, account: str, tariff: str, month: str) -> Iterator[Counted]:
    for cdr_id, cdr in enumerate(conn.books.cdrs.values()):
        if (cdr.account, cdr.tariff, cdr.month) == (account, tariff, month) and cdr.answered_us:
            talk = Talk(*parties(cdr), cdr.answered_us, cdr.duration_us)
            call = Settled(talk, cdr.included_s, cdr.charge_micros, cdr.waived_micros)
            yield Counted(cdr_id, cdr.tariff_version, cdr.billed_s, call)
