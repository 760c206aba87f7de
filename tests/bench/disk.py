"""How long the disk takes to keep a page, while something else is measured on it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PAGE = b"x" * 8_192
PAUSE_S = 0.05
MAX_BYTES = 64 << 20


class DiskProbe:
    """Writes a page and waits until it is on the disk, twenty times a second, in a thread.

    Attributes:
        took_ms: How long each took.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "probe"
        self.took_ms: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._path.unlink()

    def _run(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._is_over.wait(PAUSE_S) and file.tell() < MAX_BYTES:
                began = time.perf_counter()
                file.write(PAGE)
                os.fdatasync(file.fileno())
                self.took_ms.append((time.perf_counter() - began) * 1e3)
