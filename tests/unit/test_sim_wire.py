"""Bytes of the simulated event socket: commands in, encoded headers out, filters between."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from fsbilling.sim.esl_wire import MAX_COMMAND_BYTES, CommandBuffer, percent_encode
from fsbilling.sim.event_filter import EventFilter
from fsbilling.sim.hook_call import parse_addresses

RECORDINGS = Path(__file__).parents[1] / "recordings"


def taken(data, step):
    buffer, commands = CommandBuffer(), []
    for start in range(0, len(data), step):
        buffer.feed(data[start : start + step])
        while (command := buffer.next()) is not None:
            commands.append(command)
    return commands


@pytest.mark.parametrize("step", [1, 2, 7, 1_000])
def test_commands_are_cut_the_same_however_the_bytes_arrive(step):
    data = (
        b"connect\n\n\nsendmsg\ncall-command: execute\r\nExecute-App-Name:multiset\n"
        b"content-length: 6\n\n\nab\n\ncapi x y\r\n\r\n"
    )
    first, second, third = taken(data, step)
    assert first.line == "connect"
    assert second.line == "sendmsg"
    assert second.headers["call-command"] == "execute"
    assert second.headers["execute-app-name"] == "multiset"
    assert second.body == "\nab\n\nc"
    assert (third.line, third.headers, third.body) == ("api x y", {}, "")


def test_bytes_that_are_no_text_do_no_harm():
    (command,) = taken(b"\xff\xfe x: \x80\n\n", 1)
    assert command.line.endswith("\ufffd")


def test_a_command_without_end_is_given_up():
    with pytest.raises(ValueError, match="does not end"):
        taken(b"a" * (MAX_COMMAND_BYTES + 1), 100_000)


@pytest.mark.parametrize("name", ["hook-connect.plain", "answered.plain"])
def test_every_recorded_value_is_encoded_as_the_real_switch_did(name):
    lines = (RECORDINGS / name).read_text().splitlines()
    values = [line.partition(": ")[2] for line in lines if line.startswith(("variable_", "Caller"))]
    assert len(values) > 50
    assert [percent_encode(unquote(value)) for value in values] == values


def test_what_looks_encoded_already_is_left_alone_as_on_the_real_switch():
    assert percent_encode("50%25 100% %zz") == "50%25%20100%25%20%25zz"


def test_letters_beyond_ascii_are_encoded_byte_by_byte():
    assert percent_encode("深") == "%E6%B7%B1"


CHANNEL = {"Event-Name": "CHANNEL_ANSWER", "variable_fsbilling_account": "acme"}
OTHER = {"Event-Name": "CHANNEL_ANSWER"}
HEARTBEAT = {"Event-Name": "HEARTBEAT"}


def filtered(*rules):
    chosen = EventFilter()
    for header, value in rules:
        chosen.add(header, value)
    return [chosen.passes(event) for event in (CHANNEL, OTHER, HEARTBEAT)]


@pytest.mark.parametrize(
    ("rules", "passing"),
    [
        ((), [True, True, True]),
        ((("variable_fsbilling_account", "/./"),), [True, False, False]),
        (
            (("variable_fsbilling_account", "/./"), ("Event-Name", "HEARTBEAT")),
            [True, False, True],
        ),
        ((("event-NAME", "heartbeat"),), [False, False, True]),
        ((("Event-Name", "HEART"),), [False, False, False]),
        ((("Event-Name", "/^CHANNEL/"), ("Event-Name", "-CHANNEL_ANSWER")), [False, False, False]),
        ((("Event-Name", "/[/"),), [False, False, False]),
    ],
)
def test_filters_let_pass_what_the_real_ones_do(rules, passing):
    assert filtered(*rules) == passing


def test_a_filter_is_deleted_by_header_or_by_value():
    chosen = EventFilter()
    chosen.add("Event-Name", "HEARTBEAT")
    chosen.add("Event-Name", "CHANNEL_ANSWER")
    chosen.delete("event-name", "HEARTBEAT")
    assert chosen.passes(OTHER)
    assert not chosen.passes(HEARTBEAT)
    chosen.delete("all")
    assert chosen.passes(HEARTBEAT)


def test_hook_addresses_are_read_as_the_socket_application_does():
    assert parse_addresses("127.0.0.1:8084|host:9") == (("127.0.0.1", 8084), ("host", 9))
    assert parse_addresses("") == ()
