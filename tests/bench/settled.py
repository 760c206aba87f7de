"""Waiting until the daemon has written the last CDR of what was placed."""

from __future__ import annotations

import time

import gevent
from sqlalchemy import create_engine, func, select

from fsbilling.store.schema import cdr

LOOK_S = 0.02
TIMEOUT_S = 60.0


def wait_until_settled(switch, url: str, count: int) -> None:
    """Return when SQL has a CDR of each of `count` calls that the hook has let through.

    The recorded switch goes on meanwhile.
    """
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    query = select(func.count()).select_from(cdr).where(cdr.c.refusal == "")

    def look() -> int:
        with engine.begin() as conn:
            return conn.execute(query).scalar_one()

    give_up_at = time.monotonic() + TIMEOUT_S
    try:
        while switch.run(look) < count - switch.missed:
            assert time.monotonic() < give_up_at, f"{switch.run(look)} of {count} CDRs"
            gevent.sleep(LOOK_S)
    finally:
        engine.dispose()
