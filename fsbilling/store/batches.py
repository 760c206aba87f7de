"""Lists of keys for `IN (...)`, a bounded number at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

KEYS_AT_ONCE = 500

T = TypeVar("T")


def in_batches(keys: Iterable[T]) -> Iterator[list[T]]:
    """Give the keys in lists of at most `KEYS_AT_ONCE`; none when there are no keys."""
    rest = iter(keys)
    while batch := list(islice(rest, KEYS_AT_ONCE)):
        yield batch
