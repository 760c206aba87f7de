"""A real `fsbilling serve` beside the lab, set up and asked by its own commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from commands import Commands
from lab import PASSWORD, ROOT, Lab
from patience import wait_for

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0
CENT_A_SECOND = "0.60"
SETTINGS = """
[hook]
listen = "127.0.0.1:{hook_port}"
[[switch]]
name = "{switch}"
host = "127.0.0.1"
port = {event_port}
password = "{password}"
json_cdr_dir = "{json_cdr_dir}"
[metering]
{metering}
"""
SHORT_SLICES = """
slice_s = 6
first_slice_s = 5
renew_lead_s = 2
warn_before_s = 4
poll_s = 5
"""


class Billing:
    """One installation: configuration, database, daemon.

    `metering` is that part of its settings; empty, they are as shipped.
    """

    def __init__(self, lab: Lab, folder: Path, url: str, metering: str = SHORT_SLICES) -> None:
        self._config = folder / "fsbilling.toml"
        self._log = folder / "serve.log"
        self._config.write_text(
            SETTINGS.format(
                hook_port=lab.hook_port,
                event_port=lab.event_port,
                password=PASSWORD,
                json_cdr_dir=lab.json_cdr_dir,
                switch=lab.name,
                metering=metering,
            )
        )
        self._environment = {
            "FSBILLING_DATABASE_URL": url,
            "FSBILLING_CONFIG": str(self._config),
        }
        self.commands = Commands(url, FSBILLING_CONFIG=str(self._config))
        self._tables = folder
        self._process: subprocess.Popen[bytes] | None = None

    # the daemon

    def start(self) -> None:
        """Start the daemon, and wait until it hears the switch."""
        links_before = self.log().count("link_up")
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fsbilling", "serve"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        wait_for(lambda: self._is_up(links_before), "the daemon starts", START_TIMEOUT_S)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As the kernel's out-of-memory killer does it."""
        self.signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """As a service manager does it; the exit code."""
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        return self._wait()

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-2_000:]
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _wait(self) -> int:
        assert self._process is not None
        code = self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        return code

    def _is_up(self, links_before: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-2_000:]
        return self.log().count("link_up") > links_before

    # what an operator types

    def tariff(self, name: str, price_per_min: str = CENT_A_SECOND) -> None:
        self.tariff_of(name, f"origin,destination,price_per_min\n*,*,{price_per_min}\n")

    def tariff_of(self, name: str, table: str, plan: str = "") -> None:
        """A tariff as its two files have it; a running daemon knows it at once."""
        table_file, plan_file = self._tables / f"{name}.csv", self._tables / f"{name}.toml"
        table_file.write_text(table)
        plan_file.write_text(plan)
        self.commands.do(
            "rates", "import", name, table_file, "--plan", plan_file, "--from", "2026-01-01"
        )
        if self.is_running:
            before = self.log().count("reloaded")
            self.signal(signal.SIGHUP)
            wait_for(lambda: self.log().count("reloaded") > before, "the daemon reloads")

    def customer(self, code: str, credit: str, *, user: str = "", tariff: str = "std") -> None:
        """A prepaid account; `user` is the SIP user whose outbound calls it pays."""
        tariffs = ("--tariff", f"400={tariff}", "--tariff", f"outbound={tariff}")
        self.commands.do("account", "add", code, "--mode", "prepaid", *tariffs)
        if float(credit):
            self.commands.do("account", "topup", code, credit, "--ref", "first")
        if user:
            self.commands.do("line", "add", f"user:{user}", "--account", code)

    def number(self, digits: str, code: str, target: str) -> None:
        self.commands.do("number", "add", digits, "--account", code, "--target", target)

    def account(self, code: str) -> dict:
        return self.commands.json("account", "show", code)

    def cdrs(self, code: str, *, refused: bool = False) -> list[dict]:
        """The account's CDRs: of calls that were let through, or of refused attempts."""
        rows = self.commands.json("cdr", "list", "--account", code, "--limit", "1000")
        return [row for row in rows if bool(row["refusal"]) is refused]

    def live(self, code: str) -> list[dict]:
        return self.commands.json("calls", "list", "--account", code)

    def wait_for_cdrs(self, code: str, count: int, timeout_s: float = 15.0) -> list[dict]:
        """The account's CDRs when there are so many and nothing is held any more."""
        wait_for(
            lambda: len(self.cdrs(code)) >= count and not self.live(code),
            f"{count} CDRs of {code}",
            timeout_s,
        )
        rows = self.cdrs(code)
        assert len(rows) == count, rows
        return rows

    def assert_ledger_adds_up(self, code: str) -> None:
        """Balance = top-ups - charges, nothing held, the chain unbroken (DESIGN rules 1 and 9)."""
        self.commands.do("ledger", "verify", "--account", code)
        account = self.account(code)
        assert account["balance_micros"] >= 0
        assert account["held_micros"] == 0
