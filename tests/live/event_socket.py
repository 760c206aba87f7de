"""A client of FreeSWITCH's event socket, small and independent of the one under test."""

from __future__ import annotations

import json
import socket
import threading


class EventSocket:
    """One authenticated connection; `api` asks, `follow` collects events in the background."""

    def __init__(self, port: int, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self._socket.makefile("rb")
        self._frame()
        self._say(f"auth {password}")
        assert self._frame()[0]["Reply-Text"].startswith("+OK"), "the event socket refused us"

    def close(self) -> None:
        self._socket.close()

    def api(self, command: str) -> str:
        self._say(f"api {command}")
        return self._frame()[1].decode().strip()

    def follow(self, *names: str) -> list[dict]:
        """Subscribe for good; the list grows as events come."""
        self._say(f"event json {' '.join(names)}")
        self._frame()
        self._socket.settimeout(None)
        events: list[dict] = []
        threading.Thread(target=self._collect, args=(events,), daemon=True).start()
        return events

    def _collect(self, events: list[dict]) -> None:
        try:
            while body := self._frame()[1]:
                events.append(json.loads(body))
        except (OSError, ValueError):
            return

    def _say(self, line: str) -> None:
        self._socket.sendall(f"{line}\n\n".encode())

    def _frame(self) -> tuple[dict[str, str], bytes]:
        headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name] = value
        return headers, self._file.read(int(headers.get("Content-Length", 0)))
