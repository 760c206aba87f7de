"""Long looks over many calls, with breaks that let the calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

BREATH_CALLS = 100
"""So many calls are looked at in one go: a few milliseconds."""


def unhurried(calls: Iterable[T], breathe: Callable[[], object]) -> Iterator[T]:
    """Give each, and call `breathe` after every `BREATH_CALLS` of them."""
    for count, each in enumerate(calls, start=1):
        yield each
        if count % BREATH_CALLS == 0:
            breathe()
