"""How an adjustment to a level is named in the ledger: `level/TARIFF/2026-11/v2/CAUSE`."""

from __future__ import annotations

import re

import msgspec

LEVEL_REF = "level/"
"""How the reference of every adjustment to a level begins."""

_REF = re.compile(r"level/(.+?)/([0-9]{4}-[0-9]{2}|)/v([0-9]+)/(.+)", re.DOTALL)
_ANEW = re.compile(r"rerate/([0-9]+)")


class LevelRef(msgspec.Struct, frozen=True):
    """What an adjustment is for, and what made it due.

    Attributes:
        tariff: The tariff's name.
        month: Whose calls it is for, such as `2026-11`.
        version: Which of them: those that this version of the tariff prices.
        cause: `switch/uuid` of the call whose settling made it due; `rerate/1`, `rerate/2`, ...
            when the month was settled anew.
    """

    tariff: str
    month: str
    version: int
    cause: str

    def __str__(self) -> str:
        return f"{month_ref(self.tariff, self.month)}v{self.version}/{self.cause}"

    @property
    def number(self) -> int:
        """Count how often the month was settled anew until then; 0 when a call made it due."""
        anew = _ANEW.fullmatch(self.cause)
        return int(anew[1]) if anew else 0


def month_ref(tariff: str, month: str) -> str:
    """Give how the references of a month's adjustments begin."""
    return f"{LEVEL_REF}{tariff}/{month}/"


def anew_ref(tariff: str, month: str, version: int, number: int) -> str:
    """Name the `number`-th adjustment, from 1 on, of a month that was settled anew."""
    return str(LevelRef(tariff, month, version, f"rerate/{number}"))


def read_level_ref(ref: str) -> LevelRef | None:
    """Read a reference; None for any other, such as one that a person wrote."""
    found = _REF.fullmatch(ref)
    return found and LevelRef(found[1], found[2], int(found[3]), found[4])
