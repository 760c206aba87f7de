"""Telephones and carriers: SIPp processes with the scenarios of contrib/sipp."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import CARRIER_HOST, ROOT, Lab
from patience import free_sip_port
from programs import find

SCENARIOS = ROOT / "contrib" / "sipp"
CUSTOMER_HOST = "127.0.0.1"
PBX_HOST = "127.0.0.3"
MEDIA_PORTS = itertools.count(26_000, 10)
SIPP_TIMEOUT_S = 90


@dataclass(frozen=True)
class Dial:
    """One call to place.

    Attributes:
        number: What is dialled.
        user: The SIP user whose password is given.
        mode: `hangup`, `wait` or `cancel` (contrib/sipp/caller.xml); of a transferring caller,
            the Refer-To URI.
        ms: Milliseconds until the caller acts.
        shown: The From user, when it is not `user`.
        to: The user in the To header, when it is not `number`.
    """

    number: str
    user: str = "1001"
    mode: str = "hangup"
    ms: int = 1_000
    shown: str = ""
    to: str = ""

    def line(self) -> str:
        password = f"[authentication username={self.user} password=lab-{self.user}]"
        return ";".join(
            (
                self.number,
                self.shown or self.user,
                password,
                self.mode,
                str(self.ms),
                self.to or self.number,
            )
        )


class Phone:
    """One SIPp process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, port: int) -> None:
        self._process = process
        self._log = log
        self.port = port

    def done(self, timeout_s: float = SIPP_TIMEOUT_S) -> None:
        """Wait until its calls have gone exactly as the scenario says."""
        code = self._process.wait(timeout_s)
        assert code == 0, f"SIPp exit code {code}:\n{self._errors()}"

    @property
    def exit_code(self) -> int | None:
        """None while it runs, 0 when all its calls went as the scenario says."""
        return self._process.poll()

    def received(self, status: int) -> int:
        """How many responses of this SIP status its calls got; known when it is done."""
        counters = re.findall(
            rf"^ +{status} <-+ +(?:E-RTD\d )?(\d+) ", self._log.read_text(), re.MULTILINE
        )
        return sum(map(int, counters))

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _errors(self) -> str:
        logs = self._log.parent.glob(f"*_{self._process.pid}_errors.log")
        return "\n".join(path.read_text(errors="replace")[:3_000] for path in logs)


class Phones:
    """All SIPp processes of one test; `stop` ends those still running."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._phones: list[Phone] = []
        folder.mkdir(parents=True, exist_ok=True)

    def carrier(self) -> Phone:
        """The carrier's side, which plays every callee by the number called."""
        return self._start("callee.xml", CARRIER_HOST, self._lab.carrier_port)

    def transferring_agent(self, refer_to: str, after_ms: int) -> Phone:
        """An agent who answers one call and transfers the caller."""
        keys = ["-key", "refer_to", refer_to, "-key", "after_ms", str(after_ms)]
        port = free_sip_port(CARRIER_HOST)
        return self._start("callee-transfers.xml", CARRIER_HOST, port, "-m", "1", *keys)

    def place(
        self,
        calls: Iterable[Dial],
        *,
        host: str = CUSTOMER_HOST,
        scenario: str = "caller.xml",
        per_s: int = 10,
        call_id: str = "",
    ) -> Phone:
        """Place calls from one address, so many per second."""
        lines = [call.line() for call in calls]
        number = next(MEDIA_PORTS)
        table = self._folder / f"calls-{number}.csv"
        table.write_text("SEQUENTIAL\n" + "".join(f"{line}\n" for line in lines))
        return self._start(
            scenario,
            host,
            free_sip_port(host),
            f"127.0.0.1:{self._lab.sip_port}",
            *("-inf", str(table)),
            *("-m", str(len(lines))),
            *("-r", str(per_s)),
            *("-l", str(len(lines))),
            *("-timeout", str(SIPP_TIMEOUT_S), "-timeout_error"),
            *(("-cid_str", call_id) if call_id else ()),
        )

    def stop(self) -> None:
        for phone in self._phones:
            phone.stop()

    def _start(self, scenario: str, host: str, port: int, *options: str) -> Phone:
        log = self._folder / f"{scenario}-{port}.out"
        media = ["-mi", host, "-mp", str(next(MEDIA_PORTS))]
        where = ["-i", host, "-p", str(port), *media, "-nostdin", "-trace_err", *options]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [find("sipp") or "sipp", "-sf", str(SCENARIOS / scenario), *where],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        phone = Phone(process, log, port)
        self._phones.append(phone)
        return phone
