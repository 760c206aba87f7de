"""Replies of the simulated API, each as a real FreeSWITCH 1.11 gave it."""

import json

import pytest

from fsbilling.sim.plan import CallPlan
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock

SECOND = 1_000_000
MATCHING = "+OK hangup all channels matching"
LIVE = "11111111-1111-4111-8111-111111111111"
NONE = "22222222-1111-4111-8111-111111111111"


@pytest.fixture
def switch():
    clock = VirtualClock()
    switch = SimSwitch(clock, heartbeat_us=0)
    switch.clock = clock
    switch.execute(
        f"originate {{origination_uuid={LIVE},fsbilling_account=acme,fsbilling_call={LIVE}}}"
        "loopback/1000/public &park()"
    )
    clock.play(switch, until_us=clock.now_us() + SECOND)
    return switch


RECORDED = [
    (f"uuid_exists {LIVE}", "true"),
    (f"uuid_exists {NONE}", "false"),
    ("uuid_exists", "false"),
    (f"uuid_setvar {LIVE} a b", "+OK\n"),
    (f"uuid_setvar {LIVE} a", "+OK\n"),
    (f"uuid_getvar {LIVE} a", "_undef_"),
    (f"uuid_getvar {LIVE} fsbilling_account", "acme"),
    (f"uuid_getvar {NONE} a", "-ERR No such channel!\n"),
    (f"uuid_setvar {NONE} a b", "-ERR No such channel!\n"),
    (f"uuid_setvar_multi {LIVE} a=1;b=2;c=x y", "+OK\n"),
    (
        f"uuid_setvar_multi {NONE} a=1",
        "-ERR No such channel!\n-USAGE: <uuid> <var>=<value>;<var>=<value>...\n",
    ),
    (f"uuid_setvar_multi {LIVE}", "-ERR no reply\n"),
    (
        f"uuid_setvar_multi {LIVE} =1",
        "-ERR No variable specified\n-USAGE: <uuid> <var>=<value>;<var>=<value>...\n",
    ),
    (f"uuid_dump {NONE} json", "-ERR No such channel!\n"),
    ("uuid_dump", "-USAGE: <uuid> [format]\n"),
    (f"uuid_kill {NONE} ALLOTTED_TIMEOUT", "-ERR No such channel!\n"),
    ("uuid_kill", "-USAGE: <uuid> [cause]\n"),
    ("show channels as foo", "-ERR Cannot find format foo\n"),
    ("global_getvar nothing", "-ERR no reply\n"),
    (f"uuid_broadcast {NONE} tone_stream://%(100,0,800) aleg", "-ERR invalid uuid\n"),
    (f"uuid_broadcast {LIVE} tone_stream://%(100,0,800) aleg", "+OK Message sent\n"),
    (f"uuid_broadcast {LIVE}", "-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n"),
    (f"uuid_displace {NONE} start /tmp/x.wav 1 mux", "-ERR Cannot locate session!\n"),
    (f"uuid_displace {LIVE} start tone_stream://%(100,0,800) 1 mux", "+OK Success\n"),
    (f"uuid_displace {LIVE}", "-USAGE: <uuid> [start|stop] <path> [<limit>] [mux]\n"),
    (f"sched_api +100 grp-1 hupall ALLOTTED_TIMEOUT fsbilling_call {NONE}", "+OK Added: 1\n"),
    (
        "sched_api +1 g",
        "-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n",
    ),
    ("sched_del grp-1", "+OK Deleted: 0\n"),
    (
        f"hupall ALLOTTED_TIMEOUT fsbilling_call {NONE}",
        f"{MATCHING} [fsbilling_call]=[{NONE}] with cause: ALLOTTED_TIMEOUT\n",
    ),
    (
        f"hupall ALLOTTED_TIMEOUT fsbilling_call {NONE} a b",
        f"{MATCHING} [fsbilling_call]=[{NONE}]... with cause: ALLOTTED_TIMEOUT\n",
    ),
    ("nosuch thing", "-ERR nosuch Command not found!\n"),
    (f"expand uuid_exists {LIVE}${{nosuch(x)}}", "false"),
    ("msleep 5", "+OK"),
    ("originate error/USER_BUSY &park()", "-ERR USER_BUSY\n"),
    ("show channels count", "\n1 total.\n"),
]


@pytest.mark.parametrize(("command", "reply"), RECORDED, ids=[row[0] for row in RECORDED])
def test_a_reply_is_what_the_real_switch_says(switch, command, reply):
    assert switch.execute(command) == reply


def test_originate_without_an_application_prints_its_usage(switch):
    assert switch.execute("originate loopback/1000/public").startswith("-USAGE: <call url>")


def test_hupall_with_a_value_ends_only_the_legs_that_carry_it(switch):
    other = switch.place(CallPlan(caller="1", callee="110", talk_us=None))
    switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {LIVE}")
    assert switch.execute(f"uuid_exists {LIVE}") == "false"
    assert switch.execute(f"uuid_exists {other}") == "true"


