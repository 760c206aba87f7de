"""One of the two daemons: `fsbilling serve` with a hook and a journal of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lab import PASSWORD, ROOT

from .cable import Cable
from .service import Service

COLOURS = r"\x1b\[[0-9;]*m"
SLICE_S = 6
RENEW_LEAD_S = 2
SETTINGS = """
[database]
url = "{url}"
[hook]
listen = "127.0.0.1:{hook_port}"
[[switch]]
name = "lab"
port = {event_port}
password = "{password}"
json_cdr_dir = "{json_cdr_dir}"
[journal]
path = "{name}.journal"
[metering]
slice_s = {slice_s}
first_slice_s = 5
renew_lead_s = {renew_lead_s}
warn_before_s = 4
poll_s = 5
"""


class Daemon:
    """One daemon, its configuration and its cable to the switch.

    Attributes:
        service: What keeps it running.
        cable: What it hears the switch by.
        hook_port: Where it answers the dialplan.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        url: str,
        hook_port: int,
        event_port: int,
        json_cdr_dir: str,
    ) -> None:
        self.name = name
        self.hook_port = hook_port
        self.cable = Cable(event_port)
        self.service = Service(f"daemon {name}", self._spawn)
        self.journal = folder / f"{name}.journal"
        self.config = folder / f"{name}.toml"
        self._log = folder / f"{name}.log"
        self.config.write_text(
            SETTINGS.format(
                url=url,
                hook_port=hook_port,
                event_port=self.cable.port,
                password=PASSWORD,
                json_cdr_dir=json_cdr_dir,
                name=name,
                slice_s=SLICE_S,
                renew_lead_s=RENEW_LEAD_S,
            )
        )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def told(self, event: str) -> set[str]:
        """The calls of which its log says this."""
        line = rf"event='{event}'.*call_uuid='([0-9a-f-]+)'"
        return set(re.findall(line, re.sub(COLOURS, "", self.log)))

    @property
    def has_settled_all(self) -> bool:
        """Whether its journal has nothing left to play."""
        return not self.journal.exists() or self.journal.stat().st_size == 0

    def command(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command of an operator's with its configuration."""
        return subprocess.run(
            [sys.executable, "-m", "fsbilling", "--config", self.config, *map(str, words)],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "fsbilling", "--config", self.config, "serve"],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
