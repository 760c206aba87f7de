"""One life of a daemon: the use cases wired and kept going as `fsbilling/daemon/` does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authoriser
from fsbilling.billing.meter import Meter
from fsbilling.billing.outage import Outage
from fsbilling.billing.reception import Reception
from fsbilling.billing.recover import Recovery
from fsbilling.billing.resume import session_of
from fsbilling.billing.settler import Settler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.warning import WarningSound
from fsbilling.billing.watch import CreditWatch
from fsbilling.clock import US_PER_S as S
from fsbilling.clock import Clock
from fsbilling.config import Config
from fsbilling.credit.throttle import Throttle
from fsbilling.daemon import billing as real
from fsbilling.daemon import rounds
from fsbilling.daemon.daemon import IDLE_S
from fsbilling.errors import FsbillingError, StoreError, SwitchError
from fsbilling.store.engine import Database
from fsbilling.switch.channel import Channel
from fsbilling.switch.node import Node

from .doors import Fate, Link, SqlDoor
from .hub import Flag, Process

if TYPE_CHECKING:
    from .node import SimNode

CONFIG = Config()
PACE = real.pace_of(CONFIG.metering)
HOOK_DEADLINE_US = CONFIG.hook.deadline_ms * 1_000


def trusting_nobody(
    door: SqlDoor, book: TariffBook, authoriser: Authoriser, clock: Clock
) -> Outage:
    """Refuse every call without SQL, as by default."""
    return Outage(
        door,
        book,
        Settler(door, book, clock),
        clock=clock,
        call_of=authoriser.call_of,
        session_of=lambda hold: session_of(hold, PACE),
        standing=lambda _key: None,
    )


class Life:
    """All that a daemon knows beyond SQL; it dies with its process."""

    def __init__(self, node: SimNode, db: Database, book: TariffBook, fate: Fate) -> None:
        self.process: Process = fate.process
        self._node = node
        self._fate = fate
        door = SqlDoor(db, fate, node.sql)
        self.link = Link(node, fate, on_up=self._on_up, on_down=self._on_down)
        nodes = {node.name: Node(node.name, self.link.api)}
        metering = CONFIG.metering
        self._alarm_set = Flag(self.process)
        self._is_to_take_up = self._is_in_doubt = False
        self.meter = Meter(
            door,
            book,
            nodes,
            clock=node.steady_clock,
            pace=PACE,
            slice_s=metering.slice_s,
            warning=WarningSound(metering.warn_sound),
            spawn=self.process.spawn,
            on_alarm_set=self._alarm_set.set,
        )
        unrecorded = Unrecorded(door)
        authoriser = Authoriser(
            door,
            book,
            clock=node.machine_clock,
            pace=PACE,
            first_slice_s=metering.first_slice_s,
        )
        outage = trusting_nobody(door, book, authoriser, node.machine_clock)
        self._reception = Reception(
            authoriser,
            outage,
            self.meter,
            nodes,
            plan=NumberPlan(emergency=CONFIG.numbering.emergency),
            node_of_core=lambda _core: node.name,
            throttle=Throttle(0, node.steady_clock.now_us),
            unrecorded=unrecorded,
            on_doubt=self._look_soon,
        )
        self._watch = CreditWatch(door, self.meter)
        self._nodes = nodes
        self._recovery = Recovery(
            door,
            self.meter,
            nodes,
            witnesses=node.witnesses,
            clock=node.steady_clock,
            on_unheld=self._reception.on_unheld,
        )
        self.link.listen(lambda event: self._reception.on_event(node.name, event))
        for job in (
            self._wake_calls,
            self._sweep_regularly,
            self._feel_the_pulse,
            self._write_refusals,
            self._watch_credit,
        ):
            self.process.spawn(job)

    def decide(self, channel: Channel) -> Mapping[str, str]:
        """What `HookServer._decided` answers: whatever breaks, the dialplan fails closed."""
        try:
            return self._reception.answer(channel)
        except Exception as fault:  # noqa: BLE001 -- as in the hook's server
            self._node.surprise(fault)
            return {}

    def abandoned(self, channel: Channel) -> None:
        try:
            self._reception.abandoned(channel)
        except Exception as fault:  # noqa: BLE001 -- as in the hook's server
            self._node.surprise(fault)

    def _on_up(self) -> None:
        self._is_to_take_up = True
        if self._sweep():
            self.process.spawn(self._look_again)

    def _on_down(self) -> None:
        self.meter.lost(self._node.name)

    def _look_soon(self, _switch: str) -> None:
        if not self._is_in_doubt:
            self._is_in_doubt = True
            self.process.spawn(self._resolve_doubt)

    def _resolve_doubt(self) -> None:
        self.process.sleep(rounds.SECOND_LOOK_S * S)
        self._is_in_doubt = False
        if self._sweep():
            self._look_again()

    def _watch_credit(self) -> None:
        while True:
            self.process.sleep(int(real.WATCH_S * S))
            with suppress(StoreError):
                self._watch.look()

    def _write_refusals(self) -> None:
        while True:
            self.process.sleep(real.REFUSALS_S * S)
            try:
                self._reception.unrecorded.write()
            except StoreError:
                continue

    def _look_again(self) -> None:
        self.process.sleep(rounds.SECOND_LOOK_S * S)
        self._sweep()

    def _sweep(self) -> int:
        take_up = self._is_to_take_up
        try:
            self.meter.ask_time(self._node.name)
            self._nodes[self._node.name].core_uuid()
            missed = self._recovery.sweep(self._node.name, take_up=take_up)
        except FsbillingError as fault:
            self._node.tell(f"sweep without an answer: {fault}")
            return int(take_up)
        self._is_to_take_up = False
        return missed

    def _sweep_regularly(self) -> None:
        while True:
            self.process.sleep(CONFIG.metering.poll_s * S)
            if self.link.is_up and self._sweep():
                self._look_again()

    def _feel_the_pulse(self) -> None:
        while True:
            self.process.sleep(rounds.PULSE_S * S)
            if not self.link.is_up:
                continue
            with suppress(SwitchError):
                self.meter.ask_time(self._node.name)

    def _wake_calls(self) -> None:
        clock = self._node.steady_clock
        while True:
            self._alarm_set.clear()
            now_us = clock.now_us()
            self.meter.wake_due(now_us)
            next_us = self.meter.alarms.next_us()
            idle_us = round(IDLE_S * S)
            pause_us = idle_us if next_us is None else max(next_us - now_us, 0)
            self._alarm_set.wait(min(pause_us, idle_us))
