"""A PostgreSQL connection that is asked several things in one exchange.

What a small statement costs is mostly the way to the server and back. libpq's pipeline mode
(https://www.postgresql.org/docs/current/libpq-pipeline-mode.html) sends together what does not
depend on an answer: BEGIN goes with the first statement of a transaction, and COMMIT with the last.

psycopg has a pipeline of its own, whose cursors cost more than what the pipeline saves here. This
one speaks to `psycopg.pq`, which is public; the connection stays psycopg's for everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus, abc
from psycopg.pq.abc import PGresult
from psycopg.waiting import READY_R, WAIT_R, WAIT_RW

MAX_WAITING = 64
"""So many statements wait for one exchange at most; the next one sends them."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """One statement to be executed.

    Attributes:
        name: What this connection prepares it as, once.
        sql: Its text, the parameters as `$1`, `$2`, ...
        values: The parameters, as text.
    """

    name: bytes
    sql: bytes
    values: Sequence[bytes | None] = ()


Step = tuple[Question, bool]
"""What an exchange does with a question: has it prepared, or executed (True)."""

COMMIT = Question(b"fsb_commit", b"COMMIT")


class PipelinedConnection(psycopg.Connection[Any]):
    """A transaction begins by itself with the first question, as with psycopg's cursors.

    What `later` was given is sent before anything else is done, whoever does it. After an SQL
    error in an exchange nothing behind it is executed, and the transaction can only be rolled back.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - psycopg's own
        super().__init__(*args, **kwargs)
        self._unsent: list[Question] = []
        self._known: set[bytes] = set()

    def later(self, question: Question) -> None:
        """Send this with what is asked next, or with the commit; its errors are raised there."""
        self._unsent.append(question)
        if len(self._unsent) >= MAX_WAITING:
            self._exchange()

    def ask(self, *questions: Question) -> list[PGresult]:
        """Give the results of these, asked together. Raises psycopg.Error."""
        self._unsent += questions
        return self._exchange()[-len(questions) :]

    def ask_last(self, question: Question) -> PGresult:
        """Give the result of this, and commit with it: nothing may hang on the result."""
        self._unsent.append(question)
        return self._commit()[-2]

    def cursor(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - psycopg's own
        """Give a cursor as psycopg does; what waits comes first."""
        if self._unsent:
            self._exchange()
        return super().cursor(*args, **kwargs)

    def commit(self) -> None:
        """Commit, together with what waits."""
        if self._unsent or self.pgconn.transaction_status != TransactionStatus.IDLE:
            self._commit()

    def rollback(self) -> None:
        """Undo the transaction; what waits is not sent."""
        self._unsent.clear()
        super().rollback()

    def _commit(self) -> list[PGresult]:
        self._unsent.append(COMMIT)
        results = self._exchange()
        if results[-1].command_status != COMMIT.sql:
            # The server says ROLLBACK, and means it, to the COMMIT of a transaction that failed.
            raise psycopg.OperationalError("the transaction had failed; nothing was committed")
        return results

    def _exchange(self) -> list[PGresult]:
        questions, self._unsent = self._unsent, []
        is_idle = self.pgconn.transaction_status == TransactionStatus.IDLE
        if is_idle and not self.autocommit:
            questions.insert(0, _begin(self.isolation_level, read_only=bool(self.read_only)))
        return self._send(self._steps(questions))

    def _steps(self, questions: Sequence[Question]) -> list[Step]:
        """Put before each question that this connection does not know yet that it be prepared.

        In its turn: to prepare a query before a BEGIN would be a query before it.
        """
        steps: list[Step] = []
        known = set(self._known)
        for each in questions:
            if each.name not in known:
                known.add(each.name)
                steps.append((each, False))
            steps.append((each, True))
        return steps

    def _send(self, steps: Sequence[Step]) -> list[PGresult]:
        """Take each step, and give the results of those that execute. Raises the first error."""
        pgconn = self.pgconn
        try:
            pgconn.enter_pipeline_mode()
            for question, is_executed in steps:
                if is_executed:
                    pgconn.send_query_prepared(question.name, question.values)
                else:
                    pgconn.send_prepare(question.name, question.sql)
            pgconn.pipeline_sync()
            results = self.wait(_communicate(pgconn))
            pgconn.exit_pipeline_mode()
        except BaseException:
            # Given up in the middle of an exchange, it can take no other.
            self.close()
            raise
        for (question, is_executed), result in zip(steps, results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR:
                raise error_from_result(result, self.info.encoding)
            if not is_executed:
                self._known.add(question.name)
        return [each for (_, is_executed), each in zip(steps, results, strict=True) if is_executed]


def _begin(level: IsolationLevel | None, *, read_only: bool) -> Question:
    words = ["BEGIN"]
    if level is not None:
        words += ["ISOLATION LEVEL", level.name.replace("_", " ")]
    if read_only:
        words.append("READ ONLY")
    sql = " ".join(words).encode()
    return Question(b"fsb_" + sql.lower().replace(b" ", b"_"), sql)


def _communicate(pgconn: abc.PGconn) -> PQGen[list[PGresult]]:
    """Send what libpq has to send, and take every result up to the end of the pipeline."""
    while pgconn.flush():
        if (yield WAIT_RW) & READY_R:
            pgconn.consume_input()
    results: list[PGresult] = []
    is_between = False
    while True:
        while pgconn.is_busy():
            yield WAIT_R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is not None:
            if result.status == ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)
        elif is_between:
            raise psycopg.OperationalError(pgconn.get_error_message())
        is_between = result is None
