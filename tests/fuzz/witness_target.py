"""The switch's own JSON CDR files."""

from __future__ import annotations

from collections.abc import Iterator

from fsbilling.switch.frame import BodyError
from fsbilling.switch.record import read_record

from .events_target import check_channel
from .target import check_fault

MAX_BYTES = 4096
WORDS = (
    b'"variables":',
    b'"core-uuid":',
    b'"answer_uepoch":',
    b'"end_uepoch":',
    b'"start_uepoch":',
    b'"hangup_cause":',
    b'"direction":',
    b'"bridge_uuid":',
    b'"callflow":',
    b'"caller_profile":',
    b'"app_log":{"applications":',
    b'{"app_name":"multiset","app_data":"^^|fsbilling_verdict=allowed","app_stamp":"1"}',
    b"42a1d4a0-bf75-4287-ab9c-614e30a2479f",
)
UUID = "42a1d4a0-bf75-4287-ab9c-614e30a2479f"


def seeds() -> Iterator[bytes]:
    yield (
        b'{"core-uuid":"9d1bc1b5-55f5-4e56-a2f7-65b4fc5eb6d5","variables":{"direction":"inbound",'
        b'"uuid":"42a1d4a0-bf75-4287-ab9c-614e30a2479f","start_uepoch":"1795281711064551",'
        b'"answer_uepoch":"1795281712064551","end_uepoch":"1795281722064551",'
        b'"hangup_cause":"NORMAL_CLEARING","sip_hangup_disposition":"recv_bye",'
        b'"last_bridge_to":"42a1d4a0-bf75-4287-ab9c-614e30a24790"}}'
    )
    yield (
        b'{"variables":{},"callflow":[{"caller_profile":{"caller_id_number":"1"}}],"app_log":'
        b'{"applications":[{"app_name":"multiset","app_data":"^^|fsbilling_verdict=allowed",'
        b'"app_stamp":"1795281712064551"}]}}'
    )
    yield b'{"variables":[]}'


def check(data: bytes) -> None:
    try:
        channel = read_record(UUID, data)
    except BodyError as fault:
        check_fault(fault)
        return
    assert channel.uuid == UUID
    check_channel(channel)
    assert all(answer.at_us >= 0 and answer.verdict for answer in channel.hook_answers)
