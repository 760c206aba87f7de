"""What is due when: a heap of actions, run in order of time, then of arrival."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Alarms:
    """Actions waiting for their moment.

    An action that lost its reason checks that itself and does nothing; nothing is ever
    searched for or removed from the heap.
    """

    __slots__ = ("_heap", "_order", "now_us", "on_sooner", "running")

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us
        """The moment reached; while an action runs, exactly the moment it was due."""
        self.running = False
        """Whether an action is running now: what it asks for happens at its moment."""
        self.on_sooner: Callable[[], object] | None = None
        """Called when something became due earlier than all that waited before."""
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0

    def at(self, due_us: int, action: Callable[[], object]) -> None:
        """Run `action` at `due_us`, or on the next step when that has passed."""
        sooner = not self._heap or due_us < self._heap[0][0]
        self._order += 1
        heapq.heappush(self._heap, (due_us, self._order, action))
        if sooner and self.on_sooner is not None and not self.running:
            self.on_sooner()

    def next_due_us(self) -> int | None:
        """When something is due next; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def advance_to(self, now_us: int) -> None:
        """Run all that is due by `now_us`, each at its own moment. Time never goes back."""
        if self.running:
            return
        heap = self._heap
        self.running = True
        try:
            while heap and heap[0][0] <= now_us:
                due_us, _, action = heapq.heappop(heap)
                self.now_us = max(self.now_us, due_us)
                action()
        finally:
            self.running = False
        self.now_us = max(self.now_us, now_us)

    def clear(self) -> None:
        """Forget all that waits: the switch was restarted."""
        self._heap.clear()
