"""A machine's local disk: the real journal in its file there, and what may go wrong with both."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import msgspec
from greenlet import getcurrent

from fsbilling.billing.settler import CALL_ROOM_BYTES, Kept
from fsbilling.store import journal as real
from fsbilling.store.journal import Journal, JournalFull

from ..doors import Fate

SYNC_US = 5_000
"""How long a sync takes at most."""
HEAD_BYTES = 18
ROOMY_BYTES = 64_000_000
SMALL_CALLS = (5, 40)
"""For so many calls a small journal has room."""
TURN_US = 1_000


@dataclass(frozen=True, slots=True)
class DiskWeather:
    """What is wrong with the disks of one run.

    Attributes:
        max_bytes: The journal's bound.
        sync_fails: The chance that a sync fails: what was written may be on the disk or not.
        full: How often a minute the disk has no room at all for a while.
    """

    max_bytes: int = ROOMY_BYTES
    sync_fails: float = 0.0
    full: float = 0.0


def draw_disk_weather(draw: random.Random, *, is_fair: bool) -> DiskWeather:
    """Draw it: most disks are well, and all are where nothing else goes wrong."""
    mood = draw.random()
    if is_fair or mood < 0.5:
        return DiskWeather()
    if mood < 0.7:
        return DiskWeather(max_bytes=draw.randint(*SMALL_CALLS) * CALL_ROOM_BYTES)
    return DiskWeather(
        sync_fails=draw.choice((0.0, 0.05, 0.3)),
        full=draw.choice((0.0, 1.0)),
    )


class Disk:
    """One machine's: it outlives every daemon there.

    Args:
        on_written: Told of each record that may be on the disk from now on.
        on_kept: Told of each that a daemon was told is there.
    """

    def __init__(
        self,
        path: Path,
        weather: DiskWeather,
        *,
        on_written: Callable[[Kept], None],
        on_kept: Callable[[Kept], None],
    ) -> None:
        self.path, self.weather = path, weather
        self.on_written, self.on_kept = on_written, on_kept
        self.is_full = False

    def open(self, fate: Fate) -> CoreJournal:
        """Give the journal to a daemon that starts."""
        return CoreJournal(self, fate)

    def forget(self) -> None:
        """Take the files away."""
        for path in (self.path, self.aside):
            path.unlink(missing_ok=True)

    @property
    def aside(self) -> Path:
        """Where records go that cannot be played."""
        return Path(f"{self.path}.aside")


class CoreJournal(Journal):
    """The real one; its syncs are awaits, and may be the last thing a daemon does."""

    def __init__(self, disk: Disk, fate: Fate) -> None:
        self._disk, self._fate = disk, fate
        super().__init__(disk.path, max_bytes=disk.weather.max_bytes, run=self._wait_for_disk)

    def append(self, payload: bytes) -> None:
        super().append(payload)
        self._disk.on_kept(_kept(payload))

    def _write(self, line: bytes) -> None:
        if self._disk.is_full:
            raise JournalFull("simulated: the disk is full")
        super()._write(line)
        self._disk.on_written(_kept(line[HEAD_BYTES:-1]))

    def _wait_for_disk(self, sync: Callable[[], None]) -> None:
        fate, now_us = self._fate, self._fate.process.now_us
        fate.wait(SYNC_US, "sync")
        if fate.strikes(self._disk.weather.sync_fails):
            fate.diary.trouble(now_us, fate.process.now_us, "sync failed")
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync()


def _kept(payload: bytes) -> Kept:
    return msgspec.json.decode(payload, type=Kept)


class Signal:
    """What `threading.Event` is to threads, and under gevent to greenlets."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def wait(self) -> None:
        while not self._is_set:
            getcurrent().process.sleep(TURN_US)


@contextmanager
def at_virtual_time() -> Iterator[None]:
    """Let those who share a sync wait for it at the simulation's time."""
    threading = real.threading
    real.threading = SimpleNamespace(Event=Signal)
    try:
        yield
    finally:
        real.threading = threading
