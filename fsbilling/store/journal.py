"""A local file that keeps finished calls while SQL is out.

A record is one line, `LENGTH CRC32 PAYLOAD`, the first two as eight hexadecimal digits. A torn
tail, or a record that the disk has damaged, is passed over; those around it are found by their
lengths, or else by their line ends. A record counts once it is synced to the disk; writers that
come while a sync is under way share the next one.

The file is played from its beginning and cut to nothing when all of it has been played. A crash
before that plays it again: what the player does must count once however often it is done.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from fsbilling.errors import ConfigError, StoreError

log = structlog.get_logger(__name__)

MAX_RECORD_BYTES = 1 << 20
_HEAD_BYTES = 18
_SCAN_BYTES = 1 << 16

Run = Callable[[Callable[[], None]], None]


class JournalFull(StoreError):  # noqa: N818 -- says what happened
    """The journal's bound, or the disk, leaves no room for this record."""


class Journal:
    """One process's journal, locked while it is open.

    Attributes:
        used_bytes: What the file takes now.
    """

    def __init__(self, path: Path, *, max_bytes: int, run: Run = lambda job: job()) -> None:
        """Open or create it, and cut a torn tail.

        `run` runs a blocking job; under gevent, in a thread, so that other calls go on. Raises
        ConfigError when the file cannot be used or another process has it open.
        """
        self.path = path
        self._max_bytes = max_bytes
        self._run = run
        self._fd = _open_locked(path)
        self._under_way: threading.Event | None = None
        self._next = 0
        self.used_bytes = os.fstat(self._fd).st_size
        self._mend()
        self._written = self._synced = self._doubtful = 0

    @property
    def is_empty(self) -> bool:
        """Whether all that was written has been played."""
        return self._next >= self.used_bytes

    def has_room(self, more_bytes: int) -> bool:
        """Tell whether so much more stays within the bound."""
        return self.used_bytes + more_bytes <= self._max_bytes

    def append(self, payload: bytes) -> None:
        """Keep one record; it is on the disk when this returns.

        Raises JournalFull when there is no room, StoreError when the disk fails.
        """
        line = b"%08x %08x %b\n" % (len(payload), zlib.crc32(payload), payload)
        if len(payload) > MAX_RECORD_BYTES or not self.has_room(len(line)):
            raise JournalFull(f"{self.path} has no room for {len(line)} bytes more")
        self._write(line)
        self._sync()

    def first(self) -> bytes | None:
        """The oldest record that was not played; None when there is none."""
        while not self.is_empty:
            payload = self._record_at(self._next)
            if payload is not None:
                return payload
            self._next = self._line_after(self._next)
        self._cut(0)
        return None

    def records(self) -> Iterator[bytes]:
        """Give each record that was not played, oldest first; all of them stay."""
        for _, payload in self._records_from(self._next):
            yield payload

    def drop_first(self) -> None:
        """Go on behind the oldest record, which was played; the last one empties the file."""
        payload = self.first()
        if payload is not None:
            self._next += _HEAD_BYTES + len(payload) + 1
            if self.is_empty:
                self._cut(0)

    def set_aside(self) -> None:
        """Move the oldest record, which cannot be played, to a file of its own for a person.

        Raises StoreError when that file does not take it; the record stays where it was.
        """
        payload = self.first()
        if payload is None:
            return
        aside = Path(f"{self.path}.aside")
        try:
            _keep(aside, payload + b"\n")
        except OSError as fault:
            raise StoreError(f"{aside}: {fault.strerror}") from fault
        self.drop_first()

    def close(self) -> None:
        """Close it; what was not played stays for the next start."""
        os.close(self._fd)

    def _write(self, line: bytes) -> None:
        """Write without letting another greenlet run, so that records never mix."""
        try:
            written = os.pwrite(self._fd, line, self.used_bytes)
        except OSError as fault:
            raise JournalFull(f"{self.path}: {fault.strerror}") from fault
        if written < len(line):
            self._cut(self.used_bytes)
            raise JournalFull(f"{self.path}: the disk is full")
        self.used_bytes += written
        self._written += 1

    def _sync(self) -> None:
        """Sync what this greenlet has written, or wait for another that does."""
        mine = self._written
        while self._synced < mine:
            if self._under_way is not None:
                self._under_way.wait()
            else:
                self._sync_all()
            if mine <= self._doubtful:
                raise StoreError(f"{self.path}: the disk did not take a record")

    def _sync_all(self) -> None:
        self._under_way, written = threading.Event(), self._written
        try:
            self._run(lambda: os.fsync(self._fd))
            self._synced = written
        except OSError as fault:
            # The next sync may say that all is well and have lost these (fsync(2)).
            self._doubtful = written
            raise StoreError(f"{self.path}: {fault.strerror}") from fault
        finally:
            done, self._under_way = self._under_way, None
            done.set()

    def _mend(self) -> None:
        """Cut what follows the last whole record, and say how much cannot be read."""
        end = whole_bytes = records = 0
        for at, payload in self._records_from(0):
            line_bytes = _HEAD_BYTES + len(payload) + 1
            whole_bytes += line_bytes
            records += 1
            end = at + line_bytes
        damaged_bytes = max(self.used_bytes - whole_bytes, 0)
        if damaged_bytes:
            # Their calls' holds stand in SQL: the sweep and `reconcile` settle those.
            log.error("journal damaged", path=str(self.path), damaged_bytes=damaged_bytes)
        self._cut(end)
        if records:
            os.pwrite(self._fd, b"\n", self.used_bytes - 1)
            log.warning("journal not played yet", path=str(self.path), records=records)

    def _cut(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.used_bytes = size
        self._next = min(self._next, size)

    def _records_from(self, at: int) -> Iterator[tuple[int, bytes]]:
        """Give each whole record from there on, and where its line begins."""
        while at < self.used_bytes:
            payload = self._record_at(at)
            if payload is None:
                at = self._line_after(at)
                continue
            yield at, payload
            at += _HEAD_BYTES + len(payload) + 1

    def _record_at(self, at: int) -> bytes | None:
        """The record whose line begins here; None when there is no whole one."""
        head = os.pread(self._fd, _HEAD_BYTES, at)
        try:
            length, checksum = int(head[:8], 16), int(head[9:17], 16)
        except ValueError:
            return None
        if not 0 < length <= MAX_RECORD_BYTES:
            return None
        payload = os.pread(self._fd, length, at + _HEAD_BYTES)
        return payload if len(payload) == length and zlib.crc32(payload) == checksum else None

    def _line_after(self, at: int) -> int:
        while chunk := os.pread(self._fd, _SCAN_BYTES, at):
            found = chunk.find(b"\n")
            if found >= 0:
                return at + found + 1
            at += len(chunk)
        return self.used_bytes


def _keep(path: Path, line: bytes) -> None:
    """Append a line to a file; it is on the disk, and so is the file, when this returns."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    finally:
        os.close(fd)
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    """Without this a new file may be gone after a power cut, however well it was synced."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_locked(path: Path) -> int:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _sync_folder(path)
    except OSError as fault:
        raise ConfigError(f"[journal] path: {path}: {fault.strerror}") from fault
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise ConfigError(
            f"[journal] path: {path} is another daemon's; give each daemon a file of its own"
        ) from None
    return fd
