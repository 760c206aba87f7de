"""The parts of an Excel workbook, looked through before a library reads them.

A workbook is a zip file of XML (ECMA-376). `python-calamine` reads one fast, but lays a sheet out
as a full rectangle: a single cell in its far corner would take half a terabyte. It also reads
a sheet that ends in mid-row, and a cell that shows an error as an empty one. So each part is
unpacked within bounds and looked through here, and what was looked through, not what was
given, is packed again for it.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import Final
from xml.parsers import expat

MAX_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
"""A small zip file can hold very large parts."""
MAX_LINES: Final = 1024 * 1024
"""As many as a spreadsheet has; a row may claim any number, and those missing before it count."""
MAX_CELLS: Final = 16 * 1024 * 1024
"""Lines times columns, empty ones included: about 1 GiB of memory while a sheet is read."""

_PACKED_BY: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_READ: Final = re.compile(r"(xl/|_rels/|docProps/).*\.(xml|rels)|\[Content_Types\]\.xml")
"""What a library needs: neither pictures, nor macros, nor the parts of any other format."""
_LETTER_VALUE: Final = {letter: at for at, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1)}
# What zipfile is known to raise for a damaged or encrypted file.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
)


class UnsoundWorkbook(ValueError):  # noqa: N818 - the reader turns it into a fault of the table
    """A workbook that is not read; the message says why."""


def sound_workbook(data: bytes) -> bytes:
    """Give the workbook with the parts that are needed, each well-formed and within the bounds.

    Raises UnsoundWorkbook.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(packed, "w") as sound:
            entries = given.infolist()
            _check_packing(entries)
            for entry in entries:
                if _READ.fullmatch(entry.filename):
                    part = given.read(entry.filename)
                    _Cells().look_through(part)
                    sound.writestr(entry.filename, part)
    except UnsoundWorkbook:
        raise
    except _UNREADABLE as fault:
        raise UnsoundWorkbook(f"not a workbook that can be read: {fault}") from None
    return packed.getvalue()


def _check_packing(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse what would unpack to too much, or is packed as no spreadsheet packs it."""
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise UnsoundWorkbook(f"unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")
    if any(entry.compress_type not in _PACKED_BY for entry in entries):
        raise UnsoundWorkbook("not packed as a workbook is (stored or deflated)")
    if len({entry.filename for entry in entries}) < len(entries):
        raise UnsoundWorkbook("has two parts of one name")


class _Cells:
    """How far the cells of a part reach; a part that is no sheet has none."""

    def __init__(self) -> None:
        self._line = 0
        self._column = 0
        self._columns = 1

    def look_through(self, part: bytes) -> None:
        """Raise UnsoundWorkbook, or ExpatError for what is not well-formed."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.Parse(part, True)  # noqa: FBT003 - expat's own signature

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        name = element.rpartition(":")[2]
        if name == "row":
            self._line = int(attributes.get("r", self._line + 1))
            self._column = 0
        elif name == "c":
            self._take_cell(attributes)
        else:
            return
        if self._line > MAX_LINES:
            raise UnsoundWorkbook(f"a sheet has at most {MAX_LINES} lines")
        if self._line * self._columns > MAX_CELLS:
            raise UnsoundWorkbook(
                f"a sheet's cells span at most {MAX_CELLS}, lines times columns: "
                f"line {self._line} and column {self._columns} are too far apart"
            )

    def _take_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r", "")
        letters = place.rstrip("0123456789")
        column = 0
        for letter in letters.upper():
            column = column * 26 + _LETTER_VALUE[letter]
        if letters != place:
            self._line = max(self._line, int(place[len(letters) :]))
        self._column = column or self._column + 1
        self._columns = max(self._columns, self._column)
        if attributes.get("t") == "e":
            raise UnsoundWorkbook(
                f"cell {place or f'{self._column} of line {self._line}'} shows an error such as "
                "#N/A: mend it, or take its sheet out"
            )
