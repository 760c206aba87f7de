"""Events with any headers, while a call is live: no other account touched, none lost."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from urllib.parse import quote

from fsbilling.sim.virtual_clock import EPOCH_US
from fsbilling.switch.channel import Channel, ChannelEvent, is_uuid
from fsbilling.switch.frame import parse_headers

from . import recorded
from .installation import ACME, SWITCH, VICTIM, installation, no_exception_logged

MAX_BYTES = 4096
OF_LINES = True
CALL = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
OTHER = "5353e3b2-0c5f-4d0c-8d79-8bfa2c5ff1cc"
WORDS = (
    b"Event-Name: CHANNEL_CREATE\n",
    b"Event-Name: CHANNEL_ANSWER\n",
    b"Event-Name: CHANNEL_HANGUP_COMPLETE\n",
    b"Unique-ID: " + CALL.encode() + b"\n",
    b"Unique-ID: " + OTHER.encode() + b"\n",
    b"Event-Date-Timestamp: 1795281711064551\n",
    b"Caller-Channel-Answered-Time: 1795281711064551\n",
    b"Caller-Channel-Hangup-Time: 1795281721064551\n",
    b"Call-Direction: outbound\n",
    b"Caller-Destination-Number: 13800138000\n",
    b"variable_fsbilling_account: acme\n",
    b"variable_fsbilling_account: victim\n",
    b"variable_fsbilling_call: " + CALL.encode() + b"\n",
    b"variable_fsbilling_call: ",
    b"variable_sip_h_X-FS-Refer-From: " + CALL.encode() + b"\n",
    b"variable_originator: ",
    b"variable_transfer_to: x\n",
    b"variable_bridge_uuid: " + OTHER.encode() + b"\n",
    b"variable_sip_hangup_disposition: send_bye\n",
    b"variable_export_vars: ",
    b"Caller-Destination-Number: ",
    b"Hangup-Cause: ALLOTTED_TIMEOUT\n",
    b"variable_last_bridge_to: ",
    CALL.encode(),
    OTHER.encode(),
    b"4007654321",
    b"13800138000",
    b"110",
    b"acme",
    b"victim",
    b"1795281711064551",
    b"1795281721064551",
    b"9999999999999999",
    b"999999999999999999",
    b"%0A",
    b"%00",
    b"\n\n",
)
MAX_EVENTS = 20
READ = re.compile(
    "Event-Name|Event-Date-Timestamp|Unique-ID|Other-Leg-Unique-ID|Call-Direction|Hangup-Cause"
    "|Caller-(Destination-Number|Channel-(Created|Answered|Hangup|Progress|Progress-Media)-Time)"
    "|variable_(fsbilling_.*|.*bridge_(to|uuid|hangup_cause)|.*_disposition|transfer_to|originator"
    "|export_vars|sip_h_X-.*|proto_specific_hangup_cause)"
)
"""What billing reads of an event; the other 200 headers would only hide it from the mutations."""
TOLD = {"CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"}
"""What the link subscribes to."""
HOUR_US = 3_600_000_000


def seeds() -> Iterator[bytes]:
    mine = f"Unique-ID: {CALL}\nvariable_fsbilling_account: acme\n"
    answered = "Caller-Channel-Answered-Time: 1795281711064551\n"
    ended = f"{answered}Caller-Channel-Hangup-Time: 1795281721064551\n"
    yield (
        f"Event-Name: CHANNEL_ANSWER\n{mine}{answered}\n"
        f"Event-Name: CHANNEL_HANGUP_COMPLETE\n{mine}{ended}"
    ).encode()
    yield (
        f"Event-Name: CHANNEL_CREATE\nUnique-ID: {OTHER}\nCall-Direction: outbound\n"
        "variable_fsbilling_account: victim\nCaller-Destination-Number: 13800138000\n"
    ).encode()
    yield (
        f"Event-Name: CHANNEL_CREATE\nUnique-ID: {OTHER}\nCall-Direction: outbound\n"
        f"variable_sip_h_X-FS-Refer-From: {CALL}\n"
    ).encode()
    yield b"Event-Name: CHANNEL_CREATE\nUnique-ID: all\nvariable_fsbilling_account: acme\n"
    yield (
        f"Event-Name: CHANNEL_HANGUP_COMPLETE\n{mine}{ended}variable_transfer_to: x\n"
        f"variable_bridge_uuid: {OTHER}\n\nEvent-Name: CHANNEL_HANGUP_COMPLETE\n"
        f"Unique-ID: {OTHER}\nvariable_fsbilling_call: {CALL}\nvariable_fsbilling_account: acme\n"
    ).encode()
    for events in recorded.calls():
        yield _retold(events)


def _retold(events: list[dict[str, object]]) -> bytes:
    """Give a recorded call's events as those of the call that `check` authorises."""
    uuids = list(dict.fromkeys(str(event["Unique-ID"]) for event in events))
    blocks = [
        "".join(f"{name}: {quote(str(value))}\n" for name, value in event.items() if _is_read(name))
        for event in events
        if event["Event-Name"] in TOLD
    ]
    text = "\n".join(blocks)
    for uuid, ours in zip(uuids, (CALL, OTHER), strict=False):
        text = text.replace(uuid, ours)
    return text.encode()


def _is_read(name: str) -> bool:
    return READ.fullmatch(name) is not None


def check(data: bytes) -> None:
    """Authorise a call of acme's, let the events happen, and a while pass."""
    here = installation()
    here.world.clock.move_to(EPOCH_US)
    blocks = itertools.islice(re.split(rb"\n\n+", data), MAX_EVENTS)
    events = [ChannelEvent.of(parse_headers(block)) for block in blocks]
    payers = {ACME} | {payer for event in events if (payer := _named_payer(event))}
    try:
        with no_exception_logged():
            here.daemon.reception.answer(_live_call())
            for event in events:
                here.daemon.reception.on_event(SWITCH, event)
                assert here.live_accounts() <= payers
            for _ in range(5):
                due_us = here.daemon.next_due_us() or EPOCH_US
                here.world.clock.move_to(min(due_us, EPOCH_US + HOUR_US))
                here.daemon.advance_to(here.world.clock.now_us())
        here.check_books(payers & {ACME, VICTIM})
        here.check_commands()
        _check_settled()
    finally:
        here.reset()


def _live_call() -> Channel:
    return Channel(
        {
            "Unique-ID": CALL,
            "Call-Direction": "inbound",
            "Caller-Destination-Number": "13800138000",
            "Caller-Channel-Created-Time": "1795281711064551",
            "variable_sip_auth_username": "1001",
            "variable_fsbilling_service": "outbound",
        }
    )


def _named_payer(event: ChannelEvent) -> str:
    """Name whom the operator's own originate names: nobody else may start to pay by an event."""
    channel = event.channel
    originates = (
        event.name == "CHANNEL_CREATE"
        and channel.direction == "outbound"
        and is_uuid(channel.header("Unique-ID"))
    )
    return channel.variable("fsbilling_account") if originates else ""


def _check_settled() -> None:
    """Each call is billed once or still held, never both, and never above its hold."""
    here = installation()
    with here.world.db.read() as conn:
        records = conn.exec_driver_sql("SELECT uuid, refusal FROM cdr").all()
    uuids = [uuid for uuid, _ in records]
    assert len(uuids) == len(set(uuids))
    # One that was refused may be let through later: then it has a hold as well as that record.
    billed = {uuid for uuid, refusal in records if not refusal}
    assert not {hold.call.uuid for hold in here.world.holds()} & billed
