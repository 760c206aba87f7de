"""What is watched while it all happens: the hook's doors, and every account's free credit."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psycopg

from .daemon import Daemon
from .ports import listening_ports

LOOK_S = 0.1
SAMPLE_S = 1.0
FREE_CREDIT = "SELECT code, balance_micros + credit_limit_micros - held_micros FROM account"


@dataclass(frozen=True)
class Outage:
    """A time when FreeSWITCH found nobody who answers the hook."""

    began_us: int
    ended_us: int

    @property
    def length_s(self) -> float:
        return (self.ended_us - self.began_us) / 1e6


class Vigil:
    """Two threads that look, from `start` to `end`.

    Attributes:
        outages: When the hook was closed, or the first address that accepts stood still.
        least_free: The least free credit that was seen of each account, in micro-units.
        samples: How often all accounts were looked at.
    """

    def __init__(self, url: str, daemons: tuple[Daemon, Daemon]) -> None:
        self.outages: list[Outage] = []
        self.least_free: dict[str, int] = {}
        self.samples = 0
        self._url = url
        self._daemons = daemons
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=watch, daemon=True)
            for watch in (self._watch_hook, self._watch_accounts)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._ending.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(10)

    def _watch_hook(self) -> None:
        since_us = 0
        while not self._ending.wait(LOOK_S):
            now_us = time.time_ns() // 1_000
            if self._is_served():
                if since_us:
                    self.outages.append(Outage(since_us, now_us))
                since_us = 0
            else:
                since_us = since_us or now_us

    def _is_served(self) -> bool:
        """FreeSWITCH takes the first address that accepts, and asks no other."""
        open_now = listening_ports()
        for daemon in self._daemons:
            if daemon.hook_port in open_now:
                return not daemon.service.is_stopped
        return False

    def _watch_accounts(self) -> None:
        conn: psycopg.Connection | None = None
        while not self._ending.wait(SAMPLE_S):
            try:
                conn = conn or psycopg.connect(self._url, autocommit=True, connect_timeout=2)
                for code, free_micros in conn.execute(FREE_CREDIT):
                    least = self.least_free.get(code, free_micros)
                    self.least_free[code] = min(least, free_micros)
                self.samples += 1
            except psycopg.Error:
                conn = None
        if conn is not None:
            conn.close()
