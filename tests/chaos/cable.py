"""A TCP cable that can be cut: both ends see their connections break."""

from __future__ import annotations

import socket
import struct
import threading

CHUNK = 65_536
CONNECT_TIMEOUT_S = 2.0
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Cable:
    """Leads from `port`, a free one on loopback, to a port there that may not be open yet."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: set[socket.socket] = set()
        self._changing = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Break all that goes through it now; how many connections that were."""
        with self._changing:
            ends = list(self._ends)
            for end in ends:
                # Both readers are woken by this, and close their ends.
                self._break(end)
        return len(ends) // 2

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port), CONNECT_TIMEOUT_S)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._changing:
                self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            with self._changing:
                self._break(sink)
                self._ends.discard(source)
                source.close()

    @staticmethod
    def _break(end: socket.socket) -> None:
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
