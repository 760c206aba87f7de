"""Conversations with the hook: a peer's bytes, real decisions on a real database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fsbilling.numbering.number import NumberKind
from fsbilling.switch.channel import Channel, is_uuid
from fsbilling.switch.hook import HookAnswer, HookServer

from . import recorded
from .installation import ACME, LINES, NUMBERS, installation, no_exception_logged
from .scripted import ScriptedSocket

MAX_BYTES = 16_384
OF_LINES = True
TURN = b"\n--\n"
"""Stands between what the peer says first and what it says to our answer."""
NEXT = b"\n==\n"
"""Stands between two channels that ask, one after the other."""
MAX_CONVERSATIONS = 3
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
UUID = b"42a1d4a0-bf75-4287-ab9c-614e30a2479f"
LEG = b"5353e3b2-0c5f-4d0c-8d79-8bfa2c5ff1cc"
OUTBOUND = b"Caller-Destination-Number: 13800138000\nvariable_sip_auth_username: 1001\n"
WORDS = (
    b"Content-Type: command/reply\n",
    b"Content-Length: ",
    b"Reply-Text: +OK",
    b"Unique-ID: " + UUID + b"\n",
    b"Caller-Destination-Number: ",
    b"Caller-Caller-ID-Number: ",
    b"Caller-Channel-Answered-Time: 1795281711064551\n",
    b"Unique-ID: " + LEG + b"\n",
    b"Caller-Channel-Created-Time: ",
    b"Event-Date-Timestamp: ",
    b"Call-Direction: inbound\n",
    b"Call-Direction: outbound\n",
    b"Socket-Mode: async\n",
    b"variable_sip_auth_username: 1001\n",
    b"variable_sip_auth_username: ",
    b"variable_accountcode: ",
    b"variable_sip_network_ip: ",
    b"variable_fsbilling_service: outbound\n",
    b"variable_fsbilling_service: 400\n",
    b"variable_fsbilling_leg: " + LEG + b"\n",
    b"variable_fsbilling_call: " + UUID + b"\n",
    b"variable_fsbilling_call: ",
    b"variable_fsbilling_number: ",
    b"variable_fsbilling_account: ",
    b"variable_fsbilling_trunk: ",
    UUID,
    LEG,
    b"1001",
    b"2002",
    b"victim-code",
    b"victim-trunk",
    b"203.0.113.9",
    b"acme",
    b"victim",
    b"1795281711064551",
    b"-ERR",
    b"4001234567",
    b"4007654321",
    b"13800138000",
    b"110",
    b"%0A",
    b"%00",
    b"%ED%A0%80",
    TURN,
    NEXT,
)


def seeds() -> Iterator[bytes]:
    for extra in (
        b"Caller-Destination-Number: 4001234567\n",
        OUTBOUND,
        b"Caller-Destination-Number: 110\n",
        b"Caller-Destination-Number: 4007654321\nCaller-Channel-Answered-Time: 1795281711064551\n",
        OUTBOUND + b"variable_fsbilling_service: outbound\nvariable_fsbilling_leg: " + LEG + b"\n",
    ):
        yield _asks(extra) + TURN + OK
    yield _asks(OUTBOUND) + TURN + b"Content-Type: text/disconnect-notice\n\n"
    yield from _several()
    yield from _recorded()


def _asks(extra: bytes, uuid: bytes = UUID) -> bytes:
    head = b"Content-Type: command/reply\nUnique-ID: %b\nCall-Direction: inbound\n" % uuid
    return head + extra + b"\n"


def _several() -> Iterator[bytes]:
    """Give calls that ask again, that nobody waits for, and that are part of another."""
    first, part = _asks(OUTBOUND) + TURN + OK, b"variable_fsbilling_call: " + UUID + b"\n"
    to_400 = b"Caller-Destination-Number: 4007654321\n"
    further = part + b"variable_fsbilling_service: outbound\nvariable_fsbilling_leg: " + LEG + b"\n"
    elsewhere = b"Caller-Destination-Number: 13900139000\n"
    answered = OUTBOUND + b"Caller-Channel-Answered-Time: 1795281711064551\n"
    yield NEXT.join([first, first])
    yield NEXT.join([_asks(OUTBOUND), first])
    yield NEXT.join([_asks(answered) + TURN + OK, first])
    yield NEXT.join([first, _asks(further + elsewhere)])
    yield NEXT.join([first, _asks(elsewhere) + TURN + OK])
    yield NEXT.join([_asks(to_400) + TURN + OK, _asks(part + to_400, LEG) + TURN + OK])
    yield NEXT.join([first, _asks(part + to_400, LEG) + TURN + OK])
    yield NEXT.join([first, _asks(further + elsewhere) + TURN + OK])


def _recorded() -> Iterator[bytes]:
    """Give what FreeSWITCH sent, as it was and as it would be for a call that is let through."""
    plain, leg, spoofed = recorded.connect_replies()
    yield from (reply + TURN + OK for reply in (plain, leg, spoofed))
    to_400 = plain.replace(b"-Number: hook123\n", b"-Number: 4001234567\n")
    by_1001 = b"Caller-Destination-Number: 13800138000\nvariable_sip_auth_username: 1001\n"
    outbound = plain.replace(b"Caller-Destination-Number: hook123\n", by_1001)
    yield to_400 + TURN + OK
    yield outbound + TURN + OK
    paid = leg.partition(b"\nvariable_fsbilling_call: ")[2].partition(b"\n")[0]
    yield NEXT.join([outbound.replace(UUID, paid) + TURN + OK, leg + TURN + OK])


def check(data: bytes) -> None:
    """Let peers say `data`, in two turns each, and look at the books after each."""
    here = installation()
    payers: set[str] = set()
    held: dict[str, str] = {}
    asked = 0
    try:
        for words in itertools.islice(data.split(NEXT), MAX_CONVERSATIONS):
            hook = _Hook(held)
            with no_exception_logged():
                hook.converse(words)
            if hook.channel is None:
                continue
            asked += 1
            payers.add(hook.payer)
            held = here.check_books(payers)
            hook.check_answer(held)
            here.check_commands()
    finally:
        if asked:
            here.reset()


class _Hook:
    """One conversation, and what was asked and answered in it."""

    def __init__(self, standing: dict[str, str]) -> None:
        self._standing = standing
        self.channel: Channel | None = None
        self.payer = ""
        self._answer = HookAnswer({})

    def converse(self, words: bytes) -> None:
        reception = installation().daemon.reception
        server = HookServer(
            ("127.0.0.1", 0),
            decide=self._decide,
            abandoned=reception.abandoned,
        )
        server._serve(ScriptedSocket(words.split(TURN, 1)), "peer")

    def _decide(self, channel: Channel) -> HookAnswer:
        assert self.channel is None
        here = installation()
        self.channel = channel
        self.payer = payer(channel, self._standing)
        self._answer = HookAnswer(here.daemon.reception.answer(channel))
        return self._answer

    def check_answer(self, held: dict[str, str]) -> None:
        """Whoever is allowed a call is the one who may pay; who is not has no more held for him."""
        here, variables, channel = installation(), self._answer.variables, self.channel
        verdict = variables["fsbilling_verdict"]
        called = here.daemon.reception._plan.read(channel.destination_number)
        assert (verdict == "emergency") == (called.kind is NumberKind.EMERGENCY)
        assert all(value.isprintable() for value in variables.values())
        if verdict != "allowed":
            assert held.items() <= self._standing.items()
            return
        account = variables.get("fsbilling_account") or variables.get("fsbilling_leg_account")
        if account is None:
            assert self.payer == ""
            assert channel.variable("fsbilling_call") in self._standing, "it is part of no call"
            assert held.items() <= self._standing.items()
            return
        assert account == self.payer
        assert account in {"victim", ACME}


def payer(channel: Channel, standing: dict[str, str]) -> str:
    """Tell who may be asked to pay, read a second time and differently."""
    plan = installation().daemon.reception._plan
    dialled = channel.variable("fsbilling_number") or channel.destination_number
    callee = plan.read(dialled)
    service = channel.variable("fsbilling_service")
    to_400 = service == "400" or (service != "outbound" and callee.kind is NumberKind.SERVICE_400)
    leg = "" if to_400 else channel.variable("fsbilling_leg")
    part_of = channel.variable("fsbilling_call")
    if to_400 and part_of in standing and part_of != channel.uuid:
        return ""
    if is_uuid(leg):
        if leg in standing or part_of in standing:
            return standing.get(leg) or standing[part_of]
        if channel.variable("fsbilling_account"):
            return channel.variable("fsbilling_account")  # the dialplan says whose call it is in
    elif channel.uuid in standing:
        return standing[channel.uuid]
    return NUMBERS.get(callee.digits, "") if to_400 else _line_owner(channel)


def _line_owner(channel: Channel) -> str:
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
