"""The laboratory FreeSWITCH of contrib/lab, on ports of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from event_socket import EventSocket
from patience import free_port, free_sip_port, wait_for
from programs import find
from witness import Witness

ROOT = Path(__file__).parents[2]
PASSWORD = "only-for-these-tests"
CARRIER_HOST = "127.0.0.2"
RTP_PORTS = (20_000, 25_998)
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


class Lab:
    """One FreeSWITCH process, from `start` to `stop`; `name` is what CDRs call it."""

    def __init__(
        self, folder: Path, name: str = "lab", rtp_ports: tuple[int, int] = RTP_PORTS
    ) -> None:
        self.folder = folder
        self.name = name
        self.event_port = free_port()
        self.sip_port = free_sip_port("127.0.0.1")
        self.carrier_port = free_sip_port(CARRIER_HOST)
        self.hook_port = free_port()
        self.hook_address = f"127.0.0.1:{self.hook_port}"
        self.json_cdr_dir = folder / "json"
        self.witness = Witness(self.json_cdr_dir)
        self._rtp_ports = rtp_ports
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: EventSocket | None = None

    def start(self) -> None:
        self.spawn()
        self.await_up()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process, as a service manager does: nobody waits for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "freeswitch.out").open("ab") as out:
            self._process = subprocess.Popen(
                [ROOT / "contrib" / "lab" / "run"],
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return self._process

    def await_up(self) -> None:
        """Wait until it answers, and takes calls."""
        self._socket = wait_for(self._connected, "FreeSWITCH starts", START_TIMEOUT_S)
        wait_for(lambda: "RUNNING" in self.api("sofia status"), "SIP is up", START_TIMEOUT_S)

    def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def api(self, command: str) -> str:
        assert self._socket is not None
        return self._socket.api(command)

    def follow(self, *names: str) -> list[dict]:
        """Events of these names from now on."""
        return EventSocket(self.event_port, PASSWORD).follow(*names)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def live_channels(self) -> int:
        return int(self.api("show channels count").split()[0])

    def wait_until_idle(self, timeout_s: float = 30.0) -> None:
        wait_for(lambda: self.live_channels == 0, "all calls have ended", timeout_s)

    def _connected(self) -> EventSocket | None:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "freeswitch.out").read_text()
        with suppress(OSError):
            return EventSocket(self.event_port, PASSWORD)
        return None

    def _environment(self) -> dict[str, str]:
        first, last = self._rtp_ports
        return {
            "FREESWITCH": find("freeswitch") or "",
            "LAB_DIR": str(self.folder),
            "LAB_EVENT_PORT": str(self.event_port),
            "LAB_EVENT_PASSWORD": PASSWORD,
            "LAB_SIP_PORT": str(self.sip_port),
            "LAB_RTP_START": str(first),
            "LAB_RTP_END": str(last),
            "LAB_CARRIER": f"{CARRIER_HOST}:{self.carrier_port}",
            "LAB_HOOK": self.hook_address,
        }
