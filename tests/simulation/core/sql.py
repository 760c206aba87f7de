"""SQL as one machine reaches it: with the others', or cut off from it alone."""

from __future__ import annotations

from ..doors import SqlState


class SqlView:
    """One machine's; what a `SqlDoor` asks of `SqlState`."""

    def __init__(self, shared: SqlState) -> None:
        self._shared = shared
        self.now_us, self.on_commit = shared.now_us, shared.on_commit
        self.is_cut = False
        """Whether this machine alone does not reach it."""

    @property
    def is_away(self) -> bool:
        return self.is_cut or self._shared.is_away

    @property
    def latency_us(self) -> int:
        return self._shared.latency_us
