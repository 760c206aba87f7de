"""A whole conversation with the hook: a peer's bytes, a real decision on a real database."""

from __future__ import annotations

import functools
import socket as plain
from collections.abc import Iterator

import gevent
from gevent import socket

from fsbilling.numbering.number import NumberKind
from fsbilling.switch.channel import Channel
from fsbilling.switch.hook import HookAnswer, HookServer

from . import recorded
from .installation import ACME, LINES, NUMBERS, installation, no_exception_logged

MAX_BYTES = 8192
TURN = b"\n--\n"
"""Stands between what the peer says first and what it says to our answer."""
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
UUID = b"42a1d4a0-bf75-4287-ab9c-614e30a2479f"
LEG = b"5353e3b2-0c5f-4d0c-8d79-8bfa2c5ff1cc"
WORDS = (
    b"Content-Type: command/reply\n",
    b"Content-Length: ",
    b"Reply-Text: +OK",
    b"Unique-ID: " + UUID + b"\n",
    b"Caller-Destination-Number: ",
    b"Caller-Caller-ID-Number: ",
    b"Caller-Channel-Answered-Time: 1795281711064551\n",
    b"Call-Direction: inbound\n",
    b"Socket-Mode: async\n",
    b"variable_sip_auth_username: 1001\n",
    b"variable_accountcode: ",
    b"variable_fsbilling_service: outbound\n",
    b"variable_fsbilling_service: 400\n",
    b"variable_fsbilling_leg: " + LEG + b"\n",
    b"variable_fsbilling_call: ",
    b"variable_fsbilling_number: ",
    b"variable_fsbilling_account: ",
    b"variable_fsbilling_trunk: ",
    b"4001234567",
    b"4007654321",
    b"13800138000",
    b"110",
    b"%0A",
    b"%00",
    b"%ED%A0%80",
    TURN,
)
EMERGENCIES = {"110", "119", "120", "122"}


def seeds() -> Iterator[bytes]:
    for extra in (
        b"Caller-Destination-Number: 4001234567\n",
        b"Caller-Destination-Number: 13800138000\nvariable_sip_auth_username: 1001\n",
        b"Caller-Destination-Number: 110\n",
        b"Caller-Destination-Number: 4007654321\nCaller-Channel-Answered-Time: 1795281711064551\n",
        b"Caller-Destination-Number: 13800138000\nvariable_sip_auth_username: 1001\n"
        b"variable_fsbilling_service: outbound\nvariable_fsbilling_leg: " + LEG + b"\n",
    ):
        head = b"Content-Type: command/reply\nUnique-ID: " + UUID + b"\nCall-Direction: inbound\n"
        yield head + extra + b"\n" + TURN + OK
    yield recorded.connect_reply() + TURN + OK
    yield recorded.connect_reply() + TURN + b"Content-Type: text/disconnect-notice\n\n"


def check(data: bytes) -> None:
    """Let a peer say `data`, in two turns, and look at the books afterwards."""
    here = installation()
    asked: list[Channel] = []
    answers: list[HookAnswer] = []

    def decide(channel: Channel) -> HookAnswer:
        asked.append(channel)
        answers.append(HookAnswer(here.daemon.reception.answer(channel)))
        return answers[-1]

    hook = HookServer(
        ("127.0.0.1", 0), decide=decide, abandoned=here.daemon.reception.abandoned, deadline_ms=2000
    )
    try:
        with no_exception_logged():
            converse(hook, data)
        assert len(asked) <= 1
        if asked:
            _check_answer(asked[0], answers[0])
            here.check_books({payer(asked[0])})
            here.check_commands()
    finally:
        if asked:
            here.reset()


def converse(hook: HookServer, data: bytes) -> None:
    ours, theirs = _connected()
    peer = gevent.spawn(_say, theirs, data.split(TURN, 1))
    try:
        hook._serve(ours, "peer")
    finally:
        ours.close()
        peer.join(timeout=1)
        theirs.close()


@functools.cache
def _listener() -> plain.socket:
    return plain.create_server(("127.0.0.1", 0))


def _connected() -> tuple[socket.socket, socket.socket]:
    """Give the two ends of a TCP connection, made without a resolver's threads."""
    theirs = plain.create_connection(_listener().getsockname())
    ours, _ = _listener().accept()
    return socket.socket(fileno=ours.detach()), socket.socket(fileno=theirs.detach())


def _say(sock: socket.socket, turns: list[bytes]) -> None:
    try:
        for turn in turns:
            if not sock.recv(65536):
                return
            sock.sendall(turn)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    except OSError:
        pass  # the hook has had enough


def payer(channel: Channel) -> str:
    """Tell who may be asked to pay, read a second time and differently."""
    plan = installation().daemon.reception._plan
    dialled = channel.variable("fsbilling_number") or channel.destination_number
    callee = plan.read(dialled)
    service = channel.variable("fsbilling_service")
    if service == "400" or (service != "outbound" and callee.kind is NumberKind.SERVICE_400):
        return NUMBERS.get(callee.digits, "")
    if channel.variable("fsbilling_leg") and channel.variable("fsbilling_account"):
        return channel.variable("fsbilling_account")  # the dialplan says whose call this leg is in
    for kind, variable in (
        ("accountcode", "accountcode"),
        ("user", "sip_auth_username"),
        ("gateway", "fsbilling_trunk"),
        ("ip", "sip_network_ip"),
    ):
        value = channel.variable(variable)
        if kind == "ip":
            value = value or channel.header("Caller-Network-Addr")
        if (kind, value) in LINES:
            return LINES[kind, value]
    return ""


def _check_answer(channel: Channel, answer: HookAnswer) -> None:
    here, variables = installation(), answer.variables
    verdict = variables["fsbilling_verdict"]
    called = here.daemon.reception._plan.read(channel.destination_number)
    assert (verdict == "emergency") == (called.kind is NumberKind.EMERGENCY)
    assert all(value.isprintable() for value in variables.values())
    if verdict == "allowed":
        account = variables.get("fsbilling_account") or variables.get("fsbilling_leg_account")
        assert account == payer(channel)
        assert account in {"victim", ACME}
    else:
        assert here.world.holds() == []
