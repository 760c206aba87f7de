"""The shape of simulated events against recorded ones."""

import json
from pathlib import Path

import pytest

from fsbilling.sim.hook import asking
from fsbilling.sim.plan import CallPlan, Outcome, Service
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock

RECORDINGS = Path(__file__).parents[1] / "recordings"
SECOND = 1_000_000
OWN = {"variable_fsbilling_verdict", "variable_fsbilling_service", "variable_fsbilling_call",
       "variable_export_vars", "variable_fsbilling_account", "variable_fsbilling_number"}  # fmt: skip

COMPARED = [
    "Hangup-Cause",
    "Channel-State",
    "Channel-Call-State",
    "Channel-State-Number",
    "Answer-State",
    "Call-Direction",
    "Other-Type",
    "variable_hangup_cause",
    "variable_hangup_cause_q850",
    "variable_sip_hangup_disposition",
    "variable_proto_specific_hangup_cause",
    "variable_sip_term_status",
    "variable_sip_term_cause",
    "variable_endpoint_disposition",
    "variable_sip_invite_failure_status",
]


def recorded(name):
    """The CHANNEL events of one recorded call."""
    data = (RECORDINGS / f"{name}.json").read_bytes()
    found = []
    while data:
        head, _, rest = data.partition(b"\n\n")
        length = 0
        for line in head.split(b"\n"):
            if line.startswith(b"Content-Length: "):
                length = int(line.split(b": ")[1])
        if b"text/event-json" in head:
            found.append(json.loads(rest[:length]))
        data = rest[length:]
    return found


def simulated(**facts):
    clock = VirtualClock()
    switch = SimSwitch(
        clock,
        heartbeat_us=0,
        hook=asking(lambda _headers: {"fsbilling_verdict": "allowed", "fsbilling_account": "acme"}),
    )
    events = []
    switch.listen(events.append)
    switch.place(CallPlan(caller="sipp", callee="4001234567", **facts))
    clock.play(switch, until_us=clock.now_us() + 100 * SECOND)
    return [event.headers for event in events]


CALLS = {
    "answered": {"talk_us": 2 * SECOND},
    "calleebye": {"ring_us": 0, "talk_us": 2 * SECOND, "hung_up_by": "callee"},
    "busy": {"outcome": Outcome.BUSY},
    "cancel": {"outcome": Outcome.CANCEL},
    "ivr": {"service": Service.IVR, "talk_us": 2 * SECOND, "hung_up_by": "callee"},
}


def only(events, name, direction):
    (event,) = [
        event
        for event in events
        if event["Event-Name"] == name and event["Call-Direction"] == direction
    ]
    return event


@pytest.mark.parametrize("name", ["CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"])
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
@pytest.mark.parametrize("call", CALLS)
def test_a_simulated_event_says_what_the_recorded_one_said(call, name, direction):
    real = [event for event in recorded(call) if event["Event-Name"] == name]
    real = [event for event in real if event["Call-Direction"] == direction]
    mine = [event for event in simulated(**CALLS[call]) if event["Event-Name"] == name]
    mine = [event for event in mine if event["Call-Direction"] == direction]
    assert len(mine) == len(real)
    for ours, theirs in zip(mine, real, strict=True):
        compared = {key: theirs[key] for key in COMPARED if key in theirs}
        assert {key: ours.get(key) for key in compared} == compared


@pytest.mark.parametrize("name", ["CHANNEL_CREATE", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"])
def test_no_header_is_invented(name):
    real = only(recorded("answered"), name, "inbound")
    mine = only(simulated(**CALLS["answered"]), name, "inbound")
    known = set(real) | set(only(recorded("answered"), "CHANNEL_HANGUP_COMPLETE", "inbound"))
    assert set(mine) - known - OWN <= {"variable_last_bridge_hangup_cause"}


def test_times_are_microseconds_and_agree_with_each_other():
    end = only(simulated(**CALLS["answered"]), "CHANNEL_HANGUP_COMPLETE", "inbound")
    for variable, header in [
        ("start", "Created"),
        ("answer", "Answered"),
        ("progress", "Progress"),
        ("bridge", "Bridged"),
        ("end", "Hangup"),
    ]:
        assert end[f"variable_{variable}_uepoch"] == end[f"Caller-Channel-{header}-Time"]
    talked_us = int(end["variable_end_uepoch"]) - int(end["variable_answer_uepoch"])
    assert int(end["variable_billusec"]) == talked_us == 2 * SECOND


def test_billsec_is_a_difference_of_truncated_seconds_as_on_the_switch():
    events = simulated(ring_us=900_000, talk_us=200_000)
    assert only(events, "CHANNEL_HANGUP_COMPLETE", "inbound")["variable_billsec"] == "1"


def test_a_timer_inside_the_switch_ends_a_call_as_recorded():
    real = only(recorded("cut"), "CHANNEL_HANGUP_COMPLETE", "inbound")
    clock = VirtualClock()
    switch = SimSwitch(clock, heartbeat_us=0)
    ends = []
    switch.listen(ends.append, {"CHANNEL_HANGUP_COMPLETE"})
    uuid = switch.place(CallPlan(caller="sipp", callee="110", talk_us=None))
    switch.execute(f"sched_api +5 g uuid_kill {uuid} ALLOTTED_TIMEOUT")
    clock.play(switch, until_us=clock.now_us() + 10 * SECOND)
    mine = ends[-1].headers
    assert {key: mine.get(key) for key in COMPARED} == {key: real.get(key) for key in COMPARED}
    assert ends[0].headers["Hangup-Cause"] == "NORMAL_CLEARING"
