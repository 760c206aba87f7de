"""A tariff's CSV: all of it or nothing, and what was written reads back the same."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.errors import InputError
from fsbilling.rating.match import parse_match
from fsbilling.rating.rate import rate_faults
from fsbilling.rating.table_csv import parse, write
from fsbilling.store import tariffs

from .installation import installation
from .target import UndoError, check_fault

MAX_BYTES = 4096
HEADER = (
    "origin,destination,price_per_min,connect_fee,first_increment_s,next_increment_s,"
    "grace_s,min_charge,max_charge,note"
)
WORDS = (
    *(name.encode() for name in HEADER.split(",")),
    b"prefix:86",
    b"area:0755",
    "province:广东".encode(),
    b"0.15",
    b"\xef\xbb\xbf",
    b'""',
    b'"\n',
    b"\r\n",
    b"1e9",
    b"-1",
    b"\x00",
)


def seeds() -> Iterator[bytes]:
    row = "*,prefix:86755,0.15,0.01,6,6,3,0.10,5.00,深圳"
    yield f"{HEADER}\n{row}\n".encode()
    yield f"{HEADER}\r\n{row}\r\n".encode("gb18030")
    yield b"\xef\xbb\xbfprice_per_min,destination\n0.1,area:0755\n0.2,*\n"
    yield b'price_per_min,note\n0.1,"two\nlines"\n'


def check(data: bytes) -> None:
    try:
        rates = parse(data)
    except InputError as fault:
        check_fault(fault, 50_000)
        return
    for rate in rates:
        assert not list(rate_faults(rate))
        assert (parse_match(rate.origin), parse_match(rate.destination)) == (
            rate.origin,
            rate.destination,
        )
    assert parse(write(rates).encode()) == rates
    _check_import(rates)


def _check_import(rates) -> None:
    """Import it into SQL, read it back, and break off: nothing stays."""
    db = installation().world.db
    try:
        with db.write() as conn:
            tariffs.import_version(conn, "fuzzed", rates, valid_from_us=0, source="test", at_us=1)
            version = tariffs.version_at(conn, "fuzzed", 1)
            assert version is not None
            stored = [{**_row(rate), "rate_id": 0} for rate in tariffs.rates(conn, version)]
            assert stored == [_row(rate) for rate in rates]
            raise UndoError  # noqa: TRY301 -- a transaction is broken off from within
    except UndoError:
        pass
    with db.read() as conn:
        assert tariffs.versions(conn, "fuzzed") == []


def _row(rate) -> dict[str, object]:
    return {name: getattr(rate, name) for name in rate.__struct_fields__}
