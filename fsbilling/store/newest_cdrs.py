"""The call records somebody looks for on a screen: the newest, not all."""

from __future__ import annotations

from sqlalchemy import Connection, select

from fsbilling.calls.cdr import Cdr
from fsbilling.store import cdrs
from fsbilling.store.schema import cdr as table
from fsbilling.store.text import clean

MAX_ROWS = 1_000


def newest(
    conn: Connection,
    *,
    account: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    refused: bool = False,
    limit: int,
) -> list[Cdr]:
    """Give the records written last, the newest first; at most `MAX_ROWS`.

    `since_us` is included and `until_us` is not, as in `cdrs.page`. With `refused`, only
    attempts that were refused.
    """
    query = select(table.c.id).order_by(table.c.id.desc()).limit(min(limit, MAX_ROWS))
    if account is not None:
        query = query.where(table.c.account == clean(account))
    if since_us is not None:
        query = query.where(table.c.created_us >= since_us)
    if until_us is not None:
        query = query.where(table.c.created_us < until_us)
    if refused:
        query = query.where(table.c.refusal != "")
    ids = conn.execute(query).scalars().all()
    return [cdr for row_id in ids for _, cdr in cdrs.page(conn, after_id=row_id - 1, limit=1)]
