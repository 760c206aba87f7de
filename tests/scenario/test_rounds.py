"""What a daemon finds by itself that nobody told it: lost hang-ups, lost links, lost calls.

`fsbilling serve` as a process, on real TCP; each test fails when the daemon drops the one thing.
"""

import gevent
from daemons import wait_until
from fuzz.hostile import connection, introduce
from switch_room import confused, kill, unreachable

from fsbilling.calls.cdr import EndSource
from fsbilling.clock import US_PER_S
from fsbilling.sim.plan import CallPlan, Service

LEG = "11111111-1111-4111-8111-111111111111"


def talked_us(hangup):
    return int(hangup["Caller-Channel-Hangup-Time"]) - int(hangup["Caller-Channel-Answered-Time"])


def test_a_hangup_that_was_lost_is_found_by_the_next_round_and_billed_by_the_switchs_record(room):
    room.serve(poll_s=5)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(1.5)
    hangup = room.hang_up_unheard(uuid)
    room.record("fs1", hangup)
    cdr = room.cdr(uuid)
    assert (cdr.end_source, cdr.duration_us) == (EndSource.WITNESS, talked_us(hangup))


def test_what_ends_while_the_link_is_down_is_found_when_it_is_up_and_no_silence_is_billed(room):
    """Each renewal notes the last sign of life: none after the link was lost is this call's."""
    daemon = room.serve(slice_s=2, first_slice_s=4, renew_lead_s=1)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(1)
    with unreachable(room.switch):
        hangup = room.hang_up_unheard(uuid)
        gevent.sleep(3)
    room.wait_for_links(daemon, times=2)
    cdr = room.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert cdr.duration_us <= talked_us(hangup)


def test_a_call_that_was_renewed_while_the_link_was_down_keeps_its_seconds(room):
    """SQL had paid for them; the switch, which was not told, would end the call at 8 s."""
    daemon = room.serve(first_slice_s=8, slice_s=20, renew_lead_s=4)
    uuid = room.call()
    room.wait_for_answer(uuid)
    gevent.sleep(2.5)
    with unreachable(room.switch):
        wait_until(lambda: room.hold(uuid).granted_s > 8, "the renewal", 3)
    room.wait_for_links(daemon, times=2)
    gevent.sleep(5)
    assert uuid in room.switch.switch.channels


def test_what_ended_while_no_daemon_was_there_is_found_at_its_start(room):
    daemon = room.serve()
    uuid = room.call()
    room.wait_for_answer(uuid)
    kill(daemon)
    room.hang_up_unheard(uuid)
    room.serve()
    assert room.cdr(uuid).end_source is EndSource.ESTIMATE


def test_a_quiet_switch_is_asked_for_a_sign_of_life_that_an_estimate_goes_by(room):
    """The renewal 8 s into the call notes the pulse of at most 5 s before."""
    daemon = room.serve(first_slice_s=10)
    uuid = room.call()
    room.wait_for_answer(uuid)
    wait_until(lambda: room.hold(uuid).granted_s > 10, "the renewal", 12)
    kill(daemon)
    room.switch.restart()
    room.serve()
    cdr = room.cdr(uuid)
    assert cdr.end_source is EndSource.ESTIMATE
    assert cdr.duration_us >= 2 * US_PER_S


def test_a_switch_that_answers_nonsense_ends_neither_the_daemon_nor_a_call(room):
    """Rule 5; what is asked every so often is asked again."""
    daemon = room.serve(poll_s=5, first_slice_s=30)
    uuid = room.call()
    room.wait_for_answer(uuid)
    with confused(room.switch):
        for told in ("no sign of life", "sweep without an answer"):
            wait_until(lambda told=told: told in daemon.log, told, 8)
    hangup = room.hang_up_unheard(uuid)
    room.record("fs1", hangup)
    assert room.cdr(uuid).duration_us == talked_us(hangup), "the next sweep"
    assert daemon.exit_code is None


def test_a_diallers_call_that_began_while_nobody_listened_is_held_when_the_link_is_up(room):
    daemon = room.serve()
    plan = CallPlan(
        caller="1001",
        callee="13800138000",
        service=Service.ORIGINATED,
        ring_us=0,
        talk_us=None,
        variables={"fsbilling_account": "acme"},
    )
    with unreachable(room.switch):
        uuid = room.switch.place(plan)
        gevent.sleep(1)
        assert room.hold(uuid) is None
    room.wait_for_links(daemon, times=2)
    wait_until(lambda: room.hold(uuid), "its hold", 5)


def test_a_channel_that_lives_and_did_not_take_its_answer_is_looked_at_soon(room, office):
    """Else its hold sets credit aside until the next regular round."""
    office.do("number", "add", "4001234567", "--account", "acme", "--target", "user/1001")
    room.serve()
    room.switch.execute(f"originate {{origination_uuid={LEG}}}loopback/1000/public &park()")
    with connection(room.hook_port) as sock:
        introduce(sock, LEG)
        wait_until(lambda: room.hold(LEG), "its hold")
    assert room.cdr(LEG, within_s=8).charge_micros == 0
    assert LEG in room.switch.switch.channels


def test_each_switch_has_its_own_link_rounds_and_calls(build):
    room = build("fs1", "fs2")
    room.serve(poll_s=5)
    gevent.sleep(1)  # by then each is known by its core
    first, second = room.call("fs1"), room.call("fs2", talk_s=3)
    room.wait_for_answer(first)
    room.wait_for_answer(second)
    hangup = room.hang_up_unheard(first)
    room.record("fs1", hangup)
    heard, found = room.cdr(second), room.cdr(first)
    assert (heard.switch, heard.end_source, heard.billed_s) == ("fs2", EndSource.EVENT, 3)
    assert (found.switch, found.end_source) == ("fs1", EndSource.WITNESS)
    assert found.duration_us == talked_us(hangup)
