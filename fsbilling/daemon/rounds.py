"""The rounds that a daemon makes: compare its calls with each switch's, and feel its pulse."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent
import structlog
from gevent.pool import Pool

from fsbilling.billing.meter import Meter
from fsbilling.billing.recover import Recovery
from fsbilling.errors import FsbillingError, SwitchError
from fsbilling.switch.link import Link
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)

SECOND_LOOK_S = 3
PULSE_S = 5


class Rounds:
    """Looks at every switch again and again, once started; only where the link is up."""

    def __init__(
        self,
        links: Mapping[str, Link],
        nodes: Mapping[str, Node],
        recovery: Recovery,
        meter: Meter,
        *,
        pause_s: Callable[[], float],
        on_fault: Callable[[gevent.Greenlet], None],
    ) -> None:
        self._links = links
        self._nodes = nodes
        self._recovery = recovery
        self._meter = meter
        self._pause_s = pause_s
        self._on_fault = on_fault
        self._cores: dict[str, str] = {}
        self._to_take_up: set[str] = set()
        self._in_doubt: set[str] = set()
        self._greenlets = Pool()

    def start(self) -> None:
        """Begin the rounds; each of them goes on until `stop`."""
        for switch in self._nodes:
            for round_of in (self._sweep_regularly, self._feel_the_pulse):
                self._greenlets.spawn(round_of, switch).link_exception(self._on_fault)

    def stop(self) -> None:
        """End them."""
        self._greenlets.kill()

    def look_round(self, switch: str) -> None:
        """Take up what lives after the link, or the duty, was away; look again for what ended."""
        self._to_take_up.add(switch)
        if self._sweep(switch):
            self._greenlets.spawn(self._look_again, switch)

    def look_soon(self, switch: str) -> None:
        """Sweep twice in the next seconds; asked again meanwhile, once is enough."""
        if switch not in self._in_doubt:
            self._in_doubt.add(switch)
            self._greenlets.spawn(self._resolve_doubt, switch)

    def look_everywhere(self) -> None:
        """Look round in the background, on every switch that is linked."""
        for switch, link in self._links.items():
            if link.is_up:
                self._greenlets.spawn(self.look_round, switch)

    def node_of_core(self, core_uuid: str) -> str | None:
        """Name the switch of a FreeSWITCH process; None when it was never seen."""
        if len(self._nodes) == 1:
            return next(iter(self._nodes))
        return self._cores.get(core_uuid)

    def _resolve_doubt(self, switch: str) -> None:
        gevent.sleep(SECOND_LOOK_S)
        self._in_doubt.discard(switch)
        if self._sweep(switch):
            self._look_again(switch)

    def _look_again(self, switch: str) -> None:
        gevent.sleep(SECOND_LOOK_S)
        self._sweep(switch)

    def _sweep(self, switch: str) -> int:
        """Give how much awaits a second look: without an answer, all that is to be taken up."""
        take_up = switch in self._to_take_up
        try:
            self._meter.ask_time(switch)
            self._cores[self._nodes[switch].core_uuid()] = switch
            missed = self._recovery.sweep(switch, take_up=take_up)
        except FsbillingError as fault:
            log.warning("sweep without an answer", switch=switch, fault=str(fault))
            return int(take_up)
        self._to_take_up.discard(switch)
        return missed

    def _sweep_regularly(self, switch: str) -> None:
        while True:
            gevent.sleep(self._pause_s())
            if self._links[switch].is_up and self._sweep(switch):
                self._look_again(switch)

    def _feel_the_pulse(self, switch: str) -> None:
        """Ask for a sign of life: while the switch answers, a hang-up would have been heard."""
        while True:
            gevent.sleep(PULSE_S)
            if not self._links[switch].is_up:
                continue
            try:
                self._meter.ask_time(switch)
            except SwitchError as fault:
                log.warning("no sign of life", switch=switch, fault=str(fault))
