"""Rate tables as Excel workbooks."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from refusal import refused as faults

from fsbilling.rating import table_csv, table_xlsx, workbook_parts
from fsbilling.rating.columns import COLUMNS
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


def repacked(part: str, old: str, new: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A sound workbook, but for a text of one of its parts."""
    data = io.BytesIO()
    sound = zipfile.ZipFile(io.BytesIO(workbook(["price_per_min", "note"], [0.15, "a"])))
    with zipfile.ZipFile(data, "w", method) as packed:
        for name in sound.namelist():
            text = sound.read(name).decode()
            assert name != part or old in text
            packed.writestr(name, text.replace(old, new) if name == part else text)
    return data.getvalue()


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


SHEET = "xl/worksheets/sheet1.xml"
TYPES = "[Content_Types].xml"
PRICE = '<c r="A2" t="n"><v>0.15</v>'
UNREADABLE = "file: not a workbook that can be read: "


@pytest.mark.parametrize(
    ("part", "old", "new", "reason"),
    [
        (SHEET, "</row>", "", "mismatched tag: line 1, column"),
        (SHEET, PRICE, '<c r="A2" t="n"><v>x</v>', "Parse float error"),
        (SHEET, PRICE, '<c r="A2" t="s"><v>7</v>', "Cell string index not found"),
        (SHEET, PRICE, '<c r="A2" t="?"><v>7</v>', "Unknown cell 't' attribute"),
        (SHEET, PRICE, '<c r="é2" t="n"><v>7</v>', "'É'"),
        (SHEET, '<row r="2">', '<row r="two">', "invalid literal for int"),
        ("xl/styles.xml", "</styleSheet>", "", "no element found: line"),
        ("xl/workbook.xml", "<sheet ", "<leaf ", "it has no sheet"),
    ],
)
def test_a_workbook_that_does_not_hold_what_it_says_is_refused(part, old, new, reason):
    [told] = faults(repacked(part, old, new))
    assert told.startswith(UNREADABLE + reason)


def test_a_refused_workbook_is_told_in_one_line_of_bounded_length():
    [told] = faults(repacked(SHEET, PRICE, f'<c r="A2" t="{"x" * 300}"><v>1</v>'))
    assert len(told) == len("file: ") + 200


def test_a_chart_before_the_table_is_no_table():
    book = openpyxl.load_workbook(io.BytesIO(workbook(["price_per_min"], [0.1])))
    book.create_chartsheet("prices", 0)
    data = io.BytesIO()
    book.save(data)
    assert parse(data.getvalue()) == [Rate(rate_micros_per_min=100_000)]


def test_empty_lines_and_columns_before_the_table_count():
    rows = ([], [None, "price_per_min"], [], [None, "free"])
    assert faults(workbook(*rows)) == faults(b"\n,price_per_min\n\n,free\n")


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ('<c r="A2" t="e"><v>#N/A</v>', "cell A2"),
        ('<c t="e"><v>#DIV/0!</v>', "cell 1 of line 2"),
        ('<x:c xmlns:x="x" t="e"><v>#REF!</v></x:c><c>', "cell 1 of line 2"),
    ],
)
def test_a_cell_that_shows_an_error_is_no_empty_cell(cell, told):
    assert faults(repacked(SHEET, PRICE, cell)) == [
        f"file: {told} shows an error such as #N/A: mend it, or take its sheet out"
    ]


def marked(data: bytes, header: bytes, place: int, bits: int) -> bytes:
    """Set bits at a place of every zip header of a kind."""
    changed = bytearray(data)
    for found in re.finditer(re.escape(header), data):
        changed[found.start() + place] |= bits
    return bytes(changed)


def test_a_workbook_whose_parts_lie_beyond_its_end_is_refused():
    data = workbook(["price_per_min"], [0.1])
    assert faults(marked(data, b"PK\x03\x04", 29, 0xFF))[0].startswith(UNREADABLE)


