"""A region table as a CSV file: columns prefix, area_code, city, province, in any order.

    prefix,area_code,city,province
    0755,0755,深圳,广东
    1380013,010,北京,北京

A prefix is an area code with its 0, or the first 3 to 7 digits of mobile numbers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fsbilling.errors import InputError
from fsbilling.numbering.region import Region
from fsbilling.numbering.region_table import AREA_PREFIX, SEGMENT_PREFIX
from fsbilling.rating.faults import FaultList
from fsbilling.store.region_source import RegionRow, RegionSource

COLUMNS = ("prefix", "area_code", "city", "province")

MAX_BYTES = 128 * 1024 * 1024
MAX_NAME = 64


def read_csv(path: Path) -> RegionSource:
    """Read a file. Raises InputError naming every fault by line, column and reason."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            changed = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).astimezone()
    except OSError as fault:
        raise InputError(f"{path}: {(fault.strerror or 'cannot be read').lower()}") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES // 1024 // 1024} MiB")
    return RegionSource(path.name, changed.date().isoformat(), parse_csv(data))


def parse_csv(data: bytes) -> list[RegionRow]:
    """Read the rows: UTF-8 with or without a byte order mark, or else GBK.

    Area codes come first. Raises TableFaults (an InputError) with every fault.
    """
    faults = FaultList()
    rows: dict[str, Region] = {}
    first_line: dict[str, int] = {}
    for line, cells in _lines(_decode(data), faults):
        row = _row(line, cells, faults)
        if row is None:
            continue
        earlier = first_line.setdefault(row[0], line)
        if earlier != line:
            faults.add(line, "prefix", f"{row[0]} stands on line {earlier} already")
        rows[row[0]] = row[1]
    faults.raise_any()
    if not rows:
        raise InputError("there is no row; the first line names the columns, the others follow")
    return sorted(rows.items())


def _decode(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("neither UTF-8 nor GBK text; save the table as CSV in UTF-8")


def _lines(text: str, faults: FaultList) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row's line number and its cells by column."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            line = reader.line_num
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if not header:
                header = _header(line, stripped, faults)
            elif len(stripped) != len(header):
                faults.add(line, "", f"{len(stripped)} cells under {len(header)} columns")
            else:
                yield line, dict(zip(header, stripped, strict=True))
    except csv.Error as fault:
        faults.add(reader.line_num, "", f"this is not CSV: {fault}")


def _header(line: int, names: list[str], faults: FaultList) -> list[str]:
    header = [name.lower() for name in names]
    for column in COLUMNS:
        count = header.count(column)
        if count == 0:
            faults.add(line, column, "this column is missing")
        elif count > 1:
            faults.add(line, column, f"this column stands there {count} times")
    faults.raise_any()
    return header


def _row(line: int, cells: dict[str, str], faults: FaultList) -> RegionRow | None:
    prefix, area_code, city, province = (cells[column] for column in COLUMNS)
    reasons = {
        "prefix": _prefix_fault(prefix),
        "area_code": _area_code_fault(prefix, area_code),
        "city": _name_fault(city),
        "province": _name_fault(province) or ("" if province else "it is empty"),
    }
    faulty = False
    for column, reason in reasons.items():
        if reason:
            faults.add(line, column, reason)
            faulty = True
    return None if faulty else (prefix, Region(area_code, city, province))


def _prefix_fault(prefix: str) -> str:
    if AREA_PREFIX.fullmatch(prefix) or SEGMENT_PREFIX.fullmatch(prefix):
        return ""
    return f"{prefix[:MAX_NAME]!r} is no area code like 0755 and no 3 to 7 digits like 1380013"


def _area_code_fault(prefix: str, area_code: str) -> str:
    if not AREA_PREFIX.fullmatch(area_code):
        return f"{area_code[:MAX_NAME]!r} is no area code like 0755 or 010"
    if AREA_PREFIX.fullmatch(prefix) and prefix != area_code:
        return f"{area_code} is not the area code of the landlines {prefix}"
    return ""


def _name_fault(name: str) -> str:
    if len(name) > MAX_NAME:
        return f"longer than {MAX_NAME} characters"
    return "" if name.isprintable() else "it has characters that cannot be printed"
