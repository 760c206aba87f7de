"""One thing that takes bytes from outside, and the promises it keeps whatever they are."""

from __future__ import annotations

import importlib
import time
from ast import literal_eval
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
CPU_S = 1.0
"""No input of a few thousand bytes may cost more, instrumented and on a slow machine."""

NAMES = (
    "frames",
    "listing",
    "events",
    "hook",
    "caller",
    "reception",
    "numbers",
    "rates",
    "regions",
    "config",
    "witness",
)


def check_fault(fault: Exception, at_most: int = 1_000) -> None:
    """A fault says something, in a bounded length."""
    assert 0 < len(str(fault)) <= at_most


class UndoError(Exception):
    """Raised in a transaction to break it off."""


@dataclass(frozen=True)
class Target:
    """A target's module, by its name; one that reads header lines has them changed as wholes."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...]
    max_bytes: int
    of_lines: bool = False

    @classmethod
    def named(cls, name: str) -> Target:
        module = importlib.import_module(f".{name}_target", __package__)
        of_lines = getattr(module, "OF_LINES", False)
        return cls(name, module.check, module.seeds, module.WORDS, module.MAX_BYTES, of_lines)

    def run(self, data: bytes) -> None:
        """Check one input, and that it took its bounded time."""
        began = time.thread_time()
        self.check(data)
        took_s = time.thread_time() - began
        assert took_s < CPU_S, f"{len(data)} bytes took {took_s:.2f} s"

    def corpus(self) -> Iterator[bytes]:
        """Give all inputs worth repeating: recorded, hand-made, and found."""
        yield from self.seeds()
        yield from self.kept()

    def kept(self) -> Iterator[bytes]:
        """Give the inputs in the corpus file: a Python bytes literal (or product) a line."""
        path = CORPUS / f"{self.name}.txt"
        for line in path.read_text().splitlines() if path.exists() else ():
            if line and not line.startswith("#"):
                literal, _, times = line.rpartition(" * ")
                yield literal_eval(literal) * int(times) if literal else literal_eval(line)
