"""What goes to PostgreSQL as text, and what comes back."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Float, bindparam, column, select

from fsbilling.credit.account import Mode
from fsbilling.store.compiled import CompiledForPostgres
from fsbilling.store.schema import account

COLUMNS = (account.c.id, account.c.code, account.c.suspended, account.c.max_calls)
ECHO = select(*(bindparam(each.name, type_=each.type).label(each.name) for each in COLUMNS))


def asked(**values):
    return CompiledForPostgres(ECHO).question(values).values


def test_each_kind_of_value_is_written_as_postgresql_reads_it():
    assert asked(id=-(10**12), code="深圳", suspended=True, max_calls=None) == [
        b"-1000000000000",
        "深圳".encode(),
        b"t",
        None,
    ]
    assert asked(id=0, code=Mode.PREPAID, suspended=False, max_calls=3)[1:3] == [b"prepaid", b"f"]


def test_rule_7_a_text_is_sent_whole_or_not_at_all():
    with pytest.raises(psycopg.DataError, match="NUL"):
        asked(id=1, code="acme\0; more", suspended=False, max_calls=None)


@pytest.mark.parametrize("value", [1.5, b"acme", 2 + 0j])
def test_rule_8_no_float_nor_anything_else_gets_into_a_column(value):
    with pytest.raises(TypeError, match=type(value).__name__):
        asked(id=value, code="acme", suspended=False, max_calls=None)


def test_a_column_whose_text_nobody_can_read_is_found_when_the_statement_is_made():
    with pytest.raises(TypeError, match="Float"):
        CompiledForPostgres(select(column("rate", Float)))
