"""Traffic to order: a stream of call plans drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from fsbilling.clock import US_PER_S
from fsbilling.sim.plan import CallPlan, Outcome, Service

PREFIXES = (
    "1381000",  # 北京
    "1381800",  # 上海
    "1380270",  # 深圳
    "1380280",  # 广州
    "1380571",  # 杭州
    "1380200",  # 天津
    "010",
    "021",
    "0755",
    "028",
)
"""How the numbers of the other side begin: mobile segments and area codes of several regions."""

_MOBILE_DIGITS = 11
_LANDLINE_DIGITS = 8
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What traffic is wanted.

    Attributes:
        calls_per_s: How often a call arrives, on average; arrivals are as random as real ones.
        numbers: The 400 numbers that are called.
        users: The SIP users that call out; each is authenticated as such.
        called_pays_percent: The share of calls to 400 numbers.
        busy_percent: Calls that meet a busy callee.
        no_answer_percent: Calls that nobody answers.
        cancel_percent: Calls whose caller gives up while it rings.
        ring_us: Shortest and longest ringing.
        talk_us: Shortest and longest talk.
    """

    calls_per_s: int = 10
    numbers: tuple[str, ...] = ("4001234567",)
    users: tuple[str, ...] = ("1001",)
    called_pays_percent: int = 50
    busy_percent: int = 5
    no_answer_percent: int = 5
    cancel_percent: int = 5
    ring_us: tuple[int, int] = (US_PER_S // 2, 2 * US_PER_S)
    talk_us: tuple[int, int] = (US_PER_S, 20 * US_PER_S)


class Traffic:
    """An endless stream of calls; the same order and seed give the same calls."""

    def __init__(self, order: Order, seed: int = 0) -> None:
        self._order = order
        self._draw = random.Random(f"traffic/{seed}")  # noqa: S311  a run must be repeatable

    def calls(self, from_us: int) -> Iterator[tuple[int, CallPlan]]:
        """Yield when each call arrives, and what it does; in order of time."""
        at_us = from_us
        while True:
            at_us += self._gap_us()
            yield at_us, self.plan()

    def _gap_us(self) -> int:
        return round(self._draw.expovariate(self._order.calls_per_s) * US_PER_S)

    def plan(self) -> CallPlan:
        """Draw one call."""
        draw, order = self._draw, self._order
        stranger, user = self._stranger(), draw.choice(order.users)
        called_pays = draw.randrange(_PERCENT) < order.called_pays_percent
        proof = {"sip_auth_username": user, "sip_authorized": "true"}
        return CallPlan(
            caller=stranger if called_pays else user,
            callee=draw.choice(order.numbers) if called_pays else stranger,
            service=Service.CALLED_PAYS if called_pays else Service.OUTBOUND,
            variables={} if called_pays else proof,
            outcome=self._outcome(),
            ring_us=draw.randint(*order.ring_us),
            talk_us=draw.randint(*order.talk_us),
            hung_up_by=draw.choice(("caller", "callee")),
        )

    def _outcome(self) -> Outcome:
        percent, order = self._draw.randrange(_PERCENT), self._order
        for outcome, share in (
            (Outcome.BUSY, order.busy_percent),
            (Outcome.NO_ANSWER, order.no_answer_percent),
            (Outcome.CANCEL, order.cancel_percent),
        ):
            if percent < share:
                return outcome
            percent -= share
        return Outcome.ANSWER

    def _stranger(self) -> str:
        """A number of somebody in one of the regions."""
        prefix = self._draw.choice(PREFIXES)
        landline = prefix.startswith("0")
        missing = _LANDLINE_DIGITS if landline else _MOBILE_DIGITS - len(prefix)
        return prefix + str(self._draw.randrange(10 ** (missing - 1), 10**missing))
