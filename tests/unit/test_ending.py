"""How a paying leg's end is read when the carrier leg lives on: recorded transfers."""

import pytest
from esl_peer import RECORDINGS

from fsbilling.billing.attempt import NumberPlan, read_attempt
from fsbilling.billing.ending import read_ending
from fsbilling.calls.cdr import EndSource
from fsbilling.switch.channel import Channel, ChannelEvent
from fsbilling.switch.frame import FrameReader, parse_event, parse_headers


def endings(name):
    """The ends of all legs that carry an account, in their order."""
    return (read_ending(channel, source=EndSource.EVENT) for channel in hang_ups(name))


def hang_ups(name):
    """What the switch said of each of these legs at its end."""
    reader = FrameReader()
    reader.feed((RECORDINGS / f"{name}.json").read_bytes())
    while (frame := reader.next_frame()) is not None:
        if frame.content_type == "text/event-json":
            event = ChannelEvent.of(parse_event(frame))
            if event.name == "CHANNEL_HANGUP_COMPLETE" and event.channel.variable(
                "fsbilling_account"
            ):
                yield event.channel


@pytest.mark.parametrize(
    ("name", "survivors"),
    [
        ("transfer-blind", ["e5961ee1"]),
        ("transfer-attended", ["b22b963d", "6a27e092"]),
        ("transfer-early", ["64a08121", "f73cf3dd"]),
        ("transfer-picked-off", ["38df6a6f"]),
        ("transfer-around-dialplan", ["ce6ee099"]),
    ],
)
def test_the_leg_to_follow_is_the_one_it_was_bridged_to(name, survivors):
    ended = list(endings(name))
    assert [ending.other_leg_uuid[:8] for ending in ended] == survivors
    assert all(ending.transferred for ending in ended)


def test_rule_6_a_call_ends_at_its_hang_up_not_when_that_is_told():
    (channel,) = hang_ups("answered")
    ending = read_ending(channel, source=EndSource.EVENT, at_us=channel.stamped_us + 20_000)
    assert ending.ended_us == int(channel.header("Caller-Channel-Hangup-Time"))
    assert ending.ended_us - ending.answered_us == int(channel.variable("billusec"))


def test_a_consultation_that_was_never_answered_left_a_leg_all_the_same():
    _, consultation = endings("transfer-early")
    assert consultation.answered_us == 0
    assert consultation.other_leg_uuid


@pytest.mark.parametrize("name", ["answered", "busy", "cancel"])
def test_an_ordinary_end_leaves_nothing_to_follow(name):
    assert not any(ending.transferred for ending in endings(name))


def test_a_transferred_leg_asks_for_a_leg_with_a_key_of_its_own():
    text = (RECORDINGS / "hook-connect-leg.plain").read_bytes()
    channel = Channel(parse_headers(text))
    attempt = read_attempt(channel, switch="fs1", plan=NumberPlan())
    assert attempt.is_leg
    assert attempt.uuid == channel.variable("fsbilling_leg") != channel.uuid
    assert attempt.part_of == channel.variable("fsbilling_call") != channel.uuid
    assert attempt.callee.digits == "8613900000000"
    assert channel.answered_us
