"""A real `fsbilling serve` as a process of its own, watched from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fsbilling.store.engine import Database

ROOT = Path(__file__).parents[2]
SETTINGS = """
[hook]
listen = "127.0.0.1:{hook_port}"
deadline_ms = {deadline_ms}
[[switch]]
host = "127.0.0.1"
port = {switch_port}
password = "not-the-default"
[metering]
poll_s = {poll_s}
"""
DEADLINE_MS = 2_500
POLL_S = 5
"""How often the calls are compared with the switch's list."""
STOP_S = 15.0


def wait_until(condition: Callable[[], object], within_s: float) -> None:
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


class Serving:
    """The daemon: its port, its memory, its descriptors; `db`, when set, is its database."""

    db: Database | None = None

    def __init__(self, folder: Path, url: str, switch_port: int) -> None:
        self.hook_port = free_port()
        self._log = folder / "serve.log"
        config = folder / "fsbilling.toml"
        config.write_text(
            SETTINGS.format(
                hook_port=self.hook_port,
                switch_port=switch_port,
                deadline_ms=DEADLINE_MS,
                poll_s=POLL_S,
            )
        )
        # The soft limit that a shell gives: a daemon must not need a systemd unit to survive.
        command = f'ulimit -Sn 1024; exec "{sys.executable}" -m fsbilling serve'
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "FSBILLING_CONFIG": str(config),
                    "FSBILLING_DATABASE_URL": url,
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_until(self._listens, 20)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.hook_port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        self._process.terminate()
        try:
            assert self._process.wait(STOP_S) == 0
        finally:
            self._process.kill()

    @property
    def rss_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))
