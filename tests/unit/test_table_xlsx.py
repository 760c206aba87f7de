"""Rate tables as Excel workbooks."""

from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest

from fsbilling.rating import table_csv, table_xlsx
from fsbilling.rating.faults import TableFaults
from fsbilling.rating.plan import Band, Plan
from fsbilling.rating.rate import Rate
from fsbilling.rating.table_file import parse


def workbook(*rows) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.create_sheet("notes").append(["not a table"])
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def faults(data: bytes) -> list[str]:
    with pytest.raises(TableFaults) as raised:
        parse(data)
    return str(raised.value).split("\n")


def test_the_first_sheet_is_the_table():
    data = workbook(
        ["destination", "price_per_min", "first_increment_s", "in_package", "note"],
        [86755, 0.15, 6, True, "深圳"],
        ["province:广东", "0.2", None, False, None],
        [None, None, None, None, None],
        ["*", 1, 60.0, "yes", "=1+1"],
    )
    assert parse(data) == [
        Rate(
            destination="prefix:86755",
            rate_micros_per_min=150_000,
            first_increment_s=6,
            note="深圳",
        ),
        Rate(destination="province:广东", rate_micros_per_min=200_000, in_package=False),
        Rate(rate_micros_per_min=1_000_000, first_increment_s=60),
    ]


@pytest.mark.parametrize(
    ("cell", "price_micros"),
    [(0.1 + 0.2, 300_000), (0.000001, 1), (1e-5, 10), (123456.789, 123_456_789_000), (1e6, 10**12)],
)
def test_a_number_is_what_the_spreadsheet_shows(cell, price_micros):
    [rate] = parse(workbook(["price_per_min"], [cell]))
    assert rate.rate_micros_per_min == price_micros


def test_faults_are_named_by_line_and_column():
    data = workbook(["price_per_min", "note"], [0.1, "a"], [], ["free", "b"], [0.1234567, "c"])
    assert faults(data) == [
        "line 4, column price_per_min: 'free' is not an amount; write it like 0.15",
        "line 5, column price_per_min: '0.1234567' has more than six decimals",
    ]


def test_a_plan_is_heeded():
    data = workbook(["band", "price_per_min"], ["night", 0.1], ["*", 0.2])
    assert len(parse(data, Plan(bands=(Band("night"),)))) == 2
    assert faults(data) == ["line 2, column band: the plan has no band night"]


def test_a_csv_goes_the_csvs_way():
    text = "price_per_min\n0.1\n"
    assert parse(text.encode()) == table_csv.parse(text.encode())


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"PK\x03\x04" + b"x" * 1_000])
def test_what_is_no_workbook_is_refused(data):
    assert faults(data)[0].startswith("file: not a workbook that can be read")


def test_a_zip_of_something_else_is_refused():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        packed.writestr("x.txt", "x")
    assert faults(data.getvalue())[0].startswith("file: not a workbook that can be read")


def test_a_workbook_beyond_its_bounds_is_refused(monkeypatch):
    data = workbook(["price_per_min"], [0.1])
    monkeypatch.setattr(table_xlsx, "MAX_UNPACKED_BYTES", 1024)
    assert faults(data) == ["file: unpacks to more than 0 MiB"]
    monkeypatch.setattr(table_xlsx, "MAX_BYTES", len(data) - 1)
    assert faults(data) == ["file: larger than 0 MiB"]
    monkeypatch.setattr(table_xlsx, "MAX_BYTES", len(data))
    monkeypatch.setattr(table_xlsx, "MAX_UNPACKED_BYTES", 1024 * 1024)
    assert len(parse(data)) == 1


def test_cells_far_to_the_right_are_not_read():
    data = workbook(["price_per_min"] + [None] * 500 + ["x"], [0.1])
    assert parse(data) == [Rate(rate_micros_per_min=100_000)]
