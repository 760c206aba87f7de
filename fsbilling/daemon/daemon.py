"""The daemon: one process that serves the hook, follows the links and wakes the calls.

`fsbilling serve` runs it beside FreeSWITCH, `fsbilling demo` against a simulated one; both are
the same code. What it does for calls is put together in `billing`, when it works and what it
opens then in `post`; here they are joined, started and ended. The process must be monkey-patched
by gevent before this module is imported.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial

import gevent
import structlog
from gevent.event import Event
from gevent.pool import Pool

from fsbilling import log as logs
from fsbilling.clock import US_PER_S, Clock, SteadyClock, SystemClock
from fsbilling.config import Config, Switch
from fsbilling.daemon import status
from fsbilling.daemon.billing import Billing
from fsbilling.daemon.errands import Errand
from fsbilling.daemon.patience import in_a_thread, sql_bound
from fsbilling.daemon.post import Post
from fsbilling.daemon.rounds import Rounds
from fsbilling.daemon.status import Risked, Status
from fsbilling.daemon.watchdog import Watchdog, notify
from fsbilling.errors import FsbillingError, StoreError
from fsbilling.store import migrations
from fsbilling.store.engine import Database
from fsbilling.store.journal import Journal
from fsbilling.store.switch_lock import switch_lock
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.hook import HookAnswer, HookServer
from fsbilling.switch.link import Link
from fsbilling.switch.node import Node

log = structlog.get_logger(__name__)

MAX_CALLS_AT_ONCE = 500
"""How many calls are worked on beside each other; further ones wait their turn."""

VIGIL_S = 1
STATUS_S = 1
IDLE_S = 60.0
DRAIN_S = 5.0


class Daemon:
    """Everything of one `fsbilling serve`: built here, then run."""

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
        self._status_path = status.status_path(self._journal.path)
        self._watchdog = Watchdog()
        self._workers = Pool(MAX_CALLS_AT_ONCE)
        self._greenlets = Pool()
        self._alarm_set = Event()
        self._stop = Event()
        self._fault: BaseException | None = None
        self._links = {switch.name: self._new_link(switch) for switch in config.switches}
        self._post = self._new_post()
        self._nodes = {
            name: Node(name, self._post.api(link), link.stream)
            for name, link in self._links.items()
        }
        self.billing = self._new_billing(clock or SystemClock())
        self.meter = self.billing.meter
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
        self.billing.tables.refresh_tariffs()
        try:
            self.billing.settler.play()
        except StoreError as fault:
            log.warning("journal waits", fault=str(fault))
        self.billing.tables.load_regions()
        self.billing.outage.read_trust()
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
            self.billing.tables.refresh_tariffs()
            self.billing.tables.load_regions()
        except StoreError as fault:
            log.error("reload failed; what was known stays in use", fault=str(fault))
            return
        log.info("reloaded")

    def apply(self, config: Config) -> None:
        """Take over a changed configuration; calls that live keep the pace they started with."""
        logs.configure(config.log)
        self.billing.apply(config)
        self.config = config

    def _new_link(self, switch: Switch) -> Link:
        name = switch.name
        return Link(
            name,
            (switch.host, switch.port),
            switch.password,
            on_event=partial(self._on_event, name),
            on_up=lambda: self._on_up(name),
            on_down=lambda: self.meter.lost(name),
        )

    def _new_post(self) -> Post:
        return Post(
            switch_lock(self.db, [*self._links]),
            self._links,
            new_hook=self._new_hook,
            begin=self._catch_up,
            look_round=self._look_everywhere,
            put_down=self._put_down,
            is_wanted=lambda: self.billing.outage.is_awaited,
        )

    def _new_hook(self) -> HookServer:
        return HookServer(
            self.config.hook.address,
            decide=self._decide,
            abandoned=self.billing.reception.abandoned,
            deadline_ms=self.config.hook.deadline_ms,
            max_connections=self.config.hook.max_connections,
        )

    def _new_billing(self, wall_clock: Clock) -> Billing:
        return Billing(
            self.config,
            self.db,
            self._journal,
            self._nodes,
            clock=self._clock,
            wall_clock=wall_clock,
            spawn=self._workers.spawn,
            on_alarm_set=self._alarm_set.set,
            node_of_core=self._node_of_core,
            on_doubt=self._look_soon,
        )

    def _new_rounds(self) -> Rounds:
        return Rounds(
            self._links,
            self._nodes,
            self.billing.recovery,
            self.meter,
            pause_s=lambda: self.config.metering.poll_s,
            on_fault=self._on_fault,
        )

    def _keep(self, part: Callable[[], None]) -> None:
        """Start what must go on as long as the daemon does."""
        self._greenlets.spawn(part).link_exception(self._on_fault)

    def _errands(self) -> list[Errand]:
        return [
            *self.billing.errands(),
            Errand(VIGIL_S, self._post.vigil.look, "the hook stays as it is"),
            Errand(STATUS_S, self._say_status, "status not written"),
        ]

    # What the parts ask of each other, by name: some are built before those they ask.

    def _catch_up(self) -> None:
        self.billing.catch_up()

    def _put_down(self) -> None:
        self.meter.put_down()

    def _look_everywhere(self) -> None:
        self._rounds.look_everywhere()

    def _look_soon(self, switch: str) -> None:
        self._rounds.look_soon(switch)

    def _node_of_core(self, core_uuid: str) -> str | None:
        return self._rounds.node_of_core(core_uuid)

    def _on_up(self, switch: str) -> None:
        self._post.linked(switch)
        self._rounds.look_round(switch)

    def _on_event(self, switch: str, event: ChannelEvent) -> None:
        self.billing.reception.on_event(switch, event)

    def _on_fault(self, part: gevent.Greenlet) -> None:
        """Stop rather than go on without a part: a service manager starts anew at once."""
        self._fault = part.exception
        log.error("a part of the daemon broke", fault=repr(part.exception))
        self._stop.set()

    def _decide(self, channel: Channel) -> HookAnswer:
        return HookAnswer(self.billing.reception.answer(channel))

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
        outage = self.billing.outage
        at_risk = outage.risk.by_account
        status.write(
            self._status_path,
            Status(
                at_us=SystemClock().now_us(),
                pid=os.getpid(),
                on_duty=self._post.is_held,
                database_answers=not outage.is_on,
                switches={name: link.is_up for name, link in self._links.items()},
                live_calls=len(self.meter.calls),
                journal_bytes=self._journal.used_bytes,
                journal_max_bytes=self.config.journal.max_mb * 1_000_000,
                risked=tuple(
                    Risked(code, at_risk[code], account.limits.outage_limit_micros or 0)
                    for code, account in sorted(outage.trust.accounts.items())
                ),
            ),
        )
