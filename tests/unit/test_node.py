"""What billing asks of a switch, as command lines, and how their answers are read."""

import json

import pytest

from fsbilling.errors import SwitchError
from fsbilling.switch.node import Node, first_timer

UUID = "4b6d2999-06f3-4d45-a202-06743d7dc97c"
OTHER = "6fa9daae-35ee-4592-867b-a9751a7b6a79"
GONE = "-ERR No such channel!\n"


class Switch:
    """Answers every command with one text, and keeps the commands."""

    def __init__(self, answer="+OK\n"):
        self.answer = answer
        self.commands = []

    def api(self, command, timeout_s=5.0):
        self.commands.append(command)
        return self.answer


@pytest.fixture
def switch():
    return Switch()


@pytest.fixture
def node(switch):
    return Node("fs1", switch.api)


def test_the_core_uuid_is_read(switch, node):
    switch.answer = UUID + "\n"
    assert node.core_uuid() == UUID
    switch.answer = "-ERR no reply\n"
    with pytest.raises(SwitchError):
        node.core_uuid()


def test_live_channels_are_listed(switch, node):
    switch.answer = json.dumps(
        {"row_count": 2, "rows": [{"uuid": UUID, "cid_name": "a"}, {"uuid": OTHER}]}
    )
    assert node.live_uuids() == {UUID, OTHER}


def test_no_live_channel_is_an_answer(switch, node):
    switch.answer = '{"row_count": 0}\n'
    assert node.live_uuids() == frozenset()


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "-ERR no database\n",
        "{}",
        "[]",
        '{"row_count": 1}',
        '{"row_count": 0, "rows": [{"uuid": "x"}]}',
        '{"row_count": 1, "rows": [{"name": "x"}]}',
        '{"row_count": 2, "rows": [{"uuid": "x"}]}',
        '{"row_count": 1, "rows": [{"uuid": "x"}',
    ],
)
def test_an_odd_listing_never_means_that_calls_have_ended(switch, node, answer):  # rule 5
    switch.answer = answer
    with pytest.raises(SwitchError):
        node.live_uuids()


def test_a_channel_is_dumped(switch, node):
    switch.answer = json.dumps({"Unique-ID": UUID, "Call-Direction": "inbound"})
    assert node.dump(UUID).direction == "inbound"
    assert switch.commands == [f"uuid_dump {UUID} json"]


def test_only_the_switchs_own_word_means_that_a_channel_is_gone(switch, node):  # rule 5
    switch.answer = GONE
    assert node.dump(UUID) is None
    for odd in (
        "",
        "-ERR Allocation error\n",
        "-USAGE: <uuid>",
        "{}",
        json.dumps({"Unique-ID": OTHER}),
    ):
        switch.answer = odd
        with pytest.raises(SwitchError):
            node.dump(UUID)


def test_variables_are_set_in_one_command(switch, node):
    assert node.mark(UUID, {"fsbilling_account": "acme", "b": "x=1,2 +3"})
    assert switch.commands == [f"uuid_setvar_multi {UUID} fsbilling_account=acme;b=x=1,2 +3"]
    switch.answer = GONE
    assert not node.mark(UUID, {"a": "b"})
    switch.answer = "-ERR No variable specified\n"
    with pytest.raises(SwitchError):
        node.mark(UUID, {"a": "b"})


@pytest.mark.parametrize(
    "value", ["a;b=c", "a\nb", "'a'", "a\\", "${system ls}", "a\x00", '"', "\udcff"]
)
def test_a_value_that_would_be_read_as_more_is_refused(switch, node, value):  # rule 7
    with pytest.raises(SwitchError):
        node.mark(UUID, {"a": value})
    assert switch.commands == []


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "1a", "a\n"])
def test_a_name_that_would_be_read_as_more_is_refused(switch, node, name):
    with pytest.raises(SwitchError):
        node.mark(UUID, {name: "x"})
    assert switch.commands == []


@pytest.mark.parametrize("uuid", ["", " ", "all", UUID + " ", UUID + "\n", UUID[:-1], "*"])
def test_no_command_is_made_of_what_is_no_uuid(switch, node, uuid):
    # An empty one would make `hupall` hang up every call on the switch.
    for ask in (
        lambda: node.dump(uuid),
        lambda: node.mark(uuid, {"a": "b"}),
        lambda: node.add_timer(uuid, 1, 1_795_281_711_000_000),
        lambda: node.remove_timer(uuid, 1),
        lambda: node.replace_timer(uuid, 1, 1_795_281_711_000_000),
        lambda: node.kill(uuid, "NORMAL_CLEARING"),
        lambda: node.warn(uuid, "tone_stream://%(200,0,800)", "aleg"),
        lambda: first_timer(uuid, 10),
    ):
        with pytest.raises(SwitchError):
            ask()
    assert switch.commands == []


