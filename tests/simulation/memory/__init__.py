"""The store in memory: the functions of `fsbilling.store`, over dicts instead of SQL.

SQLAlchemy and SQLite take two thirds of a simulated call's time. The billing room reaches SQL
by modules only (`holds.find(conn, ...)`), so a twin module under the same name is all the seam
that is needed: `in_memory()` puts the twins there, and takes them away again.

What holds the twins true: `tests/contract/test_memory_store.py` plays the same random
transactions on them and on the real store, and compares every answer and every row.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import fsbilling.billing
from fsbilling import store

NAMES = (
    "accounts",
    "cdr_keys",
    "cdrs",
    "directory",
    "entries",
    "holds",
    "revisions",
    "settling",
    "spending",
    "tariffs",
    "usages",
)
TWINS: dict[ModuleType, ModuleType] = {
    importlib.import_module(f"{store.__name__}.{name}"): importlib.import_module(
        f"{__name__}.{name}"
    )
    for name in NAMES
}


@contextmanager
def in_memory() -> Iterator[None]:
    """Let the billing room keep its books in memory, for as long as this lasts."""
    rooms = [
        importlib.import_module(f"{fsbilling.billing.__name__}.{found.name}")
        for found in pkgutil.iter_modules(fsbilling.billing.__path__)
    ]
    real = [
        (room, name, value)
        for room in rooms
        for name, value in vars(room).items()
        if isinstance(value, ModuleType) and value in TWINS
    ]
    for room, name, value in real:
        setattr(room, name, TWINS[value])
    try:
        yield
    finally:
        for room, name, value in real:
            setattr(room, name, value)
