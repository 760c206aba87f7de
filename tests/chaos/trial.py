"""One run from the first process to the last, and what came of it."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from commands import Commands
from lab import CARRIER_HOST, Lab
from patience import free_port, wait_for
from postgres import Postgres

from fsbilling.store import migrations

from .audit import Audit
from .books import Books, holds_left
from .daemon import Daemon
from .ports import listening_ports
from .service import Service
from .storm import Storm, Struck, forecast
from .topups import TopUps
from .traffic import NUMBERS, Traffic
from .vigil import Vigil

START_S = 40.0
CALLS_END_S = 60.0
SETTLE_S = 90.0
RECONCILE_GRACE_S = 11.0
"""`fsbilling reconcile` says nothing of calls that ended within 10 s."""

CENT_A_SECOND = "origin,destination,price_per_min\n*,*,0.60\n"
CREDIT = {"rich": "5000", "company": "5000", "crowd": "1", "poor": "0.30", "poorer": "0.15"}
USERS = {"1001": "rich", "1002": "crowd", "1003": "poor", "1004": "poorer", "1005": "later"}
TOPUPS = {"crowd": "0.40", "poor": "0.12", "poorer": "0.05"}
TOPUP_S = 5.0


class Trial:
    """The installation under trial; `end` leaves nothing running."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.cluster = Postgres.start_new()
        self.url = self.cluster.url(self.cluster.create())
        self.lab = Lab(folder / "lab")
        ports = free_port(), free_port()
        self.lab.hook_address = "|".join(f"127.0.0.1:{port}" for port in ports)
        # The second daemon is on another machine, so to speak: it cannot see the switch's files.
        places = zip(("a", "b"), ports, (str(self.lab.json_cdr_dir), ""), strict=True)
        self.daemons = tuple(self._daemon(*place) for place in places)
        self.database = Service("PostgreSQL", self.cluster.spawn)
        self.switch = Service("FreeSWITCH", self.lab.spawn)
        self.storm = Storm(self.daemons, self.database, self.switch)
        self.vigil = Vigil(self.url, self.daemons)
        self.traffic = Traffic(seed, self.lab)
        self.topups = TopUps(self.daemons[0].command, TOPUPS, TOPUP_S)
        self.reconciled: list[dict] = []

    def _daemon(self, name: str, hook_port: int, json_cdr_dir: str) -> Daemon:
        return Daemon(
            self.folder,
            name,
            url=self.url,
            hook_port=hook_port,
            event_port=self.lab.event_port,
            json_cdr_dir=json_cdr_dir,
        )

    def begin(self) -> None:
        """Open the shop, and wait until the first daemon answers the hook."""
        migrations.upgrade(self.url)
        self._open_shop()
        self.cluster.stop()
        for service in (self.database, self.switch):
            service.start()
        self._await_switch()
        wait_for(self._sql_answers, "PostgreSQL answers", START_S)
        for daemon in self.daemons:
            daemon.service.start()
            wait_for(lambda: listening_ports() & self._hook_ports, "a hook opens", START_S)
        self.vigil.start()
        self.traffic.start()
        self.topups.start()

    def rage(self, seconds: float, tell) -> None:
        """All blows of the seed, an emergency call right after each."""

        def after(struck: Struck) -> None:
            self.traffic.call_for_help()
            tell(struck)

        began_s = time.monotonic()
        self.storm.rage(forecast(self.seed, seconds), after)
        time.sleep(max(began_s + seconds - time.monotonic(), 0))
        self.storm.calm()

    def settle(self) -> None:
        """Let the calls end, and the daemons come to rest."""
        self.traffic.end()
        self.topups.end()
        self._await_switch()
        self.lab.wait_until_idle(CALLS_END_S)
        with suppress(AssertionError):
            # What is left then is a breach, and the audit names it.
            wait_for(self._has_settled, "no hold is left, and both journals are played", SETTLE_S)
        self.vigil.end()
        time.sleep(RECONCILE_GRACE_S)

    def reconcile(self) -> None:
        """Compare with the switch's files, and put right what can be."""
        done = self.daemons[0].command("reconcile", self.lab.json_cdr_dir, "--apply", "--json")
        assert done.stdout, done.stderr
        self.reconciled = json.loads(done.stdout)["differences"]

    def audit(self) -> Audit:
        """The books, and the switch's own records."""
        paid = {(code, "first"): amount for code, amount in CREDIT.items()} | self.topups.paid
        return Audit(
            books=Books.read(self.url),
            legs={leg.uuid: leg for leg in self.lab.witness.legs()},
            living_core=self.lab.api("global_getvar core_uuid"),
            estimated=frozenset(self._once_estimated()),
            topups={key: round(float(amount) * 1e6) for key, amount in paid.items()},
        )

    def _once_estimated(self) -> set[str]:
        """Calls whose exact end replaced an estimate: from the switch's files or a journal."""
        by_reconcile = {each["uuid"] for each in self.reconciled if each["kind"] == "estimate"}
        return by_reconcile.union(*(d.told("made exact from the journal") for d in self.daemons))

    def end(self) -> None:
        """End every process, whatever state it is in."""
        self.storm.calm()
        self.vigil.end()
        self.topups.end()
        self.traffic.stop()
        for daemon in self.daemons:
            daemon.service.end()
            daemon.cable.close()
        self.switch.end()
        self.database.end()
        self.cluster.remove()

    def _open_shop(self) -> None:
        office = Commands(self.url, FSBILLING_CONFIG=str(self.daemons[0].config))
        table = self.folder / "std.csv"
        table.write_text(CENT_A_SECOND)
        office.do("rates", "import", "std", table, "--from", "2026-01-01")
        tariffs = ("--tariff", "400=std", "--tariff", "outbound=std")
        for code, credit in CREDIT.items():
            office.do("account", "add", code, "--mode", "prepaid", *tariffs)
            office.do("account", "topup", code, credit, "--ref", "first")
        limit = ("--mode", "postpaid", "--credit-limit", "50")
        office.do("account", "add", "later", *limit, *tariffs)
        for user, code in USERS.items():
            office.do("line", "add", f"user:{user}", "--account", code)
        agent = f"sofia/lab/agent{{}}@{CARRIER_HOST}:{self.lab.carrier_port}"
        targets = (agent.format("0020"), agent.format("3250"), "extension/menu/company")
        for number, target in zip(NUMBERS, targets, strict=True):
            office.do("number", "add", number, "--account", "company", "--target", target)

    def _await_switch(self) -> None:
        wait_for(lambda: self.switch.is_running, "FreeSWITCH is started", START_S)
        self.lab.await_up()

    @property
    def _hook_ports(self) -> set[int]:
        return {daemon.hook_port for daemon in self.daemons}

    def _sql_answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _has_settled(self) -> bool:
        try:
            return holds_left(self.url) == 0 and all(d.has_settled_all for d in self.daemons)
        except psycopg.OperationalError:
            return False
