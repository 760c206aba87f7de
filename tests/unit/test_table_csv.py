"""Rate tables as files: what is read, and how faults are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from refusal import refused as faults

from fsbilling.errors import InputError
from fsbilling.rating import table_csv, table_rows
from fsbilling.rating.columns import COLUMNS, MAX_CELL_CHARS, read_header
from fsbilling.rating.faults import FaultList, TableFault, TableFaults
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_csv import parse

RATES_PAGE = Path(__file__).parents[2] / "docs" / "rates.md"
ROW = "origin,destination,price_per_min,note\nprovince:广东省,*,0.15,深圳 和 广州\n"
RATE = Rate(origin="province:广东", rate_micros_per_min=150_000, note="深圳 和 广州")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_utf8_with_or_without_bom_and_gbk_are_read(encoding):
    assert parse(ROW.encode(encoding)) == [RATE]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(newline):
    assert parse(ROW.replace("\n", newline).encode()) == [RATE]


def test_every_column_is_read_in_any_order():
    text = (
        "note,max_charge,min_charge,grace_s,next_increment_s,first_increment_s,connect_fee,"
        "price_per_min,destination,origin\n"
        "a note,9,0.5,3,6,30,0.123456,0.2,86755,area:010\n"
    )
    assert parse(text.encode()) == [
        Rate(
            origin="area:010",
            destination="prefix:86755",
            rate_micros_per_min=200_000,
            connect_fee_micros=123_456,
            first_increment_s=30,
            next_increment_s=6,
            grace_s=3,
            min_charge_micros=500_000,
            max_charge_micros=9_000_000,
            note="a note",
        )
    ]


def test_an_empty_cell_is_the_default():
    text = "origin,price_per_min,first_increment_s,max_charge,note\n,0.15,,,\n"
    assert parse(text.encode()) == [Rate(rate_micros_per_min=150_000)]


def test_header_names_may_be_padded_and_in_capitals():
    assert parse(b" Price_Per_Min ,ORIGIN\n0.15,*\n") == [Rate(rate_micros_per_min=150_000)]


def test_words_may_be_in_capitals():
    assert parse(b"price_per_min,callee_kind,in_package\n1,Mobile,NO\n") == [
        Rate(rate_micros_per_min=1_000_000, callee_kind="mobile", in_package=False)
    ]
    assert faults("price_per_min,in_package\n1,Maybe\n") == [
        "line 2, column in_package: 'Maybe' is none of no, yes"
    ]


def test_what_a_spreadsheet_leaves_empty_around_the_table_is_ignored():
    text = ",,\nprice_per_min,,\n0.15,,\n,,\n \n"
    assert parse(text.encode()) == [Rate(rate_micros_per_min=150_000)]


def test_a_table_may_have_no_rows():
    assert parse(b"price_per_min\n") == []


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_a_header_is_refused(data):
    assert faults(data) == ["file: there is no header; the first line names the columns"]


def test_a_column_name_is_quoted_up_to_the_bound():
    [told, _] = faults(f"{'x' * 300}\n1\n")
    assert told.startswith(f"line 1: no column '{'x' * MAX_CELL_CHARS}'; the columns are ")


def test_a_header_of_empty_cells_names_no_column():
    noted = FaultList()
    assert read_header(1, ["", " "], noted) == []
    with pytest.raises(TableFaults, match="line 1, column price_per_min: this column is missing"):
        noted.raise_any()


def test_unknown_doubled_and_missing_columns_are_named():
    known = ", ".join(column.name for column in COLUMNS)
    assert faults("origin,prise,origin\n*,x,area:9\n") == [
        "line 1, column origin: this column is there more than once",
        f"line 1: no column 'prise'; the columns are {known}",
        "line 1, column price_per_min: this column is missing",
    ]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("price_per_min", "", "'' is not an amount; write it like 0.15"),
        ("price_per_min", "free", "'free' is not an amount; write it like 0.15"),
        ("price_per_min", "1.5E-01", "'1.5E-01' is not an amount; write it like 0.15"),
        ("price_per_min", "1e999999", "'1e999999' is not an amount; write it like 0.15"),
        ("price_per_min", "1_000", "'1_000' is not an amount; write it like 0.15"),
        ("price_per_min", "0.1234567", "'0.1234567' has more than six decimals"),
        ("price_per_min", "-0.15", "must be from 0 to 1000000"),
        ("price_per_min", "1000000.000001", "must be from 0 to 1000000"),
        ("connect_fee", "-1", "must be from 0 to 1000000"),
        ("min_charge", "9999999999", "'9999999999' is out of range"),
        ("price_per_min", "9" * 15, f"'{'9' * 15}' is out of range"),
        ("price_per_min", "9" * 16, f"'{'9' * 16}' is not an amount; write it like 0.15"),
        ("price_per_min", f"0.{'1' * 15}", f"'0.{'1' * 15}' has more than six decimals"),
        ("price_per_min", f"0.{'1' * 16}", f"'0.{'1' * 16}' is not an amount; write it like 0.15"),
        ("grace_s", "9" * 10, "must be from 0 to 3600 seconds"),
        ("grace_s", "9" * 11, f"'{'9' * 11}' is not a whole number of seconds"),
        ("first_increment_s", "6.0", "'6.0' is not a whole number of seconds"),
        ("first_increment_s", "0", "must be from 1 to 86400 seconds"),
        ("next_increment_s", "-6", "must be from 1 to 86400 seconds"),
        ("next_increment_s", "86401", "must be from 1 to 86400 seconds"),
        ("grace_s", "3601", "must be from 0 to 3600 seconds"),
        ("origin", "area:755", "'755' is not an area code; write it with its 0, like 0755 or 010"),
        (
            "callee_kind",
            "fax",
            "'fax' is none of *, 400, call_centre, extension, international, landline, mobile, short",
        ),
        ("relation", "near", "'near' is none of *, elsewhere, same_city, same_province"),
        ("level_from", "1.5", "'1.5' is not a whole number of minutes or calls"),
        ("level_from", "1000000001", "must be from 0 to 1000000000"),
        ("level_from", "50", "the plan does not say what levels are of"),
        ("band", "a b", "'a b' is not a name; write letters, digits, _ and -, at most 32"),
        ("band", "night", "the plan has no band night"),
        ("price_per_hour", "12", "give a price per minute or per hour, not both"),
        ("in_package", "maybe", "'maybe' is none of no, yes"),
        ("destination", "zone:x", "the plan has no zone x"),
        ("note", "x" * 201, "longer than 200 characters"),
        ("note", '"two\nlines"', "a note is one line, without control or invisible characters"),
        ("note", "\u202egnp", "a note is one line, without control or invisible characters"),
        ("note", "\x1b[31m", "a note is one line, without control or invisible characters"),
        ("note", "a\u2028b", "a note is one line, without control or invisible characters"),
        ("note", "a\u2029b", "a note is one line, without control or invisible characters"),
    ],
)
def test_a_faulty_cell_is_named_with_line_column_and_reason(column, cell, reason):
    head, row = ("price_per_min", "0.15") if column != "price_per_min" else ("note", "x")
    text = f"{head},{column}\n{row},{cell}\n"
    assert faults(text)[0] == f"line 2, column {column}: {reason}"


def test_a_price_per_hour_stands_in_for_one_per_minute():
    assert parse(b"price_per_hour\n12\n") == [
        Rate(rate_micros_per_min=0, rate_micros_per_hour=12_000_000)
    ]
    assert faults("price_per_min,price_per_hour,grace_s\n0.1,,1\n,,1\n") == [
        "line 3, column price_per_min: '' is not an amount; write it like 0.15"
    ]


def test_a_note_may_be_as_long_as_the_bound():
    assert parse(f"price_per_min,note\n0.1,{'深' * 200}\n".encode())[0].note == "深" * 200


def test_half_a_surrogate_is_no_note():
    with pytest.raises(ValueError, match="a note is one line"):
        COLUMNS[-1].value("\ud800")


def test_every_bound_itself_is_sound():
    head = "price_per_min,first_increment_s,next_increment_s,grace_s\n"
    for row in ("1000000,86400,86400,3600", "0,1,1,0"):
        assert len(parse(f"{head}{row}\n".encode())) == 1


def test_a_maximum_below_the_minimum_is_refused():
    assert len(faults("price_per_min,min_charge,max_charge\n0.1,0.5,0.000001\n")) == 1
    assert faults("price_per_min,min_charge,max_charge\n0.1,0.5,0.4\n") == [
        "line 2, column max_charge: must not be below the minimum charge (0: no maximum)"
    ]
    assert len(parse(b"price_per_min,min_charge,max_charge\n0.1,0.5,0.5\n")) == 1
    assert len(parse(b"price_per_min,min_charge,max_charge\n0.1,0.5,0\n")) == 1


def test_a_row_with_too_few_or_too_many_cells_is_named():
    assert faults("origin,price_per_min\n*\n*,0,15\n*,0.15,\n") == [
        "line 2: 1 cells, but the header has 2 columns",
        "line 3: 3 cells, but the header has 2 columns",
    ]


def test_rows_that_tie_are_named_by_both_lines():
    assert faults("origin,price_per_min\nprovince:广东,0.1\n*,0.2\nprovince:广东省,0.3\n") == [
        "line 4: this row is from province:广东 to *, the same as line 2: they tie"
    ]


def test_every_fault_of_every_line_is_told_up_to_fifty_then_a_count():
    rows = "x,y\n" * 40
    told = faults("price_per_min,grace_s\n" + rows)
    assert told[0] == "line 2, column price_per_min: 'x' is not an amount; write it like 0.15"
    assert told[1] == "line 2, column grace_s: 'y' is not a whole number of seconds"
    assert told[50:] == ["and 30 more"]


def test_the_faults_told_are_there_as_values_too():
    with pytest.raises(TableFaults) as raised:
        parse(b"price_per_min\n" + b"x\n" * 60)
    reason = "'x' is not an amount; write it like 0.15"
    assert raised.value.faults == tuple(
        TableFault(line, "price_per_min", reason) for line in range(2, 52)
    )
    assert raised.value.total == 60
    assert len(set(raised.value.faults)) == 50


def test_fifty_faults_need_no_count():
    assert len(faults("price_per_min\n" + "x\n" * 50)) == 50


def test_a_line_is_where_its_row_begins():
    text = 'price_per_min,note\n0.1,"a\nb\nc"\nx,\n'
    assert [line.split(":")[0] for line in faults(text)] == [
        "line 2, column note",
        "line 5, column price_per_min",
    ]


def test_a_cell_is_quoted_as_it_stands():
    assert faults('price_per_min\n"a\r\nb"\n') == [
        "line 2, column price_per_min: 'a\\r\\nb' is not an amount; write it like 0.15"
    ]


def test_a_quote_that_never_ends_is_named():
    assert faults('price_per_min,note\n0.1,ok\n0.2,"oh\n0.3,x\n') == [
        "line 3: this is not CSV: unexpected end of data"
    ]


def test_bytes_in_no_known_encoding_are_named_by_line():
    assert faults(b"price_per_min,note\n0.1,\xff\xff\n") == [
        "line 2: neither UTF-8 nor GBK; save the table as CSV in UTF-8"
    ]
    assert faults(b"\xef\xbb\xbf\nprice_per_min,note\n0.1,\xc9\xee\n") == [
        "line 3: the file is marked as UTF-8, but this line is not"
    ]
    assert faults(b"\nprice_per_min,note\n\xff\xff\n0.1\n0.2\n")[0].startswith("line 3: neither")


def test_a_file_or_a_table_beyond_its_bound_is_refused(monkeypatch):
    monkeypatch.setattr(table_rows, "MAX_ROWS", 2)
    rows = "price_per_min,origin\n0.1,1\n0.1,2\n"
    assert len(parse(rows.encode())) == 2
    assert faults(rows + "0.1,3\n0.1,4\n") == ["line 4: a table has at most 2 rows"]
    monkeypatch.setattr(table_csv, "MAX_BYTES", len(rows))
    assert len(parse(rows.encode())) == 2
    monkeypatch.setattr(table_csv, "MAX_BYTES", 3 << 20)
    assert faults(b"x" * ((3 << 20) + 1)) == ["file: larger than 3 MiB"]


def test_the_bounds_are_those_documented():
    page = RATES_PAGE.read_text(encoding="utf-8")
    mib = table_csv.MAX_BYTES / 2**20
    assert f"At most {mib:g} MiB and {table_rows.MAX_ROWS:,} rows" in page
    assert f"| {MAX_CELL_CHARS} characters, one line |" in page


def test_faults_are_input_errors():
    assert issubclass(TableFaults, InputError)


def test_every_column_is_documented():
    page = RATES_PAGE.read_text(encoding="utf-8")
    documented = [
        line.split("`")[1] for line in page.splitlines() if re.match(r"\| `[a-z_]+` \|", line)
    ]
    assert documented == [column.name for column in COLUMNS]
