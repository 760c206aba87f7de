"""Real processes: `fsbilling serve` and `fsbilling sim`, on loopback, from one configuration."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import gevent

from fsbilling.daemon.status import Status, read

PATIENCE_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody accepts there now."""
    with socket.socket() as caller:
        caller.settimeout(0.5)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_true, what: str, within_s: float = PATIENCE_S) -> float:
    """Wait; how long it took, in seconds. A simulated switch in this process goes on meanwhile."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within_s, f"{what}: not within {within_s} s"
        gevent.sleep(0.02)
    return time.monotonic() - began


class Program:
    """One `fsbilling` process with a log of its own."""

    def __init__(self, folder: Path, name: str, config: str, *words: object) -> None:
        self.log_path = folder / f"{name}.log"
        self.config_path = folder / f"{name}.toml"
        self.config_path.write_text(config)
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fsbilling", "--config", self.config_path, *map(str, words)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        """Kill it, stopped or not, and wait for it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE_S)


class Site:
    """A simulated switch and any number of daemons over one database."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._switch_port = free_port()
        self._programs: list[Program] = []
        self.hook_ports: dict[str, int] = {}

    def serve(self, name: str) -> Program:
        """Start one daemon, with a hook and a journal of its own."""
        port = self.hook_ports.setdefault(name, free_port())
        return self._start(name, self._config(name, port), "serve")

    def simulate(self, *words: object) -> Program:
        """Start the switch; its dialplan asks the daemons in the order they were started."""
        hook = "|".join(f"127.0.0.1:{port}" for port in self.hook_ports.values())
        return self._start("sim", self._config("sim", free_port()), "sim", "--hook", hook, *words)

    def end(self) -> None:
        for program in self._programs:
            program.end()

    def listens(self, name: str) -> bool:
        return listens(self.hook_ports[name])

    def status(self, name: str) -> Status:
        """What a daemon has said of itself last; waits for its first word."""
        journal = self._folder / f"{name}.journal"
        wait_until(lambda: read(journal), f"{name}'s status")
        said = read(journal)
        assert said is not None
        return said

    def _start(self, name: str, config: str, *words: object) -> Program:
        program = Program(self._folder, name, config, *words)
        self._programs.append(program)
        return program

    def _config(self, name: str, hook_port: int) -> str:
        return (
            f'[database]\nurl = "{self._url}"\n'
            f'[hook]\nlisten = "127.0.0.1:{hook_port}"\n'
            f'[[switch]]\nport = {self._switch_port}\npassword = "for-tests"\n'
            "[metering]\nslice_s = 6\nfirst_slice_s = 6\nrenew_lead_s = 2\nwarn_before_s = 0\n"
            "poll_s = 5\n"
            f'[journal]\npath = "{name}.journal"\n'
        )


class Wire:
    """A TCP port in front of a Unix socket; cut, it takes bytes and passes none on."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._whole.set()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                self._whole.wait()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            # As a cut wire does, this also ends what the other direction waits for.
            for end in (source, sink):
                end.close()
