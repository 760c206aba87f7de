"""A progress bar for long imports: on a terminal only, and on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[int, int], None]
"""Told how many rows are done, and of how many."""


@contextmanager
def progress(doing: str) -> Iterator[OnProgress | None]:
    """Show a bar while rows are written; None when nobody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
