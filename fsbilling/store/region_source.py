"""Where the region table comes from: an installed data package, or a CSV file.

The package is `phone` (https://github.com/ls0f/phone): every 7-digit mobile segment with city,
province and area code. Its own reader finds one number at a time, so its file is read here at
once. It knows no landlines as such; they follow from the mobiles that are at home in an area.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata, util
from pathlib import Path

import msgspec

from fsbilling.errors import InputError
from fsbilling.numbering.region import Region

PACKAGE = "phone"

RegionRow = tuple[str, Region]
"""A landline area code with its 0, or a mobile segment; and where it is."""

_HEAD = struct.Struct("<4si")
"""The data's date as YYMM, and where the index begins (phone/phone.py)."""

_ENTRY = struct.Struct("<iiB")
"""Segment, offset of its record, carrier."""

_SEGMENTS = range(1_000_000, 2_000_000)


class RegionSource(msgspec.Struct, frozen=True):
    """Rows ready to be imported.

    Attributes:
        source: What they were read from: `"phone 0.4.5"`, or a file's name.
        as_of: The data's own date, `"2023-12"`; for a file, the day it was last changed.
        rows: Each prefix once, area codes first.
    """

    source: str
    as_of: str
    rows: list[RegionRow]


def read_package() -> RegionSource:
    """Read the installed `phone` package. Raises InputError when it is absent or damaged."""
    spec = util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(f"the package {PACKAGE!r} is not installed; pip install {PACKAGE}")
    try:
        data = Path(spec.origin).with_name("phone.dat").read_bytes()
        as_of, segments = parse_phone_dat(data)
    except (OSError, struct.error, UnicodeDecodeError, ValueError) as fault:
        raise InputError(
            f"the data of package {PACKAGE!r} cannot be read ({fault}); "
            f"pip install --force-reinstall {PACKAGE}"
        ) from None
    rows = [*landlines(segments), *segments]
    return RegionSource(f"{PACKAGE} {metadata.version(PACKAGE)}", as_of, rows)


def parse_phone_dat(data: bytes) -> tuple[str, list[RegionRow]]:
    """Take the date and the mobile segments out of a phone.dat.

    Raises ValueError, or a subclass or struct.error, when the bytes are something else.
    """
    version, index = _HEAD.unpack_from(data)
    date = re.fullmatch(rb"(\d\d)(0[1-9]|1[0-2])", version)
    if date is None or not _HEAD.size <= index <= len(data):
        raise ValueError("it begins with no date")
    as_of = f"20{date[1].decode()}-{date[2].decode()}"
    regions = dict(_records(data[:index]))
    try:
        entries = [
            (segment, regions[offset])
            for segment, offset, _carrier in _ENTRY.iter_unpack(data[index:])
        ]
    except KeyError as fault:
        raise ValueError(f"no record at {fault}") from None
    if not all(segment in _SEGMENTS for segment, _ in entries):
        raise ValueError("a segment has not seven digits")
    return as_of, [(str(segment), region) for segment, region in entries]


def _records(head: bytes) -> Iterator[tuple[int, Region]]:
    """Yield each record `province|city|post code|area code` with its offset."""
    offset = _HEAD.size
    while offset < len(head):
        end = head.index(b"\0", offset)
        province, city, _post_code, area_code = head[offset:end].decode().split("|")
        # One record of 锡林郭勒 says 00479.
        yield offset, Region("0" + area_code.lstrip("0"), city, province)
        offset = end + 1


def landlines(segments: Iterable[RegionRow]) -> list[RegionRow]:
    """Derive the area codes' regions from the mobiles that are at home in them.

    Some areas are shared (0731: 长沙, 株洲, 湘潭). Digits cannot tell which of the cities a
    landline is in, so the city with most mobile segments stands for all, and of two with equally
    many the one whose name sorts first.
    """
    sizes = Counter(region for _prefix, region in segments)
    largest: dict[str, Region] = {}
    for region in sorted(sizes, key=lambda region: (-sizes[region], region.province, region.city)):
        largest.setdefault(region.area_code, region)
    return sorted(largest.items())
