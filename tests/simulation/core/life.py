"""One life of a daemon's core, wired and kept going as `fsbilling/daemon/` does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authorised, Authoriser
from fsbilling.billing.held import read_holds
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
from fsbilling.calls.event import Event
from fsbilling.clock import US_PER_S as S
from fsbilling.credit.throttle import Throttle
from fsbilling.daemon import billing as real
from fsbilling.daemon import rounds
from fsbilling.daemon.daemon import IDLE_S
from fsbilling.daemon.errands import Errand
from fsbilling.errors import FsbillingError, Refused, StoreError, SwitchError
from fsbilling.numbering.region_table import RegionTable
from fsbilling.switch.witness import Witness

from ..doors import Fate, SqlDoor
from ..hub import Flag
from ..life import CONFIG, PACE
from ..node import MachineClock
from .disk import CoreJournal
from .lock import Standing
from .node import CoreNode, channel_of
from .post import CorePost
from .switch import Leg


class CoreLife:
    """All that a daemon knows beyond the store; it dies with its process."""

    def __init__(
        self,
        fate: Fate,
        door: SqlDoor,
        book: TariffBook,
        regions: RegionTable,
        *,
        make_node: Callable[..., CoreNode],
        machine_clock: MachineClock,
        steady_clock: MachineClock,
        witness: Witness | None,
        standing: Standing | None,
        journal: CoreJournal,
        on_duty: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.process = fate.process
        self._fate = fate
        self._clock = steady_clock
        self._alarm_set = Flag(self.process)
        self._is_to_take_up = self._is_in_doubt = False
        self._door, self._on_duty, self._on_failure = door, on_duty, on_failure
        self._journal = journal
        self._settler = Settler(door, book, steady_clock, journal)
        self.post = CorePost(
            standing,
            begin=self._catch_up,
            on_open=self._look_round,
            on_close=self._put_down,
            is_wanted=lambda: self._outage.is_awaited,
        )
        self.node = make_node(
            fate,
            post=self.post,
            on_event=self._on_event,
            on_up=lambda: self.process.spawn(self._linked),
            on_down=lambda: self.meter.lost(self.node.name),
        )
        name = self.node.name
        self.post.links[name] = self.node
        nodes = {name: self.node}
        self.meter = Meter(
            door,
            book,
            nodes,
            clock=steady_clock,
            pace=PACE,
            slice_s=CONFIG.metering.slice_s,
            warning=WarningSound(CONFIG.metering.warn_sound),
            spawn=self.process.spawn,
            on_alarm_set=self._alarm_set.set,
            settler=self._settler,
        )
        self._unrecorded = Unrecorded(door)
        self._authoriser = Authoriser(
            door,
            book,
            clock=machine_clock,
            pace=PACE,
            first_slice_s=CONFIG.metering.first_slice_s,
            gate=self._gate,
            regions=regions,
        )
        self._outage = Outage(
            door,
            book,
            self._settler,
            clock=machine_clock,
            call_of=self._authoriser.call_of,
            session_of=lambda hold: session_of(hold, PACE),
            standing=self.meter.calls.get,
            gate=self._gate,
        )
        self._reception = Reception(
            self._authoriser,
            self._outage,
            self.meter,
            nodes,
            plan=NumberPlan(),
            node_of_core=lambda _core: name,
            throttle=Throttle(0, steady_clock.now_us),
            unrecorded=self._unrecorded,
            on_doubt=lambda _switch: self._look_soon(),
        )
        self._watch = CreditWatch(door, self.meter)
        self._recovery = Recovery(
            door,
            self.meter,
            nodes,
            witnesses={name: witness} if witness else {},
            clock=steady_clock,
            on_unheld=self._reception.on_unheld,
        )
        self.process.spawn(self._start)

    def end(self) -> None:
        """Die; what is on its disk stays there."""
        self.process.kill()
        self._journal.close()

    def decide(self, leg: Leg) -> Authorised | Refused:
        """What `Reception.answer` decides, without its words."""
        attempt = msgspec.structs.replace(
            leg.plan.attempt,
            switch=self.node.name,
            uuid=leg.uuid,
            core_uuid=leg.core_uuid,
            created_us=leg.created_us,
        )
        verdict = self._reception._authorise(attempt, may_risk=True)
        if isinstance(verdict, Authorised) and verdict.session is not None:
            self.meter.adopt(verdict.session)
        return verdict

    def abandoned(self, leg: Leg) -> None:
        """Its caller did not take the answer."""
        self._reception.abandoned(channel_of(leg, 0))

    def _start(self) -> None:
        """As `Daemon.start`: without SQL it does not."""
        with suppress(StoreError):
            self._settler.play()
        try:
            self._outage.read_trust()
        except StoreError:
            self._on_failure()
            return
        for job in (self._wake_calls, self._sweep_regularly, self._feel_pulse, self.post.keep):
            self.process.spawn(job)
        for errand in (
            Errand(real.WATCH_S, self._watch.look, "credit not watched"),
            Errand(real.PLAY_S, self._settler.play, "journal waits"),
            Errand(real.REFUSALS_S, self._unrecorded.write, "refusals not recorded yet"),
            Errand(real.PROBE_S, self._outage.probe, "outage not known"),
            Errand(real.TRUST_S, self._outage.read_trust, "who is trusted not read"),
            Errand(real.PROBE_S, self.post.vigil.look, "the hook stays as it is"),
        ):
            self.process.spawn(errand.keep)

    def _gate(self) -> Refused | None:
        """Say why no call may start now: the journal could not take it."""
        return self._settler.objection(len(self.meter.calls))

    def _catch_up(self) -> None:
        """Work from the holds in SQL, which another daemon may have moved on."""
        uuids = [session.call.uuid for session in self.meter.calls.on(self.node.name)]
        self.meter.catch_up(read_holds(self._door, self.node.name, uuids))

    def _look_round(self) -> None:
        self._on_duty()
        if self.node.is_up:
            self.process.spawn(lambda: self.post.vigil.claim(self.node.name))
            self.process.spawn(self._take_up)

    def _put_down(self) -> None:
        self.node.drop()
        self.meter.put_down()

    def _on_event(self, leg: Leg, event: Event, stamp_us: int) -> None:
        self.meter.signs.observe(self.node.name, stamp_us)
        self.meter.post((self.node.name, leg.call_uuid), event)

    def _linked(self) -> None:
        self.post.linked(self.node.name)
        self._take_up()

    def _take_up(self) -> None:
        self._is_to_take_up = True
        self._sweep_twice()

    def _look_soon(self) -> None:
        if not self._is_in_doubt:
            self._is_in_doubt = True
            self.process.spawn(self._resolve_doubt)

    def _resolve_doubt(self) -> None:
        self.process.sleep(rounds.SECOND_LOOK_S * S)
        self._is_in_doubt = False
        self._sweep_twice()

    def _sweep_twice(self) -> None:
        if self._sweep():
            self.process.sleep(rounds.SECOND_LOOK_S * S)
            self._sweep()

    def _sweep(self) -> int:
        take_up = self._is_to_take_up
        try:
            self.meter.ask_time(self.node.name)
            missed = self._recovery.sweep(self.node.name, take_up=take_up)
        except FsbillingError:
            return int(take_up)
        self._is_to_take_up = False
        return missed

    def _sweep_regularly(self) -> None:
        while True:
            self.process.sleep(CONFIG.metering.poll_s * S)
            if self.node.is_up:
                self._sweep_twice()

    def _feel_pulse(self) -> None:
        while True:
            self.process.sleep(rounds.PULSE_S * S)
            if self.node.is_up:
                with suppress(SwitchError):
                    self.meter.ask_time(self.node.name)

    def _wake_calls(self) -> None:
        idle_us = round(IDLE_S * S)
        while True:
            self._alarm_set.clear()
            now_us = self._clock.now_us()
            self.meter.wake_due(now_us)
            next_us = self.meter.alarms.next_us()
            pause_us = idle_us if next_us is None else max(next_us - now_us, 0)
            self._alarm_set.wait(min(pause_us, idle_us))
