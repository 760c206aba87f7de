"""A peer whose words are written down: a socket without a kernel, a clock or a wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import gevent


class ScriptedSocket:
    """Says one turn to each command it gets; once it has nothing to say to, it has closed.

    It is the same for the same bytes every time, and costs no time-out: whether more will be
    written is known as soon as everybody waits for something that only the peer can do.
    """

    def __init__(self, turns: Iterable[bytes]) -> None:
        self._turns = deque(turns)
        self._commands = 0
        self.is_closed = False

    def recv(self, _most: int) -> bytes:
        gevent.idle()
        if self.is_closed:
            raise OSError("closed")
        if not self._commands or not self._turns:
            return b""
        self._commands -= 1
        return self._turns.popleft()

    def sendall(self, _raw: bytes) -> None:
        if self.is_closed:
            raise BrokenPipeError("closed")
        self._commands += 1

    def close(self) -> None:
        self.is_closed = True

    def shutdown(self, _how: int) -> None:
        self.is_closed = True

    def setsockopt(self, *_option: int) -> None:
        pass

    def makefile(self, _mode: str) -> ScriptedSocket:
        return self
