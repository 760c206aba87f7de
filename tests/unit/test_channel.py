"""What a channel says, read off recorded calls."""

import pytest
from esl_peer import RECORDINGS

from fsbilling.calls.cdr import HungUpBy
from fsbilling.clock import local_month
from fsbilling.switch.channel import Channel, ChannelEvent, is_uuid
from fsbilling.switch.frame import FrameReader, parse_event, parse_headers, parse_json

A_LEG = "4b6d2999-06f3-4d45-a202-06743d7dc97c"
B_LEG = "6fa9daae-35ee-4592-867b-a9751a7b6a79"


def recorded(name):
    reader = FrameReader()
    reader.feed((RECORDINGS / f"{name}.json").read_bytes())
    while (frame := reader.next_frame()) is not None:
        if frame.content_type == "text/event-json":
            yield ChannelEvent.of(parse_event(frame))


def stored(name):
    return parse_json((RECORDINGS / f"{name}.json").read_bytes())


def ended(name, direction="inbound"):
    return next(
        event.channel
        for event in recorded(name)
        if event.name == "CHANNEL_HANGUP_COMPLETE" and event.channel.direction == direction
    )


def test_an_answered_call_is_read_whole():
    channel = ended("answered")
    assert channel.uuid == A_LEG
    assert channel.core_uuid == "8772bdd8-72b3-4b0d-913e-4292cf05947e"
    assert channel.destination_number == "4001234567"
    assert channel.caller_number == "sipp"
    assert channel.created_us == 1_795_281_711_064_551
    assert channel.progress_us == 1_795_281_711_084_565
    assert channel.answered_us == 1_795_281_711_104_538
    assert channel.hungup_us == 1_795_281_713_124_539
    assert channel.hangup_cause == "NORMAL_CLEARING"
    assert channel.sip_cause == "sip:200"
    assert channel.other_leg_uuid == B_LEG
    assert channel.network_ip == "127.0.0.1"
    assert channel.variable("fsbilling_account") == "acme"


def test_an_event_has_the_moment_the_switch_made_it():
    first = next(recorded("answered"))
    assert (first.name, first.at_us) == ("CHANNEL_CREATE", 1_795_281_711_064_551)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("answered", HungUpBy.CALLER),
        ("calleebye", HungUpBy.CALLEE),
        ("busy", HungUpBy.CALLEE),
        ("cancel", HungUpBy.CALLER),
        ("cut", HungUpBy.CREDIT),
    ],
)
def test_who_ended_the_call(name, by):
    assert ended(name).hung_up_by() is by


@pytest.mark.parametrize("name", ["answered", "calleebye", "busy", "cancel"])
def test_both_legs_agree_on_who_ended_the_call(name):
    assert ended(name, "outbound").hung_up_by() is ended(name).hung_up_by()


def test_a_busy_callees_own_answer_is_the_sip_cause():
    channel = ended("busy")
    assert (channel.answered_us, channel.sip_cause) == (0, "sip:486")


def test_the_hooks_channel_is_read_like_an_event():
    block = (RECORDINGS / "hook-connect.plain").read_bytes().partition(b"\n\n")[0]
    channel = Channel(parse_headers(block))
    assert channel.uuid == "42a1d4a0-bf75-4287-ab9c-614e30a2479f"
    assert channel.direction == "inbound"
    assert channel.destination_number == "hook123"
    assert channel.answered_us == 0


def test_nothing_a_sip_request_can_set_names_a_payer():  # rule 7
    # A live call whose request held `;gw=carrier1;accountcode=victim;fsbilling_account=victim`,
    # X-, P- and bare headers of every such name, and X-AUTH-IP: 10.9.9.9.
    channel = Channel(stored("hook-spoofed"))
    assert channel.variable("sip_gateway") == "carrier1"
    assert (channel.gateway, channel.account_code, channel.auth_user) == ("", "", "")
    assert channel.network_ip == "127.0.0.1"
    assert channel.variable("fsbilling_account") == ""


def test_a_gateway_is_the_one_the_dialplan_vouches_for():
    assert Channel({"variable_fsbilling_trunk": "carrier1"}).gateway == "carrier1"


def test_a_call_that_the_operator_kills_is_known_as_his():
    channel = Channel(stored("hangup-killed"))
    assert channel.hangup_cause == "MANAGER_REQUEST"
    assert channel.hung_up_by() is HungUpBy.OPERATOR


def test_an_array_reads_as_freeswitch_writes_it():
    assert Channel({"variable_x": ["a", "b"]}).variable("x") == "ARRAY::a|:b"


@pytest.mark.parametrize("odd", ["", "-1", "12.5", "1e9", "soon", "9" * 30, "١٢"])
def test_an_odd_time_is_no_time(odd):
    assert Channel({"Caller-Channel-Answered-Time": odd}).answered_us == 0


@pytest.mark.parametrize("digits", [16, 17, 18])
def test_a_moment_that_no_calendar_has_is_in_the_year_2286(digits):
    channel = Channel({"Caller-Channel-Created-Time": "9" * digits})
    assert local_month(channel.created_us, "Pacific/Kiritimati") == "2286-11"


@pytest.mark.parametrize("odd", ["", "all", f"{A_LEG} ", f"{A_LEG}\n", A_LEG[:-1], "x" * 36])
def test_what_is_no_uuid_is_never_taken_for_one(odd):
    assert not is_uuid(odd)
    assert Channel({"Unique-ID": odd}).uuid == ""
