"""Where the demo plays: a simulated switch on loopback and the real daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import socket

from fsbilling.clock import SystemClock
from fsbilling.config import Config, Database, Hook, Journal, Log, Metering, Secret, Switch
from fsbilling.daemon.daemon import Daemon
from fsbilling.errors import FsbillingError
from fsbilling.sim.demo import office, story
from fsbilling.sim.esl_server import SimServer
from fsbilling.store.engine import Database as StoreDatabase

PASSWORD = "demo-only"  # noqa: S105 -- of a switch that lives for half a minute on loopback
SETTLE_S = 5.0
POLL_S = 0.05


class Stage:
    """Plays the story; `db` is open until `close`."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._say = say
        self._clock = SystemClock()
        hook_port = _free_port()
        self._switch = SimServer(password=PASSWORD, hook_address=f"127.0.0.1:{hook_port}")
        self._switch.start()
        self._config = Config(
            database=Database(url=Secret(f"sqlite:///{folder}/demo.db")),
            hook=Hook(listen=f"127.0.0.1:{hook_port}"),
            switches=(Switch(name="demo", port=self._switch.port, password=Secret(PASSWORD)),),
            metering=Metering(slice_s=4, first_slice_s=4, renew_lead_s=2, warn_before_s=5),
            journal=Journal(path=f"{folder}/demo.journal"),
            log=Log(level="info"),
        )
        self.uuids: dict[str, str] = {}

    def set_up(self) -> None:
        """Do what a newcomer does, then start the daemon."""
        office.open_office(self._config, at_us=self._clock.now_us(), say=self._say)
        self._daemon = Daemon(self._config)
        self._daemon.start()
        self._wait(lambda: self._daemon.is_linked, "the daemon did not reach the switch")

    @property
    def db(self) -> StoreDatabase:
        """The daemon's own database."""
        return self._daemon.db

    def play(self) -> None:
        """Let the story happen in real time; returns when the last call is settled."""
        began_us = self._clock.now_us()
        plays = [gevent.spawn_later(act.at_s, self._enter, act) for act in story.ACTS]
        plays.append(gevent.spawn_later(story.TOP_UP_AT_S, self._top_up))
        gevent.joinall(plays, raise_error=True)
        played_s = (self._clock.now_us() - began_us) / 1_000_000
        gevent.sleep(max(story.LENGTH_S - played_s, 0))
        self._wait(lambda: not self._daemon.meter.calls, "a call was never settled")

    def close(self) -> None:
        """Stop the daemon and the switch."""
        self._daemon.stop()
        self._switch.stop()

    def _enter(self, act: story.Act) -> None:
        self._say(f"calls       {act.plan.caller} -> {act.plan.callee}   ({act.title})")
        self.uuids[act.title] = self._switch.place(act.plan)

    def _top_up(self) -> None:
        office.top_up(self.db, at_us=self._clock.now_us())
        self._say(f"top-up      {office.SPENDER}: {office.TOP_UP} CNY")

    def _wait(self, is_true: Callable[[], bool], complaint: str) -> None:
        with gevent.Timeout(SETTLE_S, FsbillingError(complaint)):
            while not is_true():
                gevent.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
