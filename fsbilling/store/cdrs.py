"""Call detail records in SQL: one row per billed leg, written once (DESIGN rule 4)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, select, update

from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import Region
from fsbilling.store.insert import insert_once
from fsbilling.store.schema import cdr as table
from fsbilling.store.text import clean

_PARTIES = frozenset({"caller", "callee", "caller_region", "callee_region"})
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


def make_exact(conn: Connection, cdr: Cdr) -> bool:
    """Put a record with its exact end in the place of its estimate; False when it is none."""
    key = (table.c.switch == clean(cdr.switch)) & (table.c.uuid == clean(cdr.uuid))
    is_estimate = table.c.end_source == EndSource.ESTIMATE
    return conn.execute(update(table).where(key, is_estimate).values(_row(cdr))).rowcount == 1


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
    )
