r"""The channels that a switch lists, read while the answer is still coming.

`show channels as json` takes 1 KB for a channel, 42 MB for 20,000 calls of two. Read in one piece
it keeps the event loop for a fifth of a second; so it is cut where one row ends and the next
begins, and the rows before a cut are read while those behind it are still under way.

No caller can make or hide such a place (DESIGN rule 7). FreeSWITCH prints the answer without
blanks, the UUID in the first column (mod_commands.c, show_as_json_callback), and in JSON's texts
a quotation mark has a backslash before it: what a caller wrote may hold `},{` and `\"uuid\":`,
never `{"`. And where a cut is wrong, neither side of it is JSON, and there is no answer.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from fsbilling.errors import SwitchError

BETWEEN_ROWS = b'},{"uuid":'
MAX_UNCUT_BYTES = 8 << 20
"""Of what is held until a row ends: a row has 1 KB, what a caller can swell some hundred."""
MAX_ROWS = 200_000
_BEGINNING = re.compile(rb'\{"row_count":([0-9]{1,9}),"rows":\[')
_END = b"]}"

T = TypeVar("T")


class _Row(msgspec.Struct, gc=False):
    uuid: str


class _Rows(msgspec.Struct):
    row_count: int
    rows: list[_Row] = []


class Listing:
    """Takes the answer in pieces, of whatever size, and gives the UUIDs when it is whole.

    Invariant: every byte taken has been read as JSON, or is held to be read with what follows.
    An answer that does not begin as FreeSWITCH's own is read in one piece.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._row_count: int | None = None
        self._uuids: set[str] = set()

    def take(self, piece: bytes) -> None:
        """Take the next piece; raises SwitchError when it cannot be part of a listing."""
        unseen_from = max(0, len(self._held) - len(BETWEEN_ROWS))
        self._held += piece
        if self._row_count is None and (beginning := _BEGINNING.match(self._held)):
            self._row_count = int(beginning[1])
            del self._held[: beginning.end()]
            unseen_from = 0
        if self._row_count is not None:
            self._read_to_the_last_cut(unseen_from)
            if len(self._uuids) > min(self._row_count, MAX_ROWS):
                raise SwitchError(f"show channels: more than {self._row_count} rows, or {MAX_ROWS}")
        if len(self._held) > MAX_UNCUT_BYTES:
            raise SwitchError(f"show channels: {len(self._held)} bytes without the end of a row")

    def uuids(self) -> frozenset[str]:
        """Give all channels' UUIDs; raises SwitchError when a part of the answer is missing."""
        rest, row_count = bytes(self._held).rstrip(), self._row_count
        if row_count is None:
            listing = _decoded(rest, _Rows)
            row_count = listing.row_count
            self._add(listing.rows)
        elif rest.endswith(_END):
            self._add(_decoded(b"[%b]" % rest[: -len(_END)], list[_Row]))
        else:
            raise SwitchError("show channels: the answer has no end")
        if len(self._uuids) != row_count:
            raise SwitchError(f"show channels: {len(self._uuids)} of {row_count} rows")
        return frozenset(self._uuids)

    def _read_to_the_last_cut(self, unseen_from: int) -> None:
        end = self._held.rfind(BETWEEN_ROWS, unseen_from)
        if end >= 0:
            self._add(_decoded(b"[%b]" % bytes(self._held[: end + 1]), list[_Row]))
            del self._held[: end + len(b"},")]

    def _add(self, rows: list[_Row]) -> None:
        self._uuids.update(row.uuid for row in rows)


def _decoded(text: bytes, kind: type[T]) -> T:
    """Read JSON; raises SwitchError."""
    try:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # FreeSWITCH passes a caller's bytes through: Latin-1 in a display name, say.
            return msgspec.json.decode(text.decode("utf-8", "replace"), type=kind)
    except msgspec.DecodeError as fault:
        raise SwitchError(f"show channels: {fault}: {text[:60]!r}") from None