@pytest.mark.parametrize(
    ("at_us", "second", "rest_ms"),
    [
        (1_795_281_711_000_000, 1_795_281_711, 0),
        (1_795_281_711_000_001, 1_795_281_711, 1),
        (1_795_281_711_250_000, 1_795_281_711, 250),
        (1_795_281_711_999_999, 1_795_281_711, 1000),
    ],
)
def test_a_timer_is_never_set_before_its_moment(switch, node, at_us, second, rest_ms):
    switch.answer = "+OK Added: 7\n"
    node.add_timer(UUID, 3, at_us)
    when = f"${{cond(${{strepoch()}} < {second} ? {second} : +1)}}"
    rest = f"${{cond(${{strepoch()}} < {second} ? {rest_ms} : 0)}}"
    then = f"expand hupall ALLOTTED_TIMEOUT fsbilling_call {UUID} \\${{msleep({rest})}}&"
    assert switch.commands == [f"expand sched_api {when} fsbilling-{UUID}-3 {then}"]


def test_a_timer_that_was_not_added_is_a_fault(switch, node):  # rule 3
    for answer in ("-ERR Invalid syntax.", "", "-ERR No such channel!\n"):
        switch.answer = answer
        with pytest.raises(SwitchError):
            node.add_timer(UUID, 1, 1_795_281_711_000_000)


def test_a_timer_is_replaced_only_while_the_switch_itself_says_so(switch, node):  # rule 3
    node.replace_timer(UUID, 3, 1_795_281_711_999_999)
    group = f"${{cond(${{strepoch()}} < 1795281711 ? fsbilling-{UUID}-3 : fsbilling-none)}}"
    assert switch.commands == [f"expand sched_del {group}"]


def test_the_switch_s_clock_is_read(switch, node):
    switch.answer = "1795865397006538"
    assert node.now_us() == 1_795_865_397_006_538
    assert switch.commands == ["strmicroepoch"]
    for odd in ("", "-ERR strmicroepoch Command not found!\n", "-1", "1.5", "0x5", "9" * 19):
        switch.answer = odd
        with pytest.raises(SwitchError):
            node.now_us()


def test_removing_a_timer_that_has_fired_is_no_fault(switch, node):
    switch.answer = "-ERR Deleted: 0\n"
    node.remove_timer(UUID, 3)
    assert switch.commands == [f"sched_del fsbilling-{UUID}-3"]


def test_the_first_timer_is_the_switchs_own_at_answer():
    assert first_timer(UUID, 60) == (
        f"sched_api +60 fsbilling-{UUID}-0 hupall ALLOTTED_TIMEOUT fsbilling_call {UUID}"
    )


def test_a_channel_is_hung_up_with_a_cause(switch, node):
    assert node.kill(UUID, "ALLOTTED_TIMEOUT")
    assert switch.commands == [f"uuid_kill {UUID} ALLOTTED_TIMEOUT"]
    switch.answer = GONE
    assert not node.kill(UUID, "ALLOTTED_TIMEOUT")


@pytest.mark.parametrize("cause", ["", "lower", "A B", "A\nB", "A;B"])
def test_an_odd_cause_is_refused(switch, node, cause):
    with pytest.raises(SwitchError):
        node.kill(UUID, cause)
    assert switch.commands == []


def test_the_warning_is_mixed_into_what_the_payer_hears(switch, node):
    sound = "tone_stream://%(200,100,800);loops=2"
    switch.answer = "+OK Success\n"
    assert node.warn(UUID, sound, "aleg")
    assert node.warn(UUID, sound, "bleg")
    assert switch.commands == [
        f"uuid_displace {UUID} start {sound} 0 mux",
        f"uuid_displace {UUID} start {sound} 0 mr",
    ]
    switch.answer = "-ERR Cannot locate session!\n"
    assert not node.warn(UUID, sound, "aleg")


@pytest.mark.parametrize(
    ("sound", "leg"), [("a b", "aleg"), ("a\nb", "aleg"), ("", "aleg"), ("a", "all")]
)
def test_an_odd_sound_or_leg_is_refused(switch, node, sound, leg):
    with pytest.raises(SwitchError):
        node.warn(UUID, sound, leg)
    assert switch.commands == []
