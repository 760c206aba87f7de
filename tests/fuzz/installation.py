"""A billing installation for hostile input: two accounts, put back after each input."""

from __future__ import annotations

import atexit
import functools
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from structlog.testing import capture_logs
from world import CENT_A_SECOND, SWITCH, Daemon, World

from fsbilling.credit.limits import Limits
from fsbilling.rating.plan import Band, Plan
from fsbilling.rating.rate import Rate
from fsbilling.sim.virtual_clock import EPOCH_US
from fsbilling.store import directory, entries, holds, migrations
from fsbilling.store.engine import Database
from fsbilling.store.limits import set_limits

ACME, VICTIM = "acme", "victim"
LINES = {
    ("user", "1001"): ACME,
    ("user", "2002"): VICTIM,
    ("accountcode", "victim-code"): VICTIM,
    ("gateway", "victim-trunk"): VICTIM,
    ("ip", "203.0.113.9"): VICTIM,
}
NUMBERS = {"4001234567": ACME, "4007654321": VICTIM}
TARGETS = {ACME: "user/1001", VICTIM: "user/2002"}
LIMITS = Limits(
    max_calls=5, max_call_s=7_200, daily_cap_micros=8_000_000, monthly_cap_micros=9_000_000
)
"""What acme has so that the ways of limits are gone as well; victim has none."""
CHEAP = Rate(origin="prefix:86139", rate_micros_per_min=1)
"""What a caller would pay who could choose his origin on an outbound call."""
PLAN = Plan(included_s=20, bands=(Band("peak", (), ((480, 1200),)),))
BY_DAY = Rate(rate_micros_per_min=600_000, band="peak")
"""A package and a band: hostile stamps meet the calendar, and holds of seconds as of money."""

_UUID = r"[0-9a-fA-F-]{36}"
COMMAND = re.compile(
    rf"global_getvar core_uuid|strmicroepoch|uuid_dump {_UUID} json|uuid_kill [A-Za-z0-9@._:+-]+ [A-Z_]+"
    rf"|expand sched_api [ -~]* hupall ALLOTTED_TIMEOUT fsbilling_call {_UUID} [ -~]*"
    rf"|sched_del fsbilling-{_UUID}-[0-9]+"
    rf"|expand sched_del \$\{{cond\(\$\{{strepoch\(\)\}} < [0-9]+ \? "
    rf"fsbilling-{_UUID}-[0-9]+ : fsbilling-none\)\}}"
    rf"|uuid_setvar_multi {_UUID} [^\x00-\x1f\x7f'\"\\$]*"
    rf"|uuid_displace {_UUID} start [ -~]*"
)
"""All that may ever be said to the switch."""

_BOOKS = """
SELECT a.code, a.balance_micros + a.credit_limit_micros - a.held_micros, a.held_micros,
       coalesce((SELECT sum(h.amount_micros) FROM hold h WHERE h.account_id = a.id), 0),
       a.last_seq
FROM account a
"""


class Installation:
    """A world on SQLite in memory, as new after each `reset`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "fsbilling.db"
        migrations.upgrade(f"sqlite:///{self._path}")
        db = Database.open(f"sqlite:///{self._path}")
        self.world = World(db)
        self.world.open_for_business(
            rates=(CENT_A_SECOND, CHEAP, BY_DAY), plan=PLAN, credit="10.00"
        )
        with db.write() as conn:
            self.world.add_account(conn, VICTIM, "10.00")
            set_limits(conn, ACME, LIMITS, at_us=EPOCH_US)
            assert directory.add_number(conn, "4007654321", VICTIM, TARGETS[VICTIM]) is None
            for (kind, value), account in LINES.items():
                if account == VICTIM:
                    assert directory.add_line(conn, kind, value, account) is None
        self._template = sqlite3.connect(":memory:")
        self._copy(self._template, back=False)

    def _copy(self, template: sqlite3.Connection, *, back: bool) -> None:
        file = sqlite3.connect(self._path)
        source, target = (template, file) if back else (file, template)
        source.backup(target)
        file.close()

    @property
    def daemon(self) -> Daemon:
        assert self.world.daemon is not None
        return self.world.daemon

    def reset(self) -> None:
        """Forget every call, and put the accounts back."""
        self._copy(self._template, back=True)
        self.world.commands.clear()
        if len(self.world.sim.scheduler):
            self.world.sim.restart()
        self.daemon.meter.put_down()
        if self._meter_remembers():
            self.world.daemon = Daemon(self.world, self.daemon.book)

    def _meter_remembers(self) -> bool:
        meter = self.daemon.meter
        return len(meter.calls) > 0 or not meter.signs.are_none

    def check_books(self, allowed: set[str]) -> dict[str, str]:
        """Rule 1 holds, holds add up, and no account but the allowed ones was touched.

        Gives the account of each call that is held for, by the call's UUID.
        """
        with self.world.db.read() as conn:
            posted = False
            for code, free, held, sum_of_holds, last_seq in conn.exec_driver_sql(_BOOKS):
                posted = posted or last_seq != 1
                assert free >= 0, f"{code} is overspent"
                assert held == sum_of_holds
                assert code in allowed or (free, held) == (10_000_000, 0), f"{code} was touched"
            held = {hold.call.uuid: hold.call.account for hold in holds.live(conn)}
            assert set(held.values()) <= allowed
            assert not posted or list(entries.verify(conn)) == []
        return held

    def check_commands(self) -> None:
        """Nothing that the switch would read as more went into a command."""
        for command in self.world.commands:
            assert COMMAND.fullmatch(command), command

    def live_accounts(self) -> set[str]:
        """Whose calls this daemon meters."""
        sessions = self.daemon.meter.calls.all()
        return {session.call.account for session in sessions}


@functools.cache
def installation() -> Installation:
    """The one of this process, in memory where the machine has a place for that."""
    shm = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="fsbilling-fuzz-", dir=shm if shm.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Installation(folder)


@contextmanager
def no_exception_logged() -> Iterator[None]:
    """Fail when something was caught and logged as a fault of our own."""
    with capture_logs() as lines:
        yield
    crashed = [line for line in lines if line.get("exc_info")]
    assert not crashed, crashed
    del lines


__all__ = ["ACME", "LINES", "NUMBERS", "SWITCH", "TARGETS", "VICTIM", "installation"]
