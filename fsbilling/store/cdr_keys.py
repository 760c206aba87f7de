"""Which legs have a record, of all months (DESIGN rule 4), and where it is.

Records are many, and PostgreSQL keeps each month of them apart. The key is what spans the months:
whoever inserts it writes the record, in the same transaction. PostgreSQL makes the month's
partition, when there is none, as part of that insertion (`alembic/versions/0001`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, exists, select

from fsbilling.store.insert import insertion, number_once
from fsbilling.store.prepared import Asked, Prepared
from fsbilling.store.schema import cdr_key as table
from fsbilling.store.schema import hold
from fsbilling.store.text import clean

_OF_LEG = (table.c.uuid == bindparam("of_uuid")) & (table.c.switch == bindparam("of_switch"))
HAS_RECORD = exists().where(
    table.c.uuid == bindparam("uuid"), table.c.switch == bindparam("switch"), ~table.c.refused
)
"""Whether the leg of the parameters `switch` and `uuid` was let through and has its record."""

_HAS_HOLD = exists().where(hold.c.uuid == bindparam("uuid"), hold.c.switch == bindparam("switch"))
_COLUMNS = ("switch", "uuid", "created_us", "refused")
_TAKE = {
    dialect: Prepared(insertion(dialect, table, _COLUMNS, ~_HAS_HOLD).returning(table.c.id))
    for dialect in ("postgresql", "sqlite")
}
_IS_SETTLED = Prepared(select(table.c.id).where(_OF_LEG, ~table.c.refused))
_GIVE_UP = Prepared(
    delete(table).where(_OF_LEG, table.c.refused).returning(table.c.id, table.c.created_us)
)


class Place(msgspec.Struct, frozen=True):
    """Where a record is.

    Attributes:
        cdr_id: Its row; a later record has a higher one.
        created_us: Its month, to the microsecond.
    """

    cdr_id: int
    created_us: int


def take(
    conn: Connection, switch: str, uuid: str, *, created_us: int, refused: bool
) -> Place | None:
    """Give a leg the place of its one record; None when it has it already."""
    number = number_once(conn, table, _row(switch, uuid, created_us, refused=refused))
    return None if number is None else Place(number, created_us)


def taking(conn: Connection, switch: str, uuid: str, *, created_us: int) -> Asked:
    """Say what `take` asks for a leg that has a hold still, for `together`."""
    return _TAKE[conn.dialect.name], _row(switch, uuid, created_us, refused=False)


def give_up(conn: Connection, switch: str, uuid: str) -> Place | None:
    """Free the key of a refused attempt: the place it had; None when the leg was let through."""
    row = _GIVE_UP.first(conn, _leg(switch, uuid))
    return None if row is None else Place(*row)


def is_settled(conn: Connection, switch: str, uuid: str) -> bool:
    """Tell whether a leg that was let through has its record: it can have no second one."""
    return _IS_SETTLED.first(conn, _leg(switch, uuid)) is not None


def settled_on(conn: Connection, uuid: str) -> list[str]:
    """Name the switches on which a leg of this UUID was let through and has its record."""
    query = select(table.c.switch).where(table.c.uuid == clean(uuid), ~table.c.refused)
    return list(conn.execute(query).scalars())


def places(conn: Connection, uuid: str, switch: str | None = None) -> list[Place]:
    """Give the places of a channel's records: at most one per switch."""
    query = select(table.c.id, table.c.created_us).where(table.c.uuid == clean(uuid))
    if switch is not None:
        query = query.where(table.c.switch == clean(switch))
    return [Place(*row) for row in conn.execute(query)]


def numbered(conn: Connection, ids: Sequence[int]) -> list[Place]:
    """Give the places of some rows."""
    query = select(table.c.id, table.c.created_us).where(table.c.id.in_(ids))
    return [Place(*row) for row in conn.execute(query)]


def _row(switch: str, uuid: str, created_us: int, *, refused: bool) -> dict[str, str | int]:
    row = (clean(switch), clean(uuid), created_us, refused)
    return dict(zip(_COLUMNS, row, strict=True))


def _leg(switch: str, uuid: str) -> dict[str, str]:
    return {"of_switch": clean(switch), "of_uuid": clean(uuid)}
