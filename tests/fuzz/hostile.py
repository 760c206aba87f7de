"""Peers that mean no good: callers of the hook, and an event socket to link to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator

HEAD = b"Content-Type: command/reply\n"
OK = HEAD + b"Reply-Text: +OK accepted\n\n"
NUMBER = "4001234567"


def connection(port: int, timeout_s: float = 10.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_s)


def introduce(sock: socket.socket, call_uuid: str) -> None:
    """Say which call this is, when the hook has asked."""
    _read(sock, b"connect\n\n")
    sock.sendall(
        HEAD
        + b"Unique-ID: %b\nCaller-Destination-Number: %b\n\n"
        % (call_uuid.encode(), NUMBER.encode())
    )


def ask(port: int) -> tuple[str, float]:
    """Call the hook as FreeSWITCH does; give its answer and how long it took, in seconds."""
    began = time.monotonic()
    with connection(port) as sock:
        introduce(sock, str(uuid.uuid4()))
        answer = _read(sock, b"fsbilling_verdict=")
        took_s = time.monotonic() - began
        sock.sendall(OK)
    return answer.decode(), took_s


def _read(sock: socket.socket, text: bytes) -> bytes:
    received = b""
    while text not in received:
        chunk = sock.recv(65536)
        assert chunk, f"closed after {received!r}"
        received += chunk
    return received + sock.recv(65536) if received.endswith(text) and b"=" in text else received


def reset(sock: socket.socket) -> None:
    """Close with a RST, as a crashed machine's kernel does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def is_closed(sock: socket.socket, within_s: float) -> bool:
    """Tell whether the peer ends the connection in time."""
    sock.settimeout(within_s)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def pour(sock: socket.socket, piece: bytes, for_s: float, limit: int = 1 << 40) -> int:
    """Send `piece` again and again until refused, for so long, or so many bytes."""
    sock.settimeout(max(for_s, 0.1))
    sent, end = 0, time.monotonic() + for_s
    with contextlib.suppress(OSError):
        while time.monotonic() < end and sent < limit:
            sent += sock.send(piece)
    return sent


@contextlib.contextmanager
def at_once(jobs: list[Callable[[], object]]) -> Iterator[None]:
    """Run jobs beside the block, and wait for their end after it."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


class EventSocket:
    """An event socket that lets anyone log in, and does `then` with a subscribed connection."""

    def __init__(self) -> None:
        self.greet: Callable[[socket.socket], object] = self.welcomes
        self.then: Callable[[socket.socket], object] = lambda _sock: None
        self.lists: Callable[[socket.socket], object] = self.answers
        self.greeted = 0
        self.subscribed = 0
        self.logins = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def behave(self) -> None:
        """Be no nuisance from the next connection on."""
        self.greet, self.then, self.lists = self.welcomes, lambda _sock: None, self.answers

    @staticmethod
    def welcomes(sock: socket.socket) -> None:
        sock.sendall(b"Content-Type: auth/request\n\n")

    @staticmethod
    def answers(sock: socket.socket) -> None:
        """Answer a command with a UUID: as the core's own it is understood, as no other."""
        _say(sock, str(uuid.UUID(int=1)).encode())

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()

    def drop(self) -> None:
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._sockets.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._server.accept()
                self._sockets.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.greeted += 1
            self.greet(sock)
            received = b""
            while chunk := sock.recv(4096):
                received += chunk
                while b"\n\n" in received:
                    command, _, received = received.partition(b"\n\n")
                    self._obey(sock, command)

    def _obey(self, sock: socket.socket, command: bytes) -> None:
        if command.startswith(b"api show "):
            self.lists(sock)
            return
        if command.startswith(b"api uuid_dump "):
            _say(sock, b"-ERR No such channel!\n")
            return
        if command.startswith(b"api"):
            self.answers(sock)
            return
        self.logins += command.startswith(b"auth")
        sock.sendall(OK)
        if command.startswith(b"event"):
            self.subscribed += 1
            self.then(sock)


def _say(sock: socket.socket, text: bytes) -> None:
    """Answer an API command."""
    sock.sendall(b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(text), text))
