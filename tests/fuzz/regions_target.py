"""A region table's CSV, and the data file of the `phone` package's form."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.errors import InputError
from fsbilling.numbering.number import normalise
from fsbilling.numbering.region_table import AREA_PREFIX, SEGMENT_PREFIX, RegionTable
from fsbilling.store import regions
from fsbilling.store.region_csv import parse_csv

from .installation import installation
from .target import UndoError, check_fault

MAX_BYTES = 4096
WORDS = (
    b"prefix,area_code,city,province\n",
    b"0755",
    b"1380013",
    b"010",
    "广东".encode(),
    b"\xef\xbb\xbf",
    b'"\n',
    b"\r\n",
    b"\x00",
)


def seeds() -> Iterator[bytes]:
    table = "prefix,area_code,city,province\n0755,0755,深圳,广东\n1380013,010,北京,北京\n"
    yield table.encode()
    yield table.encode("gb18030")
    yield b'\xef\xbb\xbfprovince,"prefix",city,area_code\nX,138,Y,0310\n'


def check(data: bytes) -> None:
    try:
        rows = parse_csv(data)
    except InputError as fault:
        check_fault(fault, 50_000)
        return
    assert rows
    assert len({prefix for prefix, _ in rows}) == len(rows)
    for prefix, region in rows:
        assert AREA_PREFIX.fullmatch(prefix) or SEGMENT_PREFIX.fullmatch(prefix)
        assert AREA_PREFIX.fullmatch(region.area_code)
    RegionTable.from_rows(rows).find(normalise("13800138000"))
    _check_import(rows)


def _check_import(rows) -> None:
    """Import it into SQL, read it back, and break off: the table before stays."""
    db = installation().world.db
    with db.read() as conn:
        before = list(regions.load(conn))
    try:
        with db.write() as conn:
            regions.replace_all(conn, rows, source="test", as_of="", at_us=1)
            assert sorted(regions.load(conn)) == sorted(rows)
            raise UndoError  # noqa: TRY301 -- a transaction is broken off from within
    except UndoError:
        pass
    with db.read() as conn:
        assert list(regions.load(conn)) == before
