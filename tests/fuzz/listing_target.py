"""The list of all channels: what a caller wrote makes no row and hides none, however it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator

from fsbilling.errors import SwitchError
from fsbilling.switch.listing import Listing

from .target import check_fault

MAX_BYTES = 2048
UUIDS = ("42a1d4a0-bf75-4287-ab9c-614e30a2479f", "5353e3b2-0c5f-4d0c-8d79-8bfa2c5ff1cc", "leg-3")
WORDS = (
    b'{"row_count":2,"rows":[',
    b'{"uuid":"',
    b'},{"uuid":"',
    b'"},{"uuid":"x"',
    b'","cid_name":"',
    b'"rows":[',
    b"]}",
    b"\\",
    b"\\u0022",
    b"\xe9",
    b"-ERR SQL Error [",
)


def seeds() -> Iterator[bytes]:
    listing = _listing(UUIDS, 'a "name"')
    yield b"\x01" + listing
    yield b"\x10" + listing[:-20]
    yield b"\x07" + listing.replace(b'"row_count":3', b'"row_count":4')
    yield b"\x20" + listing.replace(b",", b", ")
    yield b'\x00{"row_count": 0}\n'
    yield b'\x05},{"uuid":"forged"},{"uuid":"forged-2"}]}'
    yield b'\x03","uuid":"forged'
    yield b"\x02" + '山\\" },{ \u2028'.encode() + b"\xe9\xff"


def check(data: bytes) -> None:
    """The first byte says how the answer is cut, and where it breaks off."""
    cut, stream = (data[0] or 256, data[1:]) if data else (1, b"")
    read = _read(stream, cut)
    if read is not None:
        assert read == _read_whole(stream)
    listing = _listing(UUIDS, stream.decode("utf-8", "surrogateescape"))
    assert _read(listing, cut) == frozenset(UUIDS)
    assert _read(listing[: cut * len(listing) // 257], cut) is None


def _listing(uuids: tuple[str, ...], name: str) -> bytes:
    """An answer as FreeSWITCH prints it, in which callers have this name."""
    rows = [{"uuid": uuid, "cid_name": name, "dest": name} for uuid in uuids]
    text = json.dumps(
        {"row_count": len(rows), "rows": rows}, separators=(",", ":"), ensure_ascii=False
    )
    return text.encode("utf-8", "surrogateescape")


def _read(answer: bytes, cut: int) -> frozenset[str] | None:
    """Give the UUIDs of an answer that comes in pieces; None when it is none."""
    listing = Listing()
    try:
        for start in range(0, len(answer), cut):
            listing.take(answer[start : start + cut])
        return listing.uuids()
    except SwitchError as fault:
        check_fault(fault)
        return None


def _read_whole(answer: bytes) -> frozenset[str] | None:
    listing = json.loads(answer.decode("utf-8", "replace"))
    uuids = frozenset(row["uuid"] for row in listing.get("rows", ()))
    return uuids if len(uuids) == listing["row_count"] else None
