"""The least SQL that a billed call can do with: what the daemon's own is measured against.

Three transactions by the driver alone, without gevent, one call after the other: hold, answer,
settle. The rows are about as long as the real ones; nothing is read that is not locked, checked
or chained.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import psycopg

TABLES = """
CREATE TABLE plain_account (id int PRIMARY KEY, balance bigint, held bigint, last_hash text);
CREATE TABLE plain_hold (id text PRIMARY KEY, answered_us bigint DEFAULT 0, body text);
CREATE TABLE plain_cdr (id text PRIMARY KEY, body text);
CREATE TABLE plain_entry (seq bigserial PRIMARY KEY, account int, amount bigint, body text);
INSERT INTO plain_account VALUES (1, 1000000000, 0, '');
"""
BODY = "x" * 1_500


class PlainSql:
    """One connection, its statements prepared as the daemon's are."""

    def __init__(self, url: str) -> None:
        self._conn = psycopg.connect(url, prepare_threshold=1)
        self._conn.execute("DROP TABLE IF EXISTS plain_account, plain_hold, plain_cdr, plain_entry")
        self._conn.execute(TABLES)
        self._conn.commit()

    def hold(self, call: str) -> None:
        """What must be committed before the hook may answer."""
        self._lock()
        self._run("INSERT INTO plain_hold (id, body) VALUES (%s, %s)", call, BODY)
        self._run("UPDATE plain_account SET held = held + %s WHERE id = 1", 1)
        self._conn.commit()

    def answer(self, call: str) -> None:
        """The answer's stamp."""
        self._run("UPDATE plain_hold SET answered_us = %s WHERE id = %s", time.time_ns(), call)
        self._conn.commit()

    def settle(self, call: str) -> None:
        """Hold, CDR, entry and balance, at once."""
        self._lock()
        self._run("DELETE FROM plain_hold WHERE id = %s RETURNING body", call).fetchone()
        self._run("INSERT INTO plain_cdr VALUES (%s, %s)", call, BODY)
        self._run("INSERT INTO plain_entry (account, amount, body) VALUES (1, -1, %s)", BODY[:300])
        self._run(
            "UPDATE plain_account SET balance = balance - 1, held = held - 1, last_hash = %s "
            "WHERE id = 1",
            call,
        )
        self._conn.commit()

    def close(self) -> None:
        self._conn.close()

    def _lock(self) -> None:
        self._run("SELECT * FROM plain_account WHERE id = %s FOR UPDATE", 1).fetchone()

    def _run(self, sql: str, *values: object) -> psycopg.Cursor:
        return self._conn.execute(sql, values)


def hold_ms(url: str, calls: int) -> list[float]:
    """How long each of some holds takes."""
    return _each(url, calls, time.perf_counter)[0]


def call_ms(url: str, calls: int) -> float:
    """This process's processor time for a call's three transactions."""
    return sum(map(sum, _each(url, calls, time.process_time))) / calls


def _each(url: str, calls: int, clock: Callable[[], float]) -> tuple[list[float], list[float]]:
    plain = PlainSql(url)
    holds, rest = [], []
    try:
        for _ in range(calls):
            call = str(uuid.uuid4())
            began = clock()
            plain.hold(call)
            held = clock()
            plain.answer(call)
            plain.settle(call)
            holds.append((held - began) * 1e3)
            rest.append((clock() - held) * 1e3)
    finally:
        plain.close()
    return holds, rest
