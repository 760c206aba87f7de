"""The region table, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from fsbilling.errors import StoreError
from fsbilling.numbering.number import normalise
from fsbilling.numbering.region import UNKNOWN_REGION, Region
from fsbilling.numbering.region_table import RegionTable
from fsbilling.store import regions
from fsbilling.store.region_source import read_package

NOW_US = 1_800_000_000_000_000

BEIJING = Region("010", "北京", "北京")
SHENZHEN = Region("0755", "深圳", "广东")
HUNAN = Region("0731", "", "湖南")
ROWS = [("010", BEIJING), ("0755", SHENZHEN), ("1380013", BEIJING), ("138", HUNAN)]


def replace(conn, rows=ROWS, source="test.csv", **more):
    return regions.replace_all(conn, rows, source=source, as_of="2026-11", at_us=NOW_US, **more)


def test_before_the_first_import_every_region_is_unknown(db):
    with db.read() as conn:
        assert regions.status(conn) is None
        assert list(regions.load(conn)) == []
        assert regions.find(conn, normalise("13800138000")) is UNKNOWN_REGION


def test_what_was_imported_comes_back(db):
    with db.write() as conn:
        imported = replace(conn)
    with db.read() as conn:
        assert sorted(regions.load(conn)) == sorted(ROWS)
        assert regions.status(conn) == imported
    assert imported == regions.RegionStatus(
        source="test.csv", as_of="2026-11", imported_us=NOW_US, landline_rows=2, mobile_rows=2
    )


def test_rows_of_one_place_share_one_region(db):
    with db.write() as conn:
        replace(conn)
    with db.read() as conn:
        loaded = dict(regions.load(conn))
    assert loaded["010"] is loaded["1380013"]


def test_an_import_replaces_all_there_was(db):
    with db.write() as conn:
        replace(conn)
    with db.write() as conn:
        replace(conn, [("0731", HUNAN)], source="other.csv")
    with db.read() as conn:
        assert list(regions.load(conn)) == [("0731", HUNAN)]
        assert regions.status(conn).source == "other.csv"
        assert regions.status(conn).mobile_rows == 0


def test_an_import_that_fails_changes_nothing(db):
    with db.write() as conn:
        replace(conn)
    with pytest.raises(StoreError), db.write() as conn:
        replace(conn, [("0731", HUNAN), ("0731", HUNAN)], source="twice.csv")
    with db.read() as conn:
        assert sorted(regions.load(conn)) == sorted(ROWS)
        assert regions.status(conn).source == "test.csv"


def test_readers_see_the_old_table_until_the_new_one_is_whole(db):
    with db.write() as conn:
        replace(conn)
    with db.write() as writing:
        replace(writing, [("0731", HUNAN)])
        with db.read() as reading:
            assert sorted(regions.load(reading)) == sorted(ROWS)


@pytest.mark.parametrize(
    ("dialled", "region"),
    [
        ("13800138000", BEIJING),
        ("13899999999", HUNAN),
        ("13900139000", UNKNOWN_REGION),
        ("0755-83765566", SHENZHEN),
        ("0731-82345678", UNKNOWN_REGION),
        ("4001234567", UNKNOWN_REGION),
        ("", UNKNOWN_REGION),
    ],
)
def test_one_number_is_found_as_the_table_in_memory_finds_it(db, dialled, region):
    number = normalise(dialled)
    with db.write() as conn:
        replace(conn)
    with db.read() as conn:
        assert regions.find(conn, number) == region
        assert RegionTable.from_rows(regions.load(conn)).find(number) == region


def test_progress_is_told_after_every_batch(db, monkeypatch):
    monkeypatch.setattr(regions, "BATCH", 3)
    told = []
    with db.write() as conn:
        replace(conn, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 4), (4, 4)]
    with db.read() as conn:
        assert sorted(regions.load(conn)) == sorted(ROWS)


def test_the_whole_package_can_be_imported_twice_and_read_back(db):
    source = read_package()
    for _ in range(2):
        with db.write() as conn:
            imported = replace(conn, source.rows, source=source.source)
    assert imported.landline_rows + imported.mobile_rows == len(source.rows) > 450_000
    with db.read() as conn:
        table = RegionTable.from_rows(regions.load(conn))
    assert table.find(normalise("13800138000")) == BEIJING
    assert table.find(normalise("0755-83765566")) == SHENZHEN
