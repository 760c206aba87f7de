"""The daemon: one process that serves the hook, follows the links and wakes the calls.

`fsbilling serve` runs it beside FreeSWITCH, `fsbilling demo` against a simulated one; both are
the same code. The process must be monkey-patched by gevent before this module is imported.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from fsbilling import log as logs
from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.authorise import Authoriser
from fsbilling.billing.meter import Meter
from fsbilling.billing.reception import Reception
from fsbilling.billing.recover import Recovery
from fsbilling.billing.settler import Settler
from fsbilling.billing.tariff_book import TariffBook
from fsbilling.billing.unrecorded import Unrecorded
from fsbilling.billing.warning import WarningSound
from fsbilling.calls.pace import Pace
from fsbilling.clock import US_PER_S, Clock, SteadyClock, SystemClock
from fsbilling.config import Config, Metering, Numbering
from fsbilling.doors import Doors
from fsbilling.duty import Duty
from fsbilling.errors import FsbillingError, StoreError, SwitchError
from fsbilling.numbering.region_table import RegionTable
from fsbilling.patience import in_a_thread, sql_bound
from fsbilling.rounds import Rounds
from fsbilling.store import holds, migrations, regions
from fsbilling.store.engine import BULK_BOUND_S, Database
from fsbilling.store.journal import Journal
from fsbilling.store.switch_lock import switch_lock
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.connection import COMMAND_TIMEOUT_S
from fsbilling.switch.hook import HookAnswer, HookServer
from fsbilling.switch.link import Link
from fsbilling.switch.node import Api, Node
from fsbilling.switch.witness import Witness
from fsbilling.watchdog import Watchdog, notify

log = structlog.get_logger(__name__)

MAX_CALLS_AT_ONCE = 500
"""How many calls are worked on beside each other; further ones wait their turn."""

TARIFF_REFRESH_S = 5
PLAY_S = 1
REFUSALS_S = 1
REGIONS_AT_ONCE = 1_000
IDLE_S = 60.0
DRAIN_S = 5.0
OTHER_DESCRIPTORS = 256
"""Open files besides the hook's connections: the database's, the links', the log."""


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
        self._book = TariffBook(self.db, breathe=partial(gevent.sleep, 0))
        self._settler = Settler(self.db, self._book, self._clock, self._journal)
        self._duty = Duty(
            switch_lock(self.db, [switch.name for switch in config.switches]),
            begin=self._begin,
            pause=self._pause,
            hand_over=self._hand_over,
        )
        self._watchdog = Watchdog()
        self._links = {switch.name: self._link(config, switch.name) for switch in config.switches}
        self._nodes = {name: Node(name, self._api(link)) for name, link in self._links.items()}
        self._workers = Pool(MAX_CALLS_AT_ONCE)
        self._alarm_set = Event()
        self._stop = Event()
        self._greenlets = Pool()
        self._unrecorded = Unrecorded(self.db)
        self._fault: BaseException | None = None
        pace = pace_of(config.metering)
        self.meter = Meter(
            self.db,
            self._book,
            self._nodes,
            clock=self._clock,
            pace=pace,
            slice_s=config.metering.slice_s,
            warning=WarningSound(config.metering.warn_sound),
            spawn=self._workers.spawn,
            on_alarm_set=self._alarm_set.set,
            settler=self._settler,
        )
        self._authoriser = Authoriser(
            self.db,
            self._book,
            clock=clock or SystemClock(),
            pace=pace,
            first_slice_s=config.metering.first_slice_s,
            gate=lambda: self._settler.objection(self.meter.live_calls),
        )
        self._reception = Reception(
            self._authoriser,
            self.meter,
            self._nodes,
            plan=plan_of(config.numbering),
            node_of_core=self._node_of_core,
            unrecorded=self._unrecorded,
            on_doubt=self._look_soon,
        )
        recovery = Recovery(
            self.db,
            self.meter,
            self._nodes,
            witnesses={
                switch.name: Witness(Path(switch.json_cdr_dir))
                for switch in config.switches
                if switch.json_cdr_dir
            },
            clock=self._clock,
            on_unheld=self._reception.on_unheld,
        )
        self._rounds = Rounds(
            self._links,
            self._nodes,
            recovery,
            self.meter,
            pause_s=lambda: self.config.metering.poll_s,
            on_fault=self._on_fault,
        )
        self._doors = Doors(self._new_hook, self._links)
        self._has_started = False

    @property
    def is_linked(self) -> bool:
        """Whether every switch of the configuration is reached."""
        return all(link.is_up for link in self._links.values())

    def start(self) -> None:
        """Settle what the journal kept, then work, or wait for the daemon that works to end.

        Raises FsbillingError or OSError.
        """
        self._refresh_book()
        self._settler.play()
        self._load_regions()
        self._greenlets.add(self._watchdog.start())
        for loop in (
            self._wake_calls,
            self._refresh_tariffs,
            self._play_journal,
            self._write_refusals,
        ):
            self._greenlets.spawn(loop).link_exception(self._on_fault)
        self._rounds.start()
        if not self._duty.try_now():
            log.info("standing by: another daemon works for", switches=[*self._nodes])
            notify("STATUS=standing by")
        self._has_started = True
        self._greenlets.spawn(self._duty.keep).link_exception(self._on_fault)
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
        log.info("stopping", live_calls=self.meter.live_calls)
        self._watchdog.stop()
        self._doors.close()
        self._rounds.stop()
        self._greenlets.kill()
        self._workers.join(timeout=DRAIN_S)
        self._duty.end()
        self._journal.close()
        self.db.close()
        log.info("stopped")

    def reload(self) -> None:
        """Reread tariffs and regions, and those settings that can change while calls live."""
        try:
            self._refresh_book()
            self._load_regions()
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

    def _link(self, config: Config, name: str) -> Link:
        switch = next(switch for switch in config.switches if switch.name == name)
        return Link(
            name,
            (switch.host, switch.port),
            switch.password,
            on_event=partial(self._on_event, name),
            on_up=lambda: self._rounds.look_round(name),
            on_down=lambda: self.meter.lost(name),
        )

    def _api(self, link: Link) -> Api:
        """Let commands through only while this daemon is on duty for its switches."""

        def api(command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
            if not self._duty.may_work():
                raise SwitchError("not on duty: another daemon may be")
            return link.api(command, timeout_s)

        return api

    def _begin(self) -> None:
        """Work: from the holds in SQL, which another daemon may have moved on."""
        with self.db.read() as conn:
            for switch in self._nodes:
                self.meter.catch_up(holds.live(conn, switch=switch))
        self._doors.open(patient=self._has_started)
        self._rounds.look_everywhere()
        notify("STATUS=on duty")

    def _pause(self, is_awaited: bool) -> None:  # noqa: FBT001
        """Leave the switch alone; what ends meanwhile is still settled.

        With another daemon waiting, the hook closes, so that FreeSWITCH turns to the other's.
        """
        notify("STATUS=the switch lock is lost")
        if is_awaited:
            self._doors.close_hook()

    def _hand_over(self) -> None:
        """Forget the calls that are another daemon's now, and wait."""
        notify("STATUS=standing by")
        self._doors.close()
        self.meter.put_down()

    def _new_hook(self) -> HookServer:
        return HookServer(
            self.config.hook.address,
            decide=self._decide,
            abandoned=self._reception.abandoned,
            deadline_ms=self.config.hook.deadline_ms,
            max_connections=self.config.hook.max_connections,
        )

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

    def _refresh_tariffs(self) -> None:
        while True:
            gevent.sleep(TARIFF_REFRESH_S)
            try:
                self._refresh_book()
            except StoreError as fault:
                log.warning("tariffs not refreshed", fault=str(fault))

    def _refresh_book(self) -> None:
        self._book.refresh()
        self._book.make_ready(self._clock.now_us())

    def _play_journal(self) -> None:
        while True:
            gevent.sleep(PLAY_S)
            try:
                self._settler.play()
            except StoreError as fault:
                log.warning("journal waits", fault=str(fault), bytes=self._journal.used_bytes)

    def _write_refusals(self) -> None:
        while True:
            gevent.sleep(REFUSALS_S)
            try:
                self._unrecorded.write()
            except StoreError as fault:
                log.warning("refusals not recorded yet", fault=str(fault))

    def _load_regions(self) -> None:
        """Read half a million rows, a few at a time: live calls must not wait for a reload."""
        table = RegionTable()
        with self.db.read(BULK_BOUND_S) as conn:
            rows = iter(regions.load(conn))
            while chunk := list(islice(rows, REGIONS_AT_ONCE)):
                table.extend(chunk)
                gevent.sleep(0)
        self._authoriser.regions = table


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


def allow_descriptors(count: int) -> None:
    """Raise this process's soft limit of open files to `count`, as far as the hard one lets it.

    A shell's stock 1,024 would be used up by silent peers of the hook, and the database and the
    switch could then not be reached.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        within = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))


def serve(config: Config, reread: Callable[[], Config]) -> None:
    """Run a daemon until it is told to stop; SIGHUP rereads the configuration with `reread`."""
    logs.configure(config.log)
    # Twice: those who are refused or gave their place away are not gone at once.
    allow_descriptors(2 * config.hook.max_connections + OTHER_DESCRIPTORS)
    daemon = Daemon(config)
    gevent.signal_handler(signal.SIGHUP, _rereader(daemon, reread))
    daemon.run()


def _rereader(daemon: Daemon, reread: Callable[[], Config]) -> Callable[[], None]:
    def apply() -> None:
        try:
            daemon.apply(reread())
        except FsbillingError as fault:
            log.error("configuration not reread", fault=str(fault))
        daemon.reload()

    return apply
