"""The least that a hook can be: connect, set two variables, close. `python bare_hook.py PORT N=V N=V`.

One blocking process of its own, without gevent, SQL or log: what everything else is added to.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Self

START_TIMEOUT_S = 5.0


class BareHook:
    """A running bare hook, for a `with` block."""

    def __init__(self, port: int, variables: dict[str, str]) -> None:
        self._port = port
        self._words = [f"{name}={value}" for name, value in variables.items()]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([sys.executable, __file__, str(self._port), *self._words])
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port)).close()
                return self
            assert time.monotonic() < give_up_at, "the bare hook does not listen"
            time.sleep(0.02)

    def __exit__(self, *_fault: object) -> None:
        self._process.kill()
        self._process.wait()


def serve(port: int, assignments: list[str]) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=1024) as server:
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock, suppress(OSError):
                converse(sock, assignments)


def converse(sock: socket.socket, assignments: list[str]) -> None:
    ask(sock, "connect\n\n")
    for assignment in assignments:
        ask(
            sock,
            "sendmsg\ncall-command: execute\nexecute-app-name: set\n"
            f"execute-app-arg: {assignment}\n\n",
        )


def ask(sock: socket.socket, command: str) -> None:
    """Send one command and read its reply, which has no body."""
    sock.sendall(command.encode())
    reply = b""
    while not reply.endswith(b"\n\n"):
        chunk = sock.recv(65_536)
        if not chunk:
            raise ConnectionError
        reply += chunk


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
