"""Twin of `fsbilling.store.cdr_keys`, as far as billing asks: which legs have a record."""

from __future__ import annotations

from .books import Transaction


def is_settled(conn: Transaction, switch: str, uuid: str) -> bool:
    cdr = conn.books.cdrs.get((switch, uuid))
    return cdr is not None and not cdr.refusal
