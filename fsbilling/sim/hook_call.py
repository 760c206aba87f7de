"""One call in the dialplan's `socket` application: the simulated switch calls the hook.

Outbound ESL in its static mode (`socket` without `full`): `connect`, `getvar`, `sendmsg` and
`myevents` work, `api`, `event` and `linger` do not. The call goes on when the hook closes the
socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent.socket import socket

from fsbilling.sim import esl_wire as wire
from fsbilling.sim.channel import SimChannel

CONNECT_TIMEOUT_S = 3.0
_RECEIVE_BYTES = 65_536

Connected = Callable[[SimChannel], bytes]
"""The block that answers `connect`."""


class HookCall:
    """The conversation about one channel."""

    def __init__(self, channel: SimChannel, connected: Connected) -> None:
        self._channel = channel
        self._connected = connected
        self._sock: socket | None = None
        self._over = False

    def run(self, addresses: Sequence[tuple[str, int]], resume: Callable[[], object]) -> None:
        """Try the addresses in order, talk to the first that takes it, then resume the call."""
        for address in addresses:
            sock = socket()
            sock.settimeout(CONNECT_TIMEOUT_S)
            try:
                sock.connect(address)
            except OSError:
                sock.close()
                continue
            self._sock = sock
            if not self._over:
                self._converse(sock)
            sock.close()
            break
        if not self._over:
            resume()

    def leave(self) -> None:
        """Tell the hook that the channel was hung up while it was thinking."""
        self._over = True
        if self._sock is not None:
            gevent.spawn(_say_last, self._sock, wire.goodbye_frame(self._channel.uuid))

    def _converse(self, sock: socket) -> None:
        sock.settimeout(None)
        commands = wire.CommandBuffer()
        try:
            while data := sock.recv(_RECEIVE_BYTES):
                commands.feed(data)
                while (command := commands.next()) is not None:
                    if command.line.lower().startswith(("exit", "...")):
                        sock.sendall(
                            wire.reply_frame("+OK bye") + wire.goodbye_frame(self._channel.uuid)
                        )
                        return
                    sock.sendall(self._answer(command))
        except (OSError, ValueError):
            return  # the hook has gone: the dialplan goes on with what was set until now

    def _answer(self, command: wire.Command) -> bytes:
        word, _, rest = command.line.partition(" ")
        word = word.lower()
        if word == "connect":
            return self._connected(self._channel)
        if word == "sendmsg":
            self._obey(command)
            return wire.reply_frame("+OK")
        if word == "getvar":
            return wire.reply_frame(self._channel.variable(rest.strip()) or "")
        if word == "myevents":
            return wire.reply_frame("+OK Events Enabled")
        return wire.reply_frame("-ERR command not found")

    def _obey(self, command: wire.Command) -> None:
        headers, channel = command.headers, self._channel
        if headers.get("call-command") != "execute" or not channel.is_up:
            return
        application = headers.get("execute-app-name", "").lower()
        argument = headers.get("execute-app-arg", "")
        if not argument and headers.get("content-type") == "text/plain":
            argument = command.body
        if application == "set":
            _set(channel.set, argument)
        elif application == "multiset":
            for assignment in _assignments(argument):
                _set(channel.set, assignment)
        elif application == "export":
            _set(channel.export, argument.removeprefix("nolocal:"))
        elif application == "unset":
            channel.set(argument, "")
        elif application == "hangup":
            channel.owner.end(channel, argument or "NORMAL_CLEARING")
        elif application != "log":
            channel.owner.end(channel, "DESTINATION_OUT_OF_ORDER")


def _assignments(argument: str) -> list[str]:
    """`multiset`'s list: split at blanks, or at X after a leading `^^X`."""
    if argument.startswith("^^"):
        return argument[3:].split(argument[2])
    return argument.split(" ")


def _set(put: Callable[[str, str], None], assignment: str) -> None:
    name, separator, value = assignment.partition("=")
    if not separator:
        name, _, value = assignment.partition(",")
    if name:
        put(name, value)


def _say_last(sock: socket, frame: bytes) -> None:
    try:
        sock.sendall(frame)
    except OSError:
        return  # it has gone already
    finally:
        sock.close()


def parse_addresses(text: str) -> tuple[tuple[str, int], ...]:
    """Read the `socket` application's `host:port|host:port`; "" for none.

    Raises ValueError with a sentence for a person.
    """
    return tuple(map(_address, filter(None, text.split("|"))))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{text!r} is not an address; write it like 127.0.0.1:8084")
    return host, int(port)