def test_an_encrypted_workbook_is_refused():
    data = workbook(["price_per_min"], [0.1])
    data = marked(marked(data, b"PK\x03\x04", 6, 1), b"PK\x01\x02", 8, 1)
    [told] = faults(data)
    assert told.startswith(f"{UNREADABLE}File 'docProps/app.xml' is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_workbook_packed_as_no_spreadsheet_packs_it_is_refused(method):
    assert faults(repacked(SHEET, "", "", method)) == [
        "file: not packed as a workbook is (stored or deflated)"
    ]
    assert len(parse(repacked(SHEET, "", "", zipfile.ZIP_STORED))) == 1


def test_a_workbook_beyond_its_bounds_is_refused(monkeypatch):
    data = workbook(["price_per_min"], [0.1])
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    monkeypatch.setattr(workbook_parts, "MAX_UNPACKED_BYTES", unpacked)
    monkeypatch.setattr(table_xlsx, "MAX_BYTES", len(data))
    assert len(parse(data)) == 1
    monkeypatch.setattr(workbook_parts, "MAX_UNPACKED_BYTES", unpacked - 1)
    assert faults(data) == ["file: unpacks to more than 0 MiB"]
    monkeypatch.setattr(table_xlsx, "MAX_BYTES", len(data) - 1)
    assert faults(data) == ["file: larger than 0 MiB"]


def test_the_bounds_are_told_in_mib(monkeypatch):
    data = repacked(SHEET, "<sheetData>", "<sheetData>" + " " * (3 << 20))
    monkeypatch.setattr(workbook_parts, "MAX_UNPACKED_BYTES", 3 << 20)
    assert faults(data) == ["file: unpacks to more than 3 MiB"]
    monkeypatch.setattr(table_xlsx, "MAX_BYTES", 3 << 20)
    assert faults(b"PK\x03\x04" + b"x" * (3 << 20)) == ["file: larger than 3 MiB"]


def test_the_bounds_are_those_documented():
    page = (Path(__file__).parents[2] / "docs" / "rates.md").read_text(encoding="utf-8")
    unpacked_mib, lines = workbook_parts.MAX_UNPACKED_BYTES / 2**20, workbook_parts.MAX_LINES
    told = f"A workbook unpacks to at most {unpacked_mib:g} MiB and {lines:,} lines"
    assert told in page.replace("\n", " ")
    assert f"{workbook_parts.MAX_CELLS:,} cells" in page.replace("\n", " ")
    assert table_xlsx.MAX_BYTES == table_csv.MAX_BYTES


def with_rows(rows: str) -> bytes:
    """A sound table of columns A and B, lines 1 and 2, and what is added to it."""
    return repacked(SHEET, "</sheetData>", rows + "</sheetData>")


def cell(place: str) -> str:
    return f'<c r="{place}"><v>0.2</v></c>'


def is_read(data: bytes) -> bool:
    """The added price is for what line 2 prices already: that is found only by reading it."""
    [told] = faults(data)
    return "the same as line 2" in told


@pytest.mark.parametrize(
    "rows", ['<row r="{}">{}</row>', '<row r="{}"/><row>{}</row>', "<row>{1}</row>"]
)
def test_a_line_that_claims_to_be_far_down_is_refused(monkeypatch, rows):
    monkeypatch.setattr(workbook_parts, "MAX_LINES", 9)
    assert is_read(with_rows(rows.format(8, cell("A9"))))
    assert faults(with_rows(rows.format(10, cell("A10")))) == ["file: a sheet has at most 9 lines"]


def test_an_empty_line_far_down_is_refused_as_well(monkeypatch):
    monkeypatch.setattr(workbook_parts, "MAX_LINES", 9)
    assert len(parse(with_rows('<row r="8"/><row/>'))) == 1
    assert faults(with_rows('<row r="9"/><row/>')) == ["file: a sheet has at most 9 lines"]


@pytest.mark.parametrize(
    ("rows", "line", "column"),
    [
        (f"<row>{cell('AB3')}</row>", 3, 28),
        (f"<row>{cell('X3')}</row>", 3, 24),
        (f"<row>{'<c/>' * 19}{cell('A3')}</row>", 3, 19),
        (f"<row>{'<c/>' * 9}{cell('J3')}{'<c/>' * 9}</row>", 3, 19),
        (f'<row><c r="Z3"/></row><row>{cell("A4")}</row>', 3, 26),
        (f"<row>{cell('A28')}</row>", 28, 2),
        ('<row r="28"/>', 28, 2),
    ],
)
def test_cells_too_far_apart_are_refused(monkeypatch, rows, line, column):
    """They are laid out as a full rectangle: one at the far corner would take all memory."""
    monkeypatch.setattr(workbook_parts, "MAX_CELLS", 54)
    assert is_read(with_rows(f"<row>{cell('A27')}</row>"))
    [told] = faults(with_rows(rows))
    assert told.startswith("file: a sheet's cells span at most 54, lines times columns: ")
    assert told.endswith(f"line {line} and column {column} are too far apart")


@pytest.mark.parametrize(
    ("part", "lines", "cells"),
    [
        ("<row><c/></row>", 1, 1),
        ('<row/><row r="7"><c/></row>', 7, 7),
        ("<row/>" * 4, 4, 4),
        ('<row><c r="B1"/><c/></row>', 1, 3),
        ('<row><c/><c/></row><row r="3"><c/></row>', 3, 6),
        ('<c r="5"/>', 5, 5),
    ],
)
def test_the_bounds_are_met_exactly(monkeypatch, part, lines, cells):
    """Also by what no spreadsheet writes: rows and cells that do not say where they are."""

    def is_sound():
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr(SHEET, f"<sheetData>{part}</sheetData>")
        try:
            workbook_parts.sound_workbook(data.getvalue())
        except workbook_parts.UnsoundWorkbook:
            return False
        return True

    for few_lines, few_cells in ((0, 0), (1, 0), (0, 1)):
        monkeypatch.setattr(workbook_parts, "MAX_LINES", lines - few_lines)
        monkeypatch.setattr(workbook_parts, "MAX_CELLS", cells - few_cells)
        assert is_sound() == (few_lines == few_cells)


def test_an_empty_sheet_is_an_empty_table():
    assert faults(workbook()) == faults(b"")


def test_the_far_corner_of_a_sheet_does_not_end_the_process():
    [told] = faults(repacked(SHEET, PRICE, PRICE.replace("A2", "XFD1048576")))
    assert told.endswith("line 1048576 and column 16384 are too far apart")


def test_only_what_was_looked_through_is_read():
    """A picture, a macro or another format's parts in the same file do not reach the library."""
    data = io.BytesIO(workbook(["price_per_min"], [0.1]))
    with zipfile.ZipFile(data, "a") as packed:
        packed.writestr("xl/media/image1.png", b"\x89PNG")
        packed.writestr("content.xml", b"<not even sound")
    sound = workbook_parts.sound_workbook(data.getvalue())
    names = zipfile.ZipFile(io.BytesIO(sound)).namelist()
    assert names == zipfile.ZipFile(io.BytesIO(workbook([]))).namelist()[: len(names)]
    assert {"[Content_Types].xml", "_rels/.rels", SHEET} <= set(names)
    assert len(parse(data.getvalue())) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name_are_refused():
    data = io.BytesIO(workbook(["price_per_min"], [0.1]))
    with zipfile.ZipFile(data, "a") as packed:
        packed.writestr(SHEET, packed.read(SHEET))
    assert faults(data.getvalue()) == ["file: has two parts of one name"]


def test_the_size_that_a_sheet_claims_does_not_count():
    assert len(parse(repacked(SHEET, 'ref="A1:B2"', 'ref="A1:A1"'))) == 1


def test_numbers_and_flags_in_a_note_are_as_a_csv_would_have_them():
    rows = (["price_per_min", "note"], [1, 1234567890.12345], [1, 12.0], [1, 1e-7], [1, True])
    rows = [[*row, f"prefix:{9 + at}"] for at, row in enumerate(rows)]
    rows[0][-1] = "origin"
    told = [rate.note for rate in parse(workbook(*rows))]
    assert told == ["1234567890.12345", "12", "0.0000001", "yes"]
    assert parse(workbook(["price_per_min", "note"], [1, False]))[0].note == "no"


def test_a_row_longer_than_the_header_is_told_with_its_own_length():
    assert faults(workbook(["price_per_min", "note"], [1, "a", None, "x", None])) == [
        "line 2: 4 cells, but the header has 2 columns"
    ]


def test_cells_far_to_the_right_are_not_read():
    most = 2 * len(COLUMNS)
    for width, seen in ((most, True), (most + 1, False), (500, False)):
        data = workbook(["price_per_min"] + [None] * (width - 2) + ["x"], [0.1])
        if seen:
            assert faults(data)[1].startswith("line 1: no column 'x'; the columns are origin, ")
        else:
            assert parse(data) == [Rate(rate_micros_per_min=100_000)]
