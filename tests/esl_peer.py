"""Two small ESL peers for tests: a FreeSWITCH to link to, and one that calls the hook.

Both speak over real TCP on loopback, and misbehave to order.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

RECORDINGS = Path(__file__).parent / "recordings"
PASSWORD = "not-the-default"
CALL = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
"""The channel in `hook-connect.plain`."""

Reply = bytes | Callable[[], bytes] | None


def api_response(text: str) -> bytes:
    body = text.encode()
    return b"Content-Type: api/response\nContent-Length: %d\n\n%s" % (len(body), body)


def command_reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def event_frame(**headers: str) -> bytes:
    return event_body(json.dumps({name.replace("_", "-"): v for name, v in headers.items()}))


def event_body(body: str | bytes) -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n%s" % (len(raw), raw)


def wait_until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    with gevent.Timeout(within_s, AssertionError("it did not come to that")):
        while not condition():
            gevent.sleep(0.005)


class EslPeer:
    """A scripted event socket: `replies` maps an API command to the bytes of its reply.

    A reply of None is silence; a callable makes the reply when it is asked for.
    """

    def __init__(
        self, welcome: bytes = b"Content-Type: auth/request\n\n", password: str = PASSWORD
    ) -> None:
        self.welcome = welcome
        self.password = password
        self.commands: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.subscribed: list[socket.socket] = []
        self.sockets: list[socket.socket] = []
        self.listening = Event()
        self.listening.set()
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.server_port

    def close(self) -> None:
        self.server.stop(timeout=0.01)
        self.drop()

    def drop(self) -> None:
        """Close every connection, as a crashed FreeSWITCH would."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        self.subscribed.clear()

    def send_event(self, raw: bytes) -> None:
        for sock in self.subscribed:
            sock.sendall(raw)

    def _serve(self, sock: socket.socket, _peer: object) -> None:
        self.sockets.append(sock)
        sock.sendall(self.welcome)
        buffer = b""
        try:
            while chunk := sock.recv(4096):
                self.listening.wait()
                buffer += chunk
                while b"\n\n" in buffer:
                    command, _, buffer = buffer.partition(b"\n\n")
                    self._obey(sock, command.decode())
        except OSError:
            pass  # dropped to order

    def _obey(self, sock: socket.socket, command: str) -> None:
        self.commands.append(command)
        if command.startswith("auth "):
            right = command == f"auth {self.password}"
            sock.sendall(command_reply("+OK accepted" if right else "-ERR invalid"))
        elif command.startswith("api "):
            raw = self._api(command[4:])
            if raw is not None:
                sock.sendall(raw)
        else:
            sock.sendall(command_reply("+OK"))
            if command.startswith("event "):
                self.subscribed.append(sock)

    def _api(self, command: str) -> bytes | None:
        reply = self.replies.get(command, api_response("-ERR not scripted\n"))
        return reply() if callable(reply) else reply


class DialplanCall:
    """One call in the dialplan's `socket` application, connected to the hook."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.received = b""

    def expect(self, text: bytes) -> bytes:
        """Read until `text` has come; fails when the hook closes first."""
        while text not in self.received:
            chunk = self.sock.recv(65536)
            assert chunk, f"closed after {self.received!r}"
            self.received += chunk
        received, self.received = self.received, b""
        return received

    def introduce(self) -> None:
        """Answer `connect` with the recorded channel."""
        self.expect(b"connect\n\n")
        recorded = (RECORDINGS / "hook-connect.plain").read_bytes()
        self.sock.sendall(recorded.partition(b"\n\n")[0] + b"\n\n")

    def take_answer(self) -> str:
        """Take the multiset's argument, as FreeSWITCH would read it."""
        message = self.expect(b"\n\n")
        head, _, body = message.partition(b"\n\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\n")[1:])
        length = int(headers["content-length"])
        while len(body) < length:
            body += self.sock.recv(65536)
        assert headers["execute-app-name"] == "multiset"
        return body[:length].decode()

    def is_closed(self, within_s: float) -> bool:
        """Tell whether the hook closes the connection in time."""
        self.sock.settimeout(within_s)
        try:
            while self.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True
