"""The two simulations, by what they have in common: a seed is one run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from . import play, shop
from .core import play as core_play
from .core import shop as core_shop
from .hub import Hub
from .weather import Diary


class Played(Protocol):
    """What a run did."""

    calls: int
    commits: int
    diary: Diary


class Run(Protocol):
    """One run, not played yet. `play` raises RuleBrokenError, or whatever broke."""

    hub: Hub
    diary: Diary

    def play(self) -> Played: ...

    def close(self) -> None: ...


class Shop(Protocol):
    """What all runs in a process share."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A simulation.

    Attributes:
        name: What `--kind` calls it.
        says: What its figures are for.
        open_shop: Makes what its runs share.
        run: Makes a run, of a seed, in a shop.
        at_work: What must stand around runs.
    """

    name: str
    says: str
    open_shop: Callable[[], Shop]
    run: Callable[..., Run]
    at_work: Callable[[], AbstractContextManager[Any]]

    def play(self, seed: int, opened: Shop) -> Played:
        """Play one seed."""
        run = self.run(seed, opened)
        try:
            return run.play()
        finally:
            run.close()

    def replay(self, seed: int) -> str:
        """Give the command that plays a seed again, and tells all that happens in it."""
        return f"python -m tests.simulation --kind {self.name} --seed {seed}"


WHOLE = Kind(
    "whole", "use cases over SQLite and a switch's words", shop.Shop, play.Run, nullcontext
)
CORE = Kind(
    "core",
    "use cases over a store in memory and a switch without words",
    core_shop.CoreShop,
    core_play.CoreRun,
    core_play.at_work,
)
KINDS = {kind.name: kind for kind in (CORE, WHOLE)}
