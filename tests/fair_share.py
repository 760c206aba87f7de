"""What each of equal calls on one account may talk: the fair share of docs/adr/0013."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fsbilling.credit.slice import FIRST_S

FIRST_US = FIRST_S * 1_000_000


class Talk(Protocol):
    """An answered call, as a CDR or the switch's own record has it."""

    @property
    def answered_us(self) -> int: ...
    @property
    def ended_us(self) -> int: ...


def fair_talks_us(talks: Sequence[Talk], credit_us: int) -> list[int]:
    """What each may talk: at least its first hold, and the rest so that all end together."""

    def talks_us(end_us: int) -> list[int]:
        return [max(end_us - talk.answered_us, FIRST_US) for talk in talks]

    low_us, high_us = 0, max(talk.ended_us for talk in talks) + credit_us
    while high_us - low_us > 1:
        end_us = (low_us + high_us) // 2
        low_us, high_us = (
            (end_us, high_us) if sum(talks_us(end_us)) < credit_us else (low_us, end_us)
        )
    return talks_us(high_us)
