"""What a caller writes: his numbers, names and headers pick no account, no price, no command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from fsbilling.numbering.number import NumberKind
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.frame import FrameReader, parse_json
from fsbilling.switch.hook import multiset

from .installation import ACME, NUMBERS, SWITCH, TARGETS, installation, no_exception_logged

MAX_BYTES = 1024
UUID = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
WORDS = (
    b"\n",
    b"%0A",
    b"\r\n",
    b"variable_fsbilling_account: victim",
    b"variable_accountcode: victim-code",
    b"4007654321",
    b"4001234567",
    b"13912345678",
    b"13800138000",
    b"X-FS-Refer-From=" + UUID.encode(),
    b"${hupall}",
    b"';|^^",
    b"\x00",
    b"\xff",
)
WRITTEN = (
    "Caller-Destination-Number",
    "Caller-Caller-ID-Number",
    "Caller-Caller-ID-Name",
    "variable_sip_from_user",
    "variable_sip_from_host",
    "variable_sip_to_user",
    "variable_sip_contact_user",
    "variable_sip_user_agent",
    "variable_sip_gateway",
    "variable_user_name",
    "variable_sip_call_id",
)
"""Headers whose value the caller chooses, in the order in which the input gives them."""

_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,60}")
_SAFE_VALUE = re.compile(
    rf"[a-z_]{{1,20}}|[A-Z_]+|[0-9]+|user/[0-9]+|{UUID}"
    rf"|sched_api \+[0-9]+ fsbilling-{UUID}-0 hupall ALLOTTED_TIMEOUT fsbilling_call {UUID}"
)
MODES = ("", "400", "outbound", "outbound-proven")


def seeds() -> Iterator[bytes]:
    yield b"\x00".join([b"\x01", b"4001234567", b"13912345678", b"Mallory"])
    yield b"\x00".join([b"\x03", b"13800138000", b"13912345678", b"x%0Ay: z\nq: r"])
    yield b"\x00".join([b"\x02", b"13800138000", b"2002", b"", b"2002", b"203.0.113.9", b"1001"])
    yield b"\x00".join([b"\x00", b"110", b"", b"", b"", b"", b"", b"", b"", b"victim-trunk"])
    many = [b"a"] * len(WRITTEN)
    yield b"\x00".join([b"\x03", *many, b"X-FS-Refer-From=" + UUID.encode(), b"X-%0Aa: b=c"])


def check(data: bytes) -> None:
    """The first byte says what the dialplan knows; then the caller's words, NUL between them."""
    first, *words = data.split(b"\x00")
    mode = MODES[first[0] % len(MODES)] if first else ""
    headers = _channel(mode) | _written(words)
    here = installation()
    try:
        with no_exception_logged():
            channel = _through_the_wire(headers)
            _check_news(headers)
            answer = here.daemon.reception.answer(channel)
            multiset(answer)
            _check_decision(channel, mode, answer)
    finally:
        here.reset()


def _channel(mode: str) -> dict[str, bytes]:
    """What the switch and the dialplan say themselves."""
    headers = {
        "Unique-ID": UUID.encode(),
        "Call-Direction": b"inbound",
        "Caller-Channel-Created-Time": b"1795281711064551",
        "variable_sip_network_ip": b"198.51.100.7",
        "variable_fsbilling_call": UUID.encode(),
    }
    if mode:
        headers["variable_fsbilling_service"] = mode.partition("-")[0].encode()
    if mode == "outbound-proven":
        headers["variable_sip_auth_username"] = b"1001"
    return headers


def _written(words: list[bytes]) -> dict[str, bytes]:
    headers = dict(zip(WRITTEN, words, strict=False))
    for word in words[len(WRITTEN) :]:
        name, _, value = word.partition(b"=")
        token = name.decode("latin-1")
        if _TOKEN.fullmatch(token):
            headers[f"variable_sip_h_X-{token.removeprefix('X-')}"] = value
    return headers


def _through_the_wire(headers: dict[str, bytes]) -> Channel:
    """Write a `connect` reply as FreeSWITCH does, and read it; no header came or went."""
    lines = [f"{name}: {quote(value, safe='')}" for name, value in headers.items()]
    reader = FrameReader()
    reader.feed("\n".join(["Content-Type: command/reply", *lines, "\n"]).encode())
    frame = reader.next_frame()
    assert frame is not None
    assert frame.headers.keys() == {"Content-Type", *headers}
    return Channel(frame.headers)


def _check_news(headers: dict[str, bytes]) -> None:
    """A caller's own channel, as the link would tell of it, makes nobody do anything."""
    here = installation()
    raw = {name: value.decode("latin-1") for name, value in headers.items()}
    for name in ("CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"):
        event = raw | {"Event-Name": name, "Event-Date-Timestamp": "1795281711064551"}
        here.daemon.reception.on_event(
            SWITCH, ChannelEvent.of(parse_json(json.dumps(event).encode()))
        )
    assert here.world.commands == []
    assert len(here.daemon.meter.calls) == 0


def _check_decision(channel: Channel, mode: str, answer: dict[str, str]) -> None:
    here = installation()
    assert all(_SAFE_VALUE.fullmatch(value) for value in answer.values()), answer
    callee = here.daemon.reception._plan.read(channel.destination_number)
    to_400 = mode == "400" or (not mode and callee.kind is NumberKind.SERVICE_400)
    owner = NUMBERS.get(callee.digits, "") if to_400 else ACME if mode == MODES[3] else ""
    here.check_books({owner})
    here.check_commands()
    for hold in here.world.holds():
        assert (hold.call.account, hold.call.uuid) == (owner, UUID)
        if not to_400:
            assert hold.terms.rate.rate_micros_per_min == 600_000, "the caller chose his price"
    if "fsbilling_target" in answer:
        assert answer["fsbilling_target"] == TARGETS[owner]
