"""What a call was started with."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Final

import msgspec

from fsbilling.clock import US_PER_S
from fsbilling.rating.party import ANY
from fsbilling.rating.rate import Rate

S_PER_LEVEL_MIN: Final = 60
_ENDLESS_S: Final = 10**15

Ladder = tuple[tuple[Rate, int], ...]
"""Rows of one band, each with the billed second of the call at which the next one takes over."""

Timeline = tuple[tuple[int, ...], tuple[Ladder, ...]]
"""From which microsecond since the epoch on which ladder prices."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """All that prices a call from its first second to its CDR.

    Stored as JSON with the hold, so that a live call keeps its price when the tariff changes
    under it, and a restarted daemon settles at the price the call was let through with. Bands
    are laid out in absolute time: neither a calendar nor a time zone is asked again.

    Attributes:
        tariff: The tariff's name.
        version: Which version of it.
        rate: The row in force when the call was authorised.
        others: Rows of the same match that the call may come to: of other bands, and of further
            levels where these are graduated; by level within each band.
        edges: From which second since the epoch on which band is in force; empty: always `"*"`.
        used_s: Billed seconds of the month before this call, where levels are graduated.
        precision_micros: The charge is rounded to a multiple of this.
    """

    tariff: str
    version: int
    rate: Rate
    others: tuple[Rate, ...] = ()
    edges: tuple[tuple[int, str], ...] = ()
    used_s: int = 0
    precision_micros: int = 1

    @cached_property
    def _timeline(self) -> Timeline:
        """Both sides of the edges, worked out once: a metered call is priced many times."""
        edges = self.edges or ((0, self.rate.band),)
        bands = {band for _, band in edges}
        ladders = {band: self._ladder(band) for band in bands}
        starts = tuple(at_s * US_PER_S for at_s, _ in edges)
        return starts, tuple(ladders[band] for _, band in edges)

    def _ladder(self, band: str) -> Ladder:
        """Give a band's rows by level; a band without rows of its own has those of `*`."""
        rows = (self.rate, *self.others)
        own = [row for row in rows if row.band == band] or [row for row in rows if row.band == ANY]
        ends = [row.level_from * S_PER_LEVEL_MIN - self.used_s for row in own[1:]]
        return tuple(zip(own, [*ends, _ENDLESS_S], strict=True))

    def start_rate(self, answered_us: int) -> Rate:
        """Give the row in force at the answer.

        Its fees, increments, grace and bounds hold for the whole call; only the price of time
        follows bands and levels.
        """
        if not self.others:
            return self.rate
        starts, ladders = self._timeline
        return ladders[max(bisect_right(starts, answered_us) - 1, 0)][0][0]

    def pieces(self, answered_us: int, from_s: int, to_s: int) -> list[tuple[Rate, int]]:
        """Split the billed seconds `from_s` to `to_s` (more) of a call where their row changes.

        Each second costs what the row in force at its beginning says. Gives rows with how many
        seconds each prices, in order; no piece is empty.
        """
        if not self.others:
            return [(self.rate, to_s - from_s)]
        starts, ladders = self._timeline
        place = max(bisect_right(starts, answered_us + from_s * US_PER_S) - 1, 0)
        pieces: list[tuple[Rate, int]] = []
        while from_s < to_s:
            end_s = to_s
            if place + 1 < len(starts):
                end_s = min(to_s, -((answered_us - starts[place + 1]) // US_PER_S))
            for rate, until_s in ladders[place]:
                if from_s < until_s:
                    piece_s = min(end_s, until_s) - from_s
                    pieces.append((rate, piece_s))
                    from_s += piece_s
                    if from_s == end_s:
                        break
            place += 1
        return pieces
