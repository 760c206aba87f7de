"""Call detail records, on SQLite and on PostgreSQL: once per billed leg (DESIGN rule 4)."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text
from store_samples import NOW_US, SHENZHEN, a_cdr, a_refused_cdr

from fsbilling.calls.cdr import Cdr
from fsbilling.numbering.number import Number, NumberKind
from fsbilling.store import cdrs
from fsbilling.store.schema import cdr as table

replace = msgspec.structs.replace


def test_a_record_comes_back_as_it_was_written(db):
    cdr = a_cdr(callee_region=SHENZHEN)
    with db.write() as conn:
        assert cdrs.write(conn, cdr)
    with db.read() as conn:
        assert cdrs.find(conn, cdr.uuid) == [cdr]
        assert cdrs.find(conn, cdr.uuid, "sw1") == [cdr]
        assert cdrs.find(conn, cdr.uuid, "sw2") == []


def test_every_field_has_a_column():
    sides = ("caller", "callee", "rated_caller")
    nested = {*sides, *(f"{side}_region" for side in sides)}
    assert set(Cdr.__struct_fields__) - nested <= set(table.c.keys())


def test_rule_4_a_record_is_written_once(db):
    cdr = a_cdr()
    with db.write() as conn:
        assert cdrs.write(conn, cdr)
    with db.write() as conn:
        assert not cdrs.write(conn, replace(cdr, charge_micros=1))
        assert not cdrs.write(conn, a_refused_cdr(uuid=cdr.uuid))
        assert cdrs.find(conn, cdr.uuid) == [cdr]


def test_the_same_uuid_on_two_switches_is_two_calls(db):
    one, other = a_cdr(uuid="u", switch="sw1"), a_cdr(uuid="u", switch="sw2")
    with db.write() as conn:
        assert cdrs.write(conn, other)
        assert cdrs.write(conn, one)
        assert cdrs.find(conn, "u") == [one, other]


def test_a_real_record_takes_the_place_of_a_refused_one_and_comes_after_it(db):
    refused = a_refused_cdr()
    real = a_cdr(uuid=refused.uuid)
    with db.write() as conn:
        assert cdrs.write(conn, refused)
        assert not cdrs.write(conn, replace(refused, refusal="no_rate"))
        [(refused_id, _)] = cdrs.page(conn)
        other = a_cdr()
        cdrs.write(conn, other)
    with db.write() as conn:
        assert cdrs.write(conn, real)
        assert not cdrs.write(conn, replace(real, charge_micros=1))
        assert [cdr for _, cdr in cdrs.page(conn, after_id=refused_id)] == [other, real]
        assert cdrs.find(conn, refused.uuid) == [real]


@pytest.mark.parametrize("dialled", ["a\0b", "\udc80", "'; DROP TABLE cdr; --", "中文😀"])
def test_rule_7_what_a_caller_sends_is_kept_or_cleaned_never_a_fault(db, dialled):
    cdr = a_cdr(caller=Number(dialled, NumberKind.UNKNOWN, ""))
    with db.write() as conn:
        assert cdrs.write(conn, cdr)
    kept = dialled.replace("\0", "\ufffd").replace("\udc80", "\ufffd")
    with db.read() as conn:
        assert cdrs.find(conn, cdr.uuid)[0].caller.dialled == kept
        assert cdrs.find(conn, dialled) == []


def test_pages_go_on_where_the_last_one_ended(db):
    written = [a_cdr(created_us=NOW_US + number, account="ab"[number % 2]) for number in range(10)]
    with db.write() as conn:
        for cdr in written:
            cdrs.write(conn, cdr)
    read, after_id = [], 0
    with db.read() as conn:
        while page := cdrs.page(conn, after_id=after_id, limit=3):
            assert len(page) <= 3
            read += [cdr for _, cdr in page]
            after_id = page[-1][0]
        within = cdrs.page(
            conn, cdrs.Selection(account="a", since_us=NOW_US + 2, until_us=NOW_US + 6)
        )
    assert read == written
    assert [cdr for _, cdr in within] == [written[2], written[4]]


def test_an_accountants_sql_reads_naturally(db):
    with db.write() as conn:
        for charge_micros in (1_000_000, 500_000):
            cdrs.write(conn, a_cdr(charge_micros=charge_micros))
        cdrs.write(conn, a_refused_cdr())
    with db.read() as conn:
        invoice = conn.execute(
            text(
                "SELECT caller_province, count(*), sum(billed_s), sum(charge_micros) FROM cdr"
                " WHERE account = 'acme' AND refusal = '' GROUP BY caller_province"
            )
        ).all()
    assert [tuple(row) for row in invoice] == [("广东", 2, 124, 1_500_000)]
