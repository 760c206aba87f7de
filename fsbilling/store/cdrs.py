"""Call detail records in SQL: one row per billed leg, written once (DESIGN rule 4)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from fsbilling.calls.cdr import Cdr, EndSource, HungUpBy
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.numbering.region import Region
from fsbilling.rating.month import Settled, Talk
from fsbilling.rating.party import Party
from fsbilling.store import cdr_keys
from fsbilling.store.cdr_keys import Place
from fsbilling.store.prepared import Prepared
from fsbilling.store.schema import cdr as table
from fsbilling.store.text import clean

SETTLED_BATCH = 1000

_SIDES = ("caller", "callee", "rated_caller")
_PARTIES = frozenset({*_SIDES, *(f"{side}_region" for side in _SIDES)})
_PARTY_PARTS = ("dialled", "kind", "digits", "area_code", "city", "province")
_PLAIN = tuple(name for name in Cdr.__struct_fields__ if name not in _PARTIES)
_SETTLED = (
    table.c.id,
    table.c.tariff_version,
    table.c.billed_s,
    table.c.included_s,
    table.c.charge_micros,
    table.c.waived_micros,
    table.c.answered_us,
    table.c.duration_us,
    table.c.rated_callee_kind,
    *(table.c[f"{side}_{part}"] for side in ("rated_caller", "callee") for part in _PARTY_PARTS),
)
_SIDES_FROM = len(_SETTLED) - 2 * len(_PARTY_PARTS)
_CALLEE_FROM = _SIDES_FROM + len(_PARTY_PARTS)
_INSERT = Prepared(
    insert(table).values({each.name: bindparam(each.name) for each in table.columns}).inline()
)
_DELETE = Prepared(
    delete(table).where(
        table.c.id == bindparam("of_id"), table.c.created_us == bindparam("of_created_us")
    )
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


class Counted(msgspec.Struct, frozen=True):
    """A call as its month counts it.

    Attributes:
        cdr_id: The record's row.
        version: The version of the tariff that prices it.
        billed_s: What it adds to the month's volume.
        call: What it cost.
    """

    cdr_id: int
    version: int
    billed_s: int
    call: Settled


def write(conn: Connection, cdr: Cdr, place: Place | None = None) -> bool:
    """Write the record of one leg; False, and nothing changed, when it has one already.

    At the `place` that was taken for it in this transaction, or else at one that is free. The
    same channel may pass the hook again after a refusal: the record of a call that was let
    through takes the place (and a new `id`) of a refused one. Never the other way round.
    """
    place = place or _take_place(conn, cdr)
    if place is None and not cdr.refusal:
        refused = cdr_keys.give_up(conn, cdr.switch, cdr.uuid)
        if refused is None:
            return False
        _DELETE.later(conn, {"of_id": refused.cdr_id, "of_created_us": refused.created_us})
        place = _take_place(conn, cdr)
    if place is None:
        return False
    _INSERT.later(conn, {"id": place.cdr_id, **_row(cdr)})
    return True


def make_exact(conn: Connection, cdr: Cdr) -> bool:
    """Put a record with its exact end in the place of its estimate; False when it is none."""
    # When it began stays, and tells PostgreSQL the month.
    change = update(table).where(
        table.c.created_us == cdr.created_us,
        table.c.switch == clean(cdr.switch),
        table.c.uuid == clean(cdr.uuid),
        table.c.end_source == EndSource.ESTIMATE,
    )
    return conn.execute(change.values(_row(cdr))).rowcount == 1


def find(conn: Connection, uuid: str, switch: str | None = None) -> list[Cdr]:
    """The records of a channel: at most one per switch."""
    query = select(table).order_by(table.c.switch)
    found = _at(conn, query, cdr_keys.places(conn, uuid, switch))
    return [cdr for _, cdr in found]


def page(
    conn: Connection, selection: Selection = EVERY, *, after_id: int = 0, limit: int = 1000
) -> list[tuple[int, Cdr]]:
    """Up to `limit` records with their row ids, by id; go on with `after_id` = the last id.

    A record is written when its call ends: export what is older than your longest call.
    """
    query = select(table).where(table.c.id > after_id).order_by(table.c.id).limit(limit)
    return _with_ids(conn, _within(query, selection))


def never_corrected(conn: Connection, ids: Collection[int]) -> set[int]:
    """Those of some row ids whose record has the price it was settled at."""
    places = cdr_keys.numbered(conn, list(ids))
    if not places:
        return set()
    query = select(table.c.id).where(_stands_at(places), table.c.revision == 0)
    return set(conn.execute(query).scalars())


def among(conn: Connection, ids: Sequence[int]) -> list[tuple[int, Cdr]]:
    """The records of some row ids, by id, as they are now."""
    return _at(conn, select(table).order_by(table.c.id), cdr_keys.numbered(conn, ids))


def newest(
    conn: Connection, selection: Selection = EVERY, *, refused: bool = False, limit: int
) -> list[Cdr]:
    """Give the records written last, the newest first; with `refused`, only refused attempts."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if refused:
        query = query.where(table.c.refusal != "")
    return [_cdr(row) for row in conn.execute(_within(query, selection))]


def settled(conn: Connection, *, account: str, tariff: str, month: str) -> Iterator[Counted]:
    """Give what a month's answered calls by a tariff cost, each with the tariff's version."""
    query = select(*_SETTLED).where(
        table.c.account == account,
        table.c.tariff == tariff,
        table.c.month == month,
        table.c.answered_us > 0,
    )
    rows = conn.execute(query.order_by(table.c.id).execution_options(yield_per=SETTLED_BATCH))
    for row in rows:
        cdr_id, version, billed_s, *price, answered_us, duration_us, kind = row[:_SIDES_FROM]
        origin, destination = row[_SIDES_FROM:_CALLEE_FROM], row[_CALLEE_FROM:]
        talk = Talk(
            Party.of(_number(origin), Region(*origin[3:])),
            Party.of(_number(destination), Region(*destination[3:]), kind=kind),
            answered_us,
            duration_us,
        )
        yield Counted(cdr_id, version, billed_s, Settled(talk, *price))


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


def _take_place(conn: Connection, cdr: Cdr) -> Place | None:
    return cdr_keys.take(
        conn, cdr.switch, cdr.uuid, created_us=cdr.created_us, refused=bool(cdr.refusal)
    )


def _at(conn: Connection, query: Select[Any], places: Sequence[Place]) -> list[tuple[int, Cdr]]:
    return _with_ids(conn, query.where(_stands_at(places))) if places else []


def _stands_at(places: Sequence[Place]) -> ColumnElement[bool]:
    """Ask for some places, each in its month only: the moments tell PostgreSQL which."""
    moments = [place.created_us for place in places]
    return table.c.id.in_([place.cdr_id for place in places]) & table.c.created_us.between(
        min(moments), max(moments)
    )


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
