"""Long looks over many calls, with breaks that let the calls go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")

BREATH_CALLS = 100
"""So many calls are looked at in one go: a few milliseconds."""


def unhurried(calls: Iterable[T], breathe: Callable[[], object]) -> Iterator[T]:
    """Give each, and call `breathe` after every `BREATH_CALLS` of them."""
    return chain.from_iterable(_breaths(calls, breathe))


def _breaths(calls: Iterable[T], breathe: Callable[[], object]) -> Iterator[tuple[T, ...]]:
    rest = iter(calls)
    while some := tuple(islice(rest, BREATH_CALLS)):
        yield some
        if len(some) == BREATH_CALLS:
            breathe()
