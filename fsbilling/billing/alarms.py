"""When to wake which call: one alarm a call, the earliest first."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Alarms(Generic[Key]):
    """A heap of moments; setting a call's alarm again replaces the one before it.

    A replaced alarm stays in the heap until its moment or until the dead outnumber the living,
    so that setting costs O(log n) and memory stays within twice the number of live calls.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        self._current: dict[Key, int] = {}
        """Which of a key's alarms counts, by its serial."""
        self._serial = 0

    def set(self, key: Key, at_us: int) -> bool:
        """Wake `key` at `at_us`, and not at the moment set before.

        Tells whether that is now the first of all: who waits for it has to wait for less.
        """
        self._serial = serial = self._serial + 1
        self._current[key] = serial
        heapq.heappush(self._heap, (at_us, serial, key))
        if len(self._heap) > 2 * len(self._current) + 64:
            self._heap = [alarm for alarm in self._heap if self._current.get(alarm[2]) == alarm[1]]
            heapq.heapify(self._heap)
        return self._heap[0][1] == serial

    def cancel(self, key: Key) -> None:
        """Never wake `key`, unless it is set again."""
        self._current.pop(key, None)

    def next_us(self) -> int | None:
        """The earliest alarm's moment; None when there is none."""
        while self._heap:
            at_us, serial, key = self._heap[0]
            if self._current.get(key) == serial:
                return at_us
            heapq.heappop(self._heap)
        return None

    def due(self, now_us: int) -> Iterator[Key]:
        """Take out, in order, each alarm whose moment has come."""
        while self._heap and self._heap[0][0] <= now_us:
            _, serial, key = heapq.heappop(self._heap)
            if self._current.get(key) == serial:
                del self._current[key]
                yield key
