"""The daemon: one process that serves the hook, follows the links and wakes the calls.

`fsbilling serve` runs it beside FreeSWITCH, `fsbilling demo` against a simulated one; both are
the same code. The process must be monkey-patched by gevent before this module is imported.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from fsbilling import log as logs
from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authoriser
from fsbilling.billing.held import read_holds
from fsbilling.billing.meter import Meter
from fsbilling.billing.outage import Outage
from fsbilling.billing.reception import Reception
from fsbilling.billing.recover import Recovery
from fsbilling.billing.resume import session_of
from fsbilling.billing.settler import Settler
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.warning import WarningSound
from fsbilling.billing.watch import CreditWatch
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S, Clock, SteadyClock, SystemClock
from fsbilling.config import Config, Metering, Numbering
from fsbilling.credit.throttle import Throttle
from fsbilling.daemon import status
from fsbilling.daemon.errands import Errand
from fsbilling.daemon.patience import in_a_thread, sql_bound
from fsbilling.daemon.post import Post
from fsbilling.daemon.rounds import Rounds
from fsbilling.daemon.status import Risked, Status
from fsbilling.daemon.tables import Tables
from fsbilling.daemon.watchdog import Watchdog, notify
from fsbilling.errors import FsbillingError, Refused, StoreError
from fsbilling.numbering.region_table import RegionTable
from fsbilling.store import migrations
from fsbilling.store.engine import Database
from fsbilling.store.journal import Journal
from fsbilling.store.switch_lock import switch_lock
from fsbilling.switch.breath import breathe
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.hook import HookAnswer, HookServer
from fsbilling.switch.link import Link
from fsbilling.switch.node import Node
from fsbilling.switch.witness import Witness

log = structlog.get_logger(__name__)

MAX_CALLS_AT_ONCE = 500
"""How many calls are worked on beside each other; further ones wait their turn."""

TARIFF_REFRESH_S = 5
WATCH_S = 0.5
PLAY_S = 1
REFUSALS_S = 1
PROBE_S = 1
TRUST_S = 30
STATUS_S = 1
IDLE_S = 60.0
DRAIN_S = 5.0


class Daemon:
    """Everything of one `fsbilling serve`, wired together."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        self.config = config
        self._clock = clock or SteadyClock()
        self.db = Database.open(config.database.url)
        self.db.bound = sql_bound
        migrations.check(self.db)
        self._journal = Journal(
            config.journal_path(os.environ),
            max_bytes=config.journal.max_mb * 1_000_000,
            run=in_a_thread,
        )
        self._tables = Tables(self.db, self._clock, take_regions=self._take_regions)
        self._settler = Settler(self.db, self._tables.book, self._clock, self._journal)
        self._watchdog = Watchdog()
        self._links = {switch.name: self._link(config, switch.name) for switch in config.switches}
        self._post = Post(
            switch_lock(self.db, [*self._links]),
            self._links,
            new_hook=self._new_hook,
            begin=self._catch_up,
            look_round=self._look_everywhere,
            put_down=self._put_down,
            is_wanted=lambda: self._outage.is_awaited,
        )
        self._nodes = {
            name: Node(name, self._post.api(link), link.stream)
            for name, link in self._links.items()
        }
        self._workers = Pool(MAX_CALLS_AT_ONCE)
        self._alarm_set = Event()
        self._stop = Event()
        self._greenlets = Pool()
        self._unrecorded = Unrecorded(self.db)
        self._fault: BaseException | None = None
        self.meter = self._new_meter()
        self._watch = CreditWatch(self.db, self.meter, breathe=breathe)
        self._authoriser = self._new_authoriser(clock or SystemClock())
        self._outage = self._new_outage(clock or SystemClock())
        self._status_path = status.status_path(self._journal.path)
        self._reception = self._new_reception()
        self._rounds = self._new_rounds()

    @property
    def is_linked(self) -> bool:
        """Whether every switch of the configuration is reached."""
        return all(link.is_up for link in self._links.values())

    def start(self) -> None:
        """Settle what the journal kept, then work, or wait for the daemon that works to end.

        Raises FsbillingError or OSError.
        """
        self.db.fill()
        self._tables.refresh_tariffs()
        try:
            self._settler.play()
        except StoreError as fault:
            log.warning("journal waits", fault=str(fault))
        self._tables.load_regions()
        self._outage.read_trust()
        self._greenlets.add(self._watchdog.start())
        self._keep(self._wake_calls)
        for errand in self._errands():
            self._keep(errand.keep)
        self._rounds.start()
        self._post.take()
        self._keep(self._post.keep)
        notify("READY=1")
        log.info("started", database=self.db.url, switches=[*self._nodes])

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until a part of it broke: raises what broke it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._stop.set)
        self.start()
        self._stop.wait()
        self.stop()
        if self._fault is not None:
            raise FsbillingError(f"the daemon broke and has stopped: {self._fault}")

    def stop(self) -> None:
        """Stop authorising and let the calls live: the switch's timers guard them.

        Work under way is finished; holds stay in SQL, where the next start finds them.
        """
        log.info("stopping", live_calls=len(self.meter.calls))
        self._watchdog.stop()
        self._post.close()
        self._rounds.stop()
        self._greenlets.kill()
        self._workers.join(timeout=DRAIN_S)
        self._post.leave()
        self._journal.close()
        self.db.close()
        log.info("stopped")

    def reload(self) -> None:
        """Reread tariffs and regions, and those settings that can change while calls live."""
        try:
            self._tables.refresh_tariffs()
            self._tables.load_regions()
        except StoreError as fault:
            log.error("reload failed; what was known stays in use", fault=str(fault))
            return
        log.info("reloaded")

    def apply(self, config: Config) -> None:
        """Take over a changed configuration; calls that live keep the pace they started with."""
        logs.configure(config.log)
        metering = config.metering
        pace = pace_of(metering)
        self._authoriser.adjust(pace, metering.first_slice_s)
        self.meter.adjust(pace, metering.slice_s, WarningSound(metering.warn_sound))
        self.config = config

    def _new_meter(self) -> Meter:
        metering = self.config.metering
        return Meter(
            self.db,
            self._tables.book,
            self._nodes,
            clock=self._clock,
            pace=pace_of(metering),
            slice_s=metering.slice_s,
            warning=WarningSound(metering.warn_sound),
            spawn=self._workers.spawn,
            on_alarm_set=self._alarm_set.set,
            settler=self._settler,
        )

    def _new_authoriser(self, clock: Clock) -> Authoriser:
        metering = self.config.metering
        return Authoriser(
            self.db,
            self._tables.book,
            clock=clock,
            pace=pace_of(metering),
            first_slice_s=metering.first_slice_s,
            gate=self._gate,
        )

    def _new_outage(self, clock: Clock) -> Outage:
        return Outage(
            self.db,
            self._tables.book,
            self._settler,
            clock=clock,
            call_of=self._authoriser.call_of,
            session_of=lambda hold: session_of(hold, pace_of(self.config.metering)),
            standing=self.meter.calls.get,
            gate=self._gate,
        )

    def _new_reception(self) -> Reception:
        return Reception(
            self._authoriser,
            self._outage,
            self.meter,
            self._nodes,
            plan=plan_of(self.config.numbering),
            node_of_core=self._node_of_core,
            throttle=Throttle(self.config.hook.max_cps, self._clock.now_us),
            unrecorded=self._unrecorded,
            on_doubt=self._look_soon,
        )

    def _new_rounds(self) -> Rounds:
        recovery = Recovery(
            self.db,
            self.meter,
            self._nodes,
            witnesses={
                switch.name: Witness(Path(switch.json_cdr_dir))
                for switch in self.config.switches
                if switch.json_cdr_dir
            },
            clock=self._clock,
            on_unheld=self._reception.on_unheld,
            breathe=breathe,
        )
        return Rounds(
            self._links,
            self._nodes,
            recovery,
            self.meter,
            pause_s=lambda: self.config.metering.poll_s,
            on_fault=self._on_fault,
        )

    def _gate(self) -> Refused | None:
        """Say why no call may start now: the journal could not take it."""
        return self._settler.objection(len(self.meter.calls))

    def _keep(self, part: Callable[[], None]) -> None:
        """Start what must go on as long as the daemon does."""
        self._greenlets.spawn(part).link_exception(self._on_fault)

    def _errands(self) -> list[Errand]:
        return [
            Errand(TARIFF_REFRESH_S, self._tables.refresh_tariffs, "tariffs not refreshed"),
            Errand(WATCH_S, self._watch.look, "credit not watched"),
            Errand(PLAY_S, self._settler.play, "journal waits"),
            Errand(REFUSALS_S, self._unrecorded.write, "refusals not recorded yet"),
            Errand(PROBE_S, self._outage.probe, "outage not known"),
            Errand(TRUST_S, self._outage.read_trust, "who is trusted not read"),
            Errand(PROBE_S, self._post.vigil.look, "the hook stays as it is"),
            Errand(STATUS_S, self._say_status, "status not written"),
        ]

    def _link(self, config: Config, name: str) -> Link:
        switch = next(switch for switch in config.switches if switch.name == name)
        return Link(
            name,
            (switch.host, switch.port),
            switch.password,
            on_event=partial(self._on_event, name),
            on_up=lambda: self._on_up(name),
            on_down=lambda: self.meter.lost(name),
        )

    def _catch_up(self) -> None:
        """Work from the holds in SQL, which another daemon may have moved on."""
        for switch in self._nodes:
            uuids = [session.call.uuid for session in self.meter.calls.on(switch)]
            self.meter.catch_up(read_holds(self.db, switch, uuids))

    def _look_everywhere(self) -> None:
        self._rounds.look_everywhere()

    def _put_down(self) -> None:
        self.meter.put_down()

    def _new_hook(self) -> HookServer:
        return HookServer(
            self.config.hook.address,
            decide=self._decide,
            abandoned=self._reception.abandoned,
            deadline_ms=self.config.hook.deadline_ms,
            max_connections=self.config.hook.max_connections,
        )

    def _take_regions(self, table: RegionTable) -> None:
        self._authoriser.regions = table

    def _on_up(self, switch: str) -> None:
        self._post.linked(switch)
        self._rounds.look_round(switch)

    def _on_event(self, switch: str, event: ChannelEvent) -> None:
        self._reception.on_event(switch, event)

    def _node_of_core(self, core_uuid: str) -> str | None:
        return self._rounds.node_of_core(core_uuid)

    def _look_soon(self, switch: str) -> None:
        self._rounds.look_soon(switch)

    def _on_fault(self, part: gevent.Greenlet) -> None:
        """Stop rather than go on without a part: a service manager starts anew at once."""
        self._fault = part.exception
        log.error("a part of the daemon broke", fault=repr(part.exception))
        self._stop.set()

    def _decide(self, channel: Channel) -> HookAnswer:
        return HookAnswer(self._reception.answer(channel))

    def _wake_calls(self) -> None:
        while True:
            self._alarm_set.clear()
            now_us = self._clock.now_us()
            self.meter.wake_due(now_us)
            next_us = self.meter.alarms.next_us()
            pause_s = IDLE_S if next_us is None else max(next_us - now_us, 0) / US_PER_S
            self._alarm_set.wait(min(pause_s, IDLE_S))

    def _say_status(self) -> None:
        """Write down how this daemon is, for `fsbilling status`."""
        trusted = self._outage.trust.accounts.items()
        at_risk = self._outage.risk.by_account
        status.write(
            self._status_path,
            Status(
                at_us=SystemClock().now_us(),
                pid=os.getpid(),
                on_duty=self._post.is_held,
                database_answers=not self._outage.is_on,
                switches={name: link.is_up for name, link in self._links.items()},
                live_calls=len(self.meter.calls),
                journal_bytes=self._journal.used_bytes,
                journal_max_bytes=self.config.journal.max_mb * 1_000_000,
                risked=tuple(
                    Risked(code, at_risk[code], account.limits.outage_limit_micros or 0)
                    for code, account in sorted(trusted)
                ),
            ),
        )


def pace_of(metering: Metering) -> Pace:
    """Give the leads that the settings ask for."""
    return Pace(
        renew_lead_us=metering.renew_lead_s * US_PER_S,
        cut_lead_us=metering.cut_lead_ms * 1_000,
        warn_before_us=metering.warn_before_s * US_PER_S if metering.warn_payer else 0,
    )


def plan_of(numbering: Numbering) -> NumberPlan:
    """Give the number plan that the settings describe."""
    return NumberPlan(home_area_code=numbering.home_area_code, emergency=numbering.emergency)
