"""A process under a service manager: ended for whatever reason, it is started again."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable

RESTART_S = 1.0
END_TIMEOUT_S = 15.0


class Service:
    """Keeps one process running from `start` to `end`.

    Attributes:
        name: For people.
        exits: Exit codes of the times it ended by itself.
        is_stopped: Whether it stands still (SIGSTOP).
    """

    def __init__(self, name: str, spawn: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.name = name
        self.exits: list[int] = []
        self.is_stopped = False
        self._spawn = spawn
        self._process: subprocess.Popen[bytes] | None = None
        self._away_s = RESTART_S
        self._changing = threading.Lock()
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> None:
        self._keeper.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def kill(self, away_s: float = RESTART_S) -> bool:
        """kill -9, and so long until it is started again; False when it was down anyway."""
        with self._changing:
            if self._process is None:
                return False
            self._away_s = away_s
            self._process.kill()
            self._process.wait(END_TIMEOUT_S)
            self._process, self.is_stopped = None, False
            return True

    def stop(self) -> bool:
        """SIGSTOP: it stands still, and its sockets stay open."""
        return self._signal(signal.SIGSTOP, is_stopped=True)

    def go_on(self) -> bool:
        return self._signal(signal.SIGCONT, is_stopped=False)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it for good, by force if it does not follow."""
        self._ending.set()
        self.go_on()
        with self._changing:
            if self._process is not None:
                self._process.send_signal(number)
                try:
                    self._process.wait(END_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait(END_TIMEOUT_S)
        if self._keeper.is_alive():
            self._keeper.join(END_TIMEOUT_S)

    def _signal(self, number: signal.Signals, *, is_stopped: bool) -> bool:
        with self._changing:
            if self._process is None or self._process.poll() is not None:
                return False
            self._process.send_signal(number)
            self.is_stopped = is_stopped
            return True

    def _keep(self) -> None:
        while not self._ending.is_set():
            with self._changing:
                if self._ending.is_set():
                    return
                self._process = process = self._spawn()
            while process.poll() is None:
                time.sleep(0.02)
            with self._changing:
                if self._process is process:
                    self._process, self.is_stopped = None, False
                    if not self._ending.is_set():
                        self.exits.append(process.returncode)
                away_s, self._away_s = self._away_s, RESTART_S
            self._ending.wait(away_s)
