"""A real daemon as a process, on real TCP, and its simulated switches in the test's own hands.

Here a switch can lose an event, refuse a link or crash at a chosen moment. It lives in this
process's gevent hub: what waits beside it must give way to it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import json_cdr
from daemons import Program, free_port, wait_until

from fsbilling.clock import US_PER_S
from fsbilling.daemon.status import Status, read
from fsbilling.sim.esl_server import SimServer
from fsbilling.sim.plan import CallPlan
from fsbilling.store import cdrs, holds
from fsbilling.store.engine import Database

PASSWORD = "for-tests"
METERING = {
    "slice_s": 6,
    "first_slice_s": 6,
    "renew_lead_s": 2,
    "warn_before_s": 0,
    "poll_s": 3600,  # a test is over before
}


class SwitchRoom:
    """Some switches that listen, the one daemon that serves them, and what it wrote."""

    def __init__(self, folder: Path, url: str, names: tuple[str, ...]) -> None:
        self._folder = folder
        self._url = url
        self._db = Database.open(url)
        self.hook_port = free_port()
        self._programs: list[Program] = []
        self.switches = {
            name: SimServer(
                password=PASSWORD, hook_address=f"127.0.0.1:{self.hook_port}", seed=seed
            )
            for seed, name in enumerate(names)
        }
        for name, switch in self.switches.items():
            self.records(name).mkdir()
            switch.start()

    @property
    def switch(self) -> SimServer:
        """The first of them."""
        return next(iter(self.switches.values()))

    def records(self, name: str) -> Path:
        """The folder where this switch's mod_json_cdr writes."""
        return self._folder / f"{name}-records"

    def serve(self, **metering: object) -> Program:
        """Start the daemon, and wait until each switch is linked."""
        name = f"daemon-{len(self._programs)}"
        program = Program(self._folder, name, self._config(metering), "serve")
        self._programs.append(program)
        self.wait_for_links(program)
        return program

    def reconfigure(self, daemon: Program, **metering: object) -> None:
        """Change the settings, and tell the daemon (SIGHUP)."""
        daemon.config_path.write_text(self._config(metering))
        told = daemon.log.count("event='reloaded'")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.log.count("event='reloaded'") > told, "reloaded")

    def status(self) -> Status | None:
        """What the daemon has said of itself last."""
        return read(self._folder / "room.journal")

    def wait_for_links(self, daemon: Program, times: int = 1) -> None:
        links = times * len(self.switches)
        wait_until(lambda: daemon.log.count("event='link_up'") >= links, "the links")

    def call(self, name: str = "", callee: str = "13800138000", talk_s: int | None = None) -> str:
        """Let user 1001 call from one of the switches; its UUID."""
        plan = CallPlan(
            caller="1001",
            callee=callee,
            ring_us=0,
            talk_us=None if talk_s is None else talk_s * US_PER_S,
            variables={"sip_auth_username": "1001", "sip_authorized": "true"},
        )
        return (self.switches[name] if name else self.switch).place(plan)

    def wait_for_answer(self, uuid: str) -> None:
        wait_until(lambda: getattr(self.hold(uuid), "answered_us", 0), "the answer in SQL")

    def hold(self, uuid: str):
        with self._db.read() as conn:
            return next((hold for hold in holds.live(conn) if hold.call.uuid == uuid), None)

    def cdr(self, uuid: str, within_s: float = 20):
        """Wait for a call's record."""
        wait_until(lambda: self._find(uuid), "the record", within_s)
        return self._find(uuid)

    def end(self) -> None:
        for program in self._programs:
            program.end()
        for switch in self.switches.values():
            switch.stop()
        self._db.close()

    def hang_up_unheard(self, uuid: str) -> dict[str, str]:
        """End a call whose events are lost on their way; its hang-up, as only the switch knows."""
        with unheard(self.switch) as events:
            self.switch.execute(f"uuid_kill {uuid}")
        return next(event for event in events if event["Unique-ID"] == uuid)

    def record(self, name: str, hangup: dict[str, str]) -> None:
        """Let mod_json_cdr have written what it does of a leg."""
        core_uuid = self.switches[name].switch.core_uuid
        json_cdr.write(self.records(name), hangup | {"Core-UUID": core_uuid})

    def _find(self, uuid: str):
        with self._db.read() as conn:
            return next((cdr for _, cdr in cdrs.page(conn) if cdr.uuid == uuid), None)

    def _config(self, metering: dict[str, object]) -> str:
        whole = METERING | metering
        settings = "".join(f"{name} = {value!r}\n" for name, value in whole.items())
        switches = "".join(
            f'[[switch]]\nname = "{name}"\nport = {switch.port}\npassword = "{PASSWORD}"\n'
            f'json_cdr_dir = "{self.records(name)}"\n'
            for name, switch in self.switches.items()
        )
        return (
            f'[database]\nurl = "{self._url}"\n'
            f'[hook]\nlisten = "127.0.0.1:{self.hook_port}"\n'
            f"[metering]\n{settings}"
            f'[journal]\npath = "room.journal"\n{switches}'
        )


@contextmanager
def unheard(switch: SimServer) -> Iterator[list[dict[str, str]]]:
    """What happens meanwhile is told to nobody; the events that are lost."""
    model, lost = switch.switch, []
    model.emit = lambda name, channel: lost.append(model._channel_event(name, channel).headers)
    try:
        yield lost
    finally:
        del model.emit


@contextmanager
def confused(switch: SimServer) -> Iterator[None]:
    """The switch is linked, and answers no command as it should."""
    switch.execute = lambda _command: "-ERR out of order\n"
    try:
        yield
    finally:
        del switch.execute


@contextmanager
def unreachable(switch: SimServer) -> Iterator[None]:
    """No link can be had: the switch drops those there are, and takes no password."""
    switch.password = "another"
    switch.drop_clients()
    try:
        yield
    finally:
        switch.password = PASSWORD


def kill(daemon: Program) -> None:
    """End it at once, as `kill -9` does."""
    daemon.signal(signal.SIGKILL)
    daemon.end()
