"""A PostgreSQL connection that asks prepared statements with little of psycopg's machinery.

psycopg makes a cursor for each statement, reads its text again and looks up what it knows of it:
three quarters of what the daemon spent on an exchange. Here a statement is prepared once on the
connection and then asked for by its name. Values go through psycopg's own adapters both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import abc, errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult


class Answer:
    """What a statement gave: of a cursor, the part that is used here."""

    def __init__(self, result: PGresult, values: abc.Transformer) -> None:
        self.rowcount = result.command_tuples or 0
        self._rows: list[Any] = []
        if result.status == ExecStatus.TUPLES_OK:
            values.set_pgresult(result)
            self._rows = values.load_rows(0, result.ntuples, tuple)

    def fetchall(self) -> list[Any]:
        """Every row."""
        return self._rows

    def fetchone(self) -> Any:  # noqa: ANN401 - a row of any columns
        """The first row; None when there is none."""
        return self._rows[0] if self._rows else None


class PgConnection(psycopg.Connection[Any]):
    """What the pool is made of (`store.engine`); for anything else it is psycopg's own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - psycopg's own
        super().__init__(*args, **kwargs)
        self._names: dict[str, bytes] = {}
        self._values: abc.Transformer = Transformer(self)

    def ask(self, sql: str, values: Sequence[Any]) -> Answer:
        """Run a statement with `$1`, `$2` ... in the transaction, which it begins if there is none.

        Each text stays prepared as long as the connection lives: for statements whose number is
        bounded. Raises psycopg.Error.
        """
        if self.pgconn.transaction_status == TransactionStatus.IDLE and not self.autocommit:
            self.pgconn.send_query(self._get_tx_start_command())
            self._result()
        name = self._names.get(sql) or self._prepare(sql)
        # As text: PostgreSQL has its own mind of a parameter's type, from where it stands.
        encoded = self._values.dump_sequence(values, [PyFormat.TEXT] * len(values))
        self.pgconn.send_query_prepared(name, encoded)
        return Answer(self._result(), self._values)

    def _prepare(self, sql: str) -> bytes:
        name = b"fsb_%d" % len(self._names)
        self.pgconn.send_prepare(name, sql.encode())
        self._result()
        self._names[sql] = name
        return name

    def _result(self) -> PGresult:
        result: PGresult
        (result,) = self.wait(execute(self.pgconn))
        if result.status == ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
        return result
