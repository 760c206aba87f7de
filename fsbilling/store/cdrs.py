"""Call detail records in SQL: one row per billed leg, written once (DESIGN rule 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, select

from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import Region
from fsbilling.rating.month import Settled, Talk
from fsbilling.rating.party import Party
from fsbilling.store.insert import insert_once
from fsbilling.store.schema import cdr as table
from fsbilling.store.text import clean

SETTLED_BATCH = 1000

_PARTY = msgspec.json.Decoder(Party)
_PARTIES = frozenset(
    {"caller", "callee", "caller_region", "callee_region", "origin", "destination"}
)
_PLAIN = tuple(name for name in Cdr.__struct_fields__ if name not in _PARTIES)
_DELETE_REFUSED = delete(table).where(
    table.c.switch == bindparam("of_switch"),
    table.c.uuid == bindparam("of_uuid"),
    table.c.refusal != "",
)


def write(conn: Connection, cdr: Cdr) -> bool:
    """Write the record of one leg; False, and nothing changed, when it has one already.

    The same channel may pass the hook again after a refusal: the record of a call that was let
    through takes the place (and a new `id`) of a refused one. Never the other way round.
    """
    row = _row(cdr)
    if insert_once(conn, table, row):
        return True
    if cdr.refusal:
        return False
    key = {"of_switch": row["switch"], "of_uuid": row["uuid"]}
    return conn.execute(_DELETE_REFUSED, key).rowcount == 1 and insert_once(conn, table, row)


def is_settled(conn: Connection, switch: str, uuid: str) -> bool:
    """Tell whether a leg that was let through has its record: it can have no second one."""
    query = select(table.c.id).where(
        table.c.switch == clean(switch), table.c.uuid == clean(uuid), table.c.refusal == ""
    )
    return conn.execute(query).first() is not None


def find(conn: Connection, uuid: str, switch: str | None = None) -> list[Cdr]:
    """The records of a channel: at most one per switch."""
    query = select(table).where(table.c.uuid == clean(uuid)).order_by(table.c.switch)
    if switch is not None:
        query = query.where(table.c.switch == clean(switch))
    return [_cdr(row) for row in conn.execute(query)]


def page(
    conn: Connection,
    *,
    account: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    after_id: int = 0,
    limit: int = 1000,
) -> list[tuple[int, Cdr]]:
    """Up to `limit` records with their row ids, by id; go on with `after_id` = the last id.

    `since_us` is included and `until_us` is not; both are about the call's start. A record is
    written when its call ends: export what is older than your longest call.
    """
    query = select(table).where(table.c.id > after_id).order_by(table.c.id).limit(limit)
    rows = conn.execute(_within(query, account, since_us, until_us))
    return [(row.id, _cdr(row)) for row in rows]


def newest(
    conn: Connection,
    *,
    account: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    refused: bool = False,
    limit: int,
) -> list[Cdr]:
    """Give the records written last, the newest first; with `refused`, only refused attempts.

    `since_us` is included and `until_us` is not, as in `page`.
    """
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if refused:
        query = query.where(table.c.refusal != "")
    rows = conn.execute(_within(query, account, since_us, until_us))
    return [_cdr(row) for row in rows]


def settled(
    conn: Connection, *, account: str, tariff: str, month: str
) -> Iterator[tuple[int, Settled]]:
    """Give what a month's calls by a tariff cost, each with the tariff's version.

    What was waived counts as charged: it is not asked for again.
    """
    query = select(
        table.c.tariff_version,
        table.c.origin,
        table.c.destination,
        table.c.answered_us,
        table.c.duration_us,
        table.c.included_s,
        table.c.charge_micros + table.c.waived_micros,
    ).where(table.c.account == account, table.c.tariff == tariff, table.c.month == month)
    rows = conn.execute(query.order_by(table.c.id).execution_options(yield_per=SETTLED_BATCH))
    for version, origin, destination, answered_us, duration_us, included_s, micros in rows:
        talk = Talk(_PARTY.decode(origin), _PARTY.decode(destination), answered_us, duration_us)
        yield version, Settled(talk, included_s, micros)


def _within(
    query: Select[Any], account: str | None, since_us: int | None, until_us: int | None
) -> Select[Any]:
    if account is not None:
        query = query.where(table.c.account == clean(account))
    if since_us is not None:
        query = query.where(table.c.created_us >= since_us)
    if until_us is not None:
        query = query.where(table.c.created_us < until_us)
    return query


def _row(cdr: Cdr) -> dict[str, Any]:
    row = {name: getattr(cdr, name) for name in _PLAIN}
    row |= _party("caller", cdr.caller, cdr.caller_region)
    row |= _party("callee", cdr.callee, cdr.callee_region)
    row["origin"] = msgspec.json.encode(cdr.origin).decode()
    row["destination"] = msgspec.json.encode(cdr.destination).decode()
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _party(side: str, number: Number, region: Region) -> dict[str, str]:
    return {
        f"{side}_dialled": number.dialled,
        f"{side}_kind": number.kind,
        f"{side}_digits": number.digits,
        f"{side}_area_code": region.area_code,
        f"{side}_city": region.city,
        f"{side}_province": region.province,
    }


def _cdr(row: Row[Any]) -> Cdr:
    fields = row._mapping  # noqa: SLF001
    plain = {name: fields[name] for name in _PLAIN}
    plain["end_source"] = EndSource(row.end_source)
    plain["hung_up_by"] = HungUpBy(row.hung_up_by)
    return Cdr(
        **plain,
        caller=Number(row.caller_dialled, NumberKind(row.caller_kind), row.caller_digits),
        callee=Number(row.callee_dialled, NumberKind(row.callee_kind), row.callee_digits),
        caller_region=Region(row.caller_area_code, row.caller_city, row.caller_province),
        callee_region=Region(row.callee_area_code, row.callee_city, row.callee_province),
        origin=_PARTY.decode(row.origin),
        destination=_PARTY.decode(row.destination),
    )