def test_hupall_needs_every_variable_to_match(switch):
    switch.execute(f"uuid_setvar {LIVE} fsbilling_timer 3")
    switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {LIVE} fsbilling_timer 2")
    assert switch.execute(f"uuid_exists {LIVE}") == "true"
    switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {LIVE} fsbilling_timer 3")
    assert switch.execute(f"uuid_exists {LIVE}") == "false"


def test_hupall_with_an_empty_value_ends_everything_as_on_the_real_switch(switch):
    switch.execute("hupall ALLOTTED_TIMEOUT fsbilling_call ")
    assert switch.channels == {}


def test_hupall_follows_a_variable_that_was_changed(switch):
    switch.execute(f"uuid_setvar {LIVE} fsbilling_call {NONE}")
    switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {LIVE}")
    assert switch.execute(f"uuid_exists {LIVE}") == "true"
    switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {NONE}")
    assert switch.execute(f"uuid_exists {LIVE}") == "false"


def test_a_new_channel_is_not_shown_for_some_moments_and_a_gone_one_still_is(switch):
    assert switch.execute("uuid_exists " + LIVE) == "true"
    other = switch.place(CallPlan(caller="1", callee="110", talk_us=None))
    assert other not in switch.execute("show channels as json")
    switch.clock.play(switch, until_us=switch.clock.now_us() + 200_000)
    shown = json.loads(switch.execute("show channels as json"))
    assert shown["row_count"] == len(shown["rows"]) == 3
    assert {row["uuid"] for row in shown["rows"]} == set(switch.channels)
    switch.execute(f"uuid_kill {LIVE}")
    assert LIVE in switch.execute("show channels as json")
    switch.clock.play(switch, until_us=switch.clock.now_us() + 200_000)
    assert LIVE not in switch.execute("show channels as json")


def test_an_empty_switch_shows_no_rows_at_all(switch):
    switch.execute("hupall")
    switch.clock.play(switch, until_us=switch.clock.now_us() + SECOND)
    assert switch.execute("show channels as json") == '{"row_count": 0}\n'


def test_a_dump_has_the_variables_and_the_answer_stamp(switch):
    dump = json.loads(switch.execute(f"uuid_dump {LIVE} json"))
    assert dump["Event-Name"] == "CHANNEL_DATA"
    assert dump["Unique-ID"] == LIVE
    assert dump["variable_fsbilling_account"] == "acme"
    assert int(dump["Caller-Channel-Answered-Time"]) > 0
    assert dump["Answer-State"] == "answered"


@pytest.mark.parametrize(("ahead_s", "ends_after_s"), [(3, 3.25), (0, 1), (-5, 1)])
def test_a_timer_guarded_against_the_past_fires_whenever_it_was_meant_for(
    switch, ahead_s, ends_after_s
):
    ends = []
    switch.listen(ends.append, {"CHANNEL_HANGUP_COMPLETE"})
    second = switch.clock.now_us() // SECOND + ahead_s
    is_before = f"${{strepoch()}} < {second} ?"
    reply = switch.execute(
        f"expand sched_api ${{cond({is_before} {second} : +1)}} g-1 expand hupall ALLOTTED_TIMEOUT"
        f" fsbilling_call {LIVE} \\${{msleep(${{cond({is_before} 250 : 0)}})}}&"
    )
    assert reply == "+OK Added: 1\n"
    start_us = switch.clock.now_us()
    switch.clock.play(switch, until_us=start_us + 10 * SECOND)
    assert [event.at_us for event in ends] == [start_us + int(ends_after_s * SECOND)]


@pytest.mark.parametrize(("ahead_s", "deleted"), [(1, 1), (0, 0), (-5, 0)])
def test_a_timer_is_replaced_by_the_switch_s_own_clock(switch, ahead_s, deleted):
    switch.execute("sched_api +9 g-1 none")
    second = switch.clock.now_us() // SECOND + ahead_s
    reply = switch.execute(
        f"expand sched_del ${{cond(${{strepoch()}} < {second} ? g-1 : fsbilling-none)}}"
    )
    assert reply == f"+OK Deleted: {deleted}\n"


def test_the_clock_is_the_one_of_the_stamps(switch):
    assert switch.execute("strmicroepoch") == str(switch.clock.now_us())


def test_an_unknown_cause_is_normal_clearing(switch):
    ends = []
    switch.listen(ends.append, {"CHANNEL_HANGUP_COMPLETE"})
    switch.execute(f"uuid_kill {LIVE} nonsense")
    assert ends[0].headers["Hangup-Cause"] == "NORMAL_CLEARING"


def test_commands_happen_at_the_clock_that_the_switch_was_given(switch):
    switch.clock.move_to(switch.clock.now_us() + 7 * SECOND)
    switch.execute(f"uuid_kill {LIVE}")
    assert switch.alarms.now_us == switch.clock.now_us()
