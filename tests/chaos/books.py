"""What is in SQL at the end, read past fsbilling's own code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

ENTRIES = """
SELECT a.code, e.kind, e.amount_micros, e.ref
FROM entry e JOIN account a ON a.id = e.account_id ORDER BY a.code, e.seq
"""


@dataclass(frozen=True)
class Books:
    """The books of one moment.

    Attributes:
        accounts: By code.
        cdrs: Of calls that were let through.
        refusals: CDRs of attempts that were not.
        entries: All of the ledger.
        holds: What is still held.
    """

    accounts: dict[str, Row]
    cdrs: list[Row]
    refusals: list[Row]
    entries: list[Row]
    holds: list[Row]

    @classmethod
    def read(cls, url: str) -> Books:
        with psycopg.connect(url, row_factory=dict_row) as conn:
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            accounts = conn.execute("SELECT * FROM account").fetchall()
            cdrs = conn.execute("SELECT * FROM cdr ORDER BY created_us").fetchall()
            return cls(
                accounts={row["code"]: row for row in accounts},
                cdrs=[row for row in cdrs if not row["refusal"]],
                refusals=[row for row in cdrs if row["refusal"]],
                entries=conn.execute(ENTRIES).fetchall(),
                holds=conn.execute("SELECT switch, uuid FROM hold").fetchall(),
            )

    def call_entries(self) -> dict[str, list[Row]]:
        """The ledger's entries of calls, by the call's UUID (`switch/uuid#revision`)."""
        of_call = defaultdict(list)
        for entry in self.entries:
            if "/" in entry["ref"] and entry["kind"] in ("charge", "reversal"):
                of_call[entry["ref"].partition("/")[2].partition("#")[0]].append(entry)
        return of_call


def holds_left(url: str) -> int:
    """How many calls hold credit now; asked until PostgreSQL answers."""
    with psycopg.connect(url, connect_timeout=2) as conn:
        (number,) = conn.execute("SELECT count(*) FROM hold").fetchone() or (0,)
        return int(number)
