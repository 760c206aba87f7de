"""Customers who pay while they talk, by a command that is repeated until it has worked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count, cycle
from subprocess import CompletedProcess

TRIES = 30
AGAIN_S = 2.0


class TopUps:
    """Tops accounts up one after the other, from `start` to `end`.

    The reference makes it safe to repeat a command whose outcome nobody knows (DESIGN rule 4).

    Attributes:
        paid: What each account was topped up by, a reference at a time.
        repeated: How often a command failed and was given again.
        unpaid: References that never went through.
    """

    def __init__(
        self,
        command: Callable[..., CompletedProcess[str]],
        amounts: dict[str, str],
        every_s: float,
    ) -> None:
        self.paid: dict[tuple[str, str], str] = {}
        self.repeated = 0
        self.unpaid: list[str] = []
        self._command = command
        self._amounts = amounts
        self._every_s = every_s
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._pay, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Finish the payment under way."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(TRIES * AGAIN_S)

    def _pay(self) -> None:
        serials = count(1)
        for code, amount in cycle(self._amounts.items()):
            if self._ending.wait(self._every_s):
                return
            self._pay_once(code, amount, f"chaos-{next(serials)}")

    def _pay_once(self, code: str, amount: str, ref: str) -> None:
        for _ in range(TRIES):
            if self._command("account", "topup", code, amount, "--ref", ref).returncode == 0:
                self.paid[code, ref] = amount
                return
            self.repeated += 1
            self._ending.wait(AGAIN_S)
        self.unpaid.append(ref)
