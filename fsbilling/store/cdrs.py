"""Call detail records in SQL: one row per billed leg, written once (DESIGN rule 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update

from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import Region
from fsbilling.rating.month import Settled, Talk
from fsbilling.rating.party import Party
from fsbilling.store.insert import insert_once
from fsbilling.store.schema import cdr as table
from fsbilling.store.text import clean

SETTLED_BATCH = 1000

_SIDES = ("caller", "callee", "rated_caller")
_PARTIES = frozenset({*_SIDES, *(f"{side}_region" for side in _SIDES)})
_PARTY_PARTS = ("dialled", "kind", "digits", "area_code", "city", "province")
_PLAIN = tuple(name for name in Cdr.__struct_fields__ if name not in _PARTIES)
_SETTLED = (
    table.c.tariff_version,
    table.c.answered_us,
    table.c.duration_us,
    table.c.included_s,
    table.c.charge_micros + table.c.waived_micros,
    table.c.rated_callee_kind,
    *(table.c[f"{side}_{part}"] for side in ("rated_caller", "callee") for part in _PARTY_PARTS),
)
_DELETE_REFUSED = delete(table).where(
    table.c.switch == bindparam("of_switch"),
    table.c.uuid == bindparam("of_uuid"),
    table.c.refusal != "",
)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are meant.

    Attributes:
        account: Only this account's.
        tariff: Only calls that this tariff prices.
        since_us, until_us: Only calls that began then or later, and before then.
        answered: Only calls that were let through and answered.
    """

    account: str | None = None
    tariff: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    answered: bool = False


EVERY = Selection()


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
    conn: Connection, selection: Selection = EVERY, *, after_id: int = 0, limit: int = 1000
) -> list[tuple[int, Cdr]]:
    """Up to `limit` records with their row ids, by id; go on with `after_id` = the last id.

    A record is written when its call ends: export what is older than your longest call.
    """
    query = select(table).where(table.c.id > after_id).order_by(table.c.id).limit(limit)
    return _with_ids(conn, _within(query, selection))


def among(conn: Connection, ids: Sequence[int]) -> list[tuple[int, Cdr]]:
    """The records of some row ids, by id, as they are now."""
    return _with_ids(conn, select(table).where(table.c.id.in_(ids)).order_by(table.c.id))


def newest(
    conn: Connection, selection: Selection = EVERY, *, refused: bool = False, limit: int
) -> list[Cdr]:
    """Give the records written last, the newest first; with `refused`, only refused attempts."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if refused:
        query = query.where(table.c.refusal != "")
    return [_cdr(row) for row in conn.execute(_within(query, selection))]


def settled(
    conn: Connection, *, account: str, tariff: str, month: str
) -> Iterator[tuple[int, Settled]]:
    """Give what a month's calls by a tariff cost, each with the tariff's version.

    What was waived counts as charged: it is not asked for again.
    """
    query = select(*_SETTLED).where(
        table.c.account == account,
        table.c.tariff == tariff,
        table.c.month == month,
        table.c.answered_us > 0,
    )
    rows = conn.execute(query.order_by(table.c.id).execution_options(yield_per=SETTLED_BATCH))
    for version, answered_us, duration_us, included_s, micros, kind, *sides in rows:
        origin, destination = sides[: len(_PARTY_PARTS)], sides[len(_PARTY_PARTS) :]
        talk = Talk(
            Party.of(_number(origin), Region(*origin[3:])),
            Party.of(_number(destination), Region(*destination[3:]), kind=kind),
            answered_us,
            duration_us,
        )
        yield version, Settled(talk, included_s, micros)


def count(conn: Connection, selection: Selection = EVERY) -> int:
    """Count the chosen records."""
    query = _within(select(func.count()).select_from(table), selection)
    counted: int = conn.execute(query).scalar_one()
    return counted


def _within(query: Select[Any], selection: Selection) -> Select[Any]:
    if selection.account is not None:
        query = query.where(table.c.account == clean(selection.account))
    if selection.tariff is not None:
        query = query.where(table.c.tariff == clean(selection.tariff))
    if selection.since_us is not None:
        query = query.where(table.c.created_us >= selection.since_us)
    if selection.until_us is not None:
        query = query.where(table.c.created_us < selection.until_us)
    if selection.answered:
        query = query.where(table.c.refusal == "", table.c.answered_us > 0)
    return query


def _with_ids(conn: Connection, query: Select[Any]) -> list[tuple[int, Cdr]]:
    return [(row.id, _cdr(row)) for row in conn.execute(query)]


def _row(cdr: Cdr) -> dict[str, Any]:
    row = {name: getattr(cdr, name) for name in _PLAIN}
    for side in _SIDES:
        row |= _party(side, getattr(cdr, side), getattr(cdr, f"{side}_region"))
    return {name: clean(value) if isinstance(value, str) else value for name, value in row.items()}


def _party(side: str, number: Number, region: Region) -> dict[str, str]:
    values = (
        number.dialled,
        number.kind,
        number.digits,
        region.area_code,
        region.city,
        region.province,
    )
    return {f"{side}_{part}": value for part, value in zip(_PARTY_PARTS, values, strict=True)}


def _cdr(row: Row[Any]) -> Cdr:
    fields = row._mapping  # noqa: SLF001
    values = {name: fields[name] for name in _PLAIN}
    values["end_source"] = EndSource(row.end_source)
    values["hung_up_by"] = HungUpBy(row.hung_up_by)
    for side in _SIDES:
        parts = [fields[f"{side}_{part}"] for part in _PARTY_PARTS]
        values[side] = _number(parts)
        values[f"{side}_region"] = Region(*parts[3:])
    return Cdr(**values)


def _number(parts: Sequence[str]) -> Number:
    dialled, kind, digits = parts[:3]
    return Number(dialled, NumberKind(kind), digits)
