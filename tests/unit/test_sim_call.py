"""The life of simulated calls at virtual time."""

import pytest

from fsbilling.sim.hook import asking
from fsbilling.sim.plan import CallPlan, Outcome, Service, Transfer
from fsbilling.sim.switch import SimSwitch
from fsbilling.sim.virtual_clock import VirtualClock

SECOND = 1_000_000


class Lab:
    """A switch at virtual time, what its hook was asked, and the events it emitted."""

    def __init__(self, answer=None, **options):
        self.clock = VirtualClock()
        self.start_us = self.clock.now_us()
        self.asked = []
        self.answer = {"fsbilling_verdict": "allowed"} if answer is None else answer
        options.setdefault("hook", asking(self._hook))
        self.switch = SimSwitch(self.clock, heartbeat_us=0, **options)
        self.events = []
        self.switch.listen(self.events.append)

    def _hook(self, headers):
        self.asked.append(headers)
        return self.answer

    def play(self, seconds):
        self.clock.play(self.switch, until_us=self.start_us + int(seconds * SECOND))

    def named(self, name, direction=None):
        return [
            event
            for event in self.events
            if event.name == name and direction in {None, event.headers["Call-Direction"]}
        ]

    def end_of(self, uuid):
        (event,) = [
            event
            for event in self.named("CHANNEL_HANGUP_COMPLETE")
            if event.headers["Unique-ID"] == uuid
        ]
        return event.headers


def plan(**changes):
    facts = {"caller": "13800000001", "callee": "075512345678"}
    return CallPlan(**(facts | changes))


def test_an_answered_call_creates_answers_bridges_and_ends_both_legs():
    lab = Lab()
    uuid = lab.switch.place(plan(ring_us=2 * SECOND, talk_us=10 * SECOND))
    lab.play(60)
    assert [(event.name, event.headers["Call-Direction"]) for event in lab.events] == [
        ("CHANNEL_CREATE", "inbound"),
        ("CHANNEL_CREATE", "outbound"),
        ("CHANNEL_PROGRESS", "outbound"),
        ("CHANNEL_PROGRESS", "inbound"),
        ("CHANNEL_ANSWER", "outbound"),
        ("CHANNEL_ANSWER", "inbound"),
        ("CHANNEL_BRIDGE", "inbound"),
        ("CHANNEL_HANGUP_COMPLETE", "outbound"),
        ("CHANNEL_HANGUP_COMPLETE", "inbound"),
    ]
    end = lab.end_of(uuid)
    assert int(end["Caller-Channel-Answered-Time"]) == lab.start_us + 2 * SECOND
    assert int(end["Caller-Channel-Hangup-Time"]) == lab.start_us + 12 * SECOND
    assert end["variable_billusec"] == str(10 * SECOND)
    assert end["Hangup-Cause"] == "NORMAL_CLEARING"
    assert end["variable_sip_hangup_disposition"] == "recv_bye"
    assert end["variable_bridge_uuid"] == end["Other-Leg-Unique-ID"]
    assert lab.switch.channels == {}


def test_the_hook_sees_what_the_dialplan_set_before_asking():
    lab = Lab()
    uuid = lab.switch.place(plan(service=Service.CALLED_PAYS, callee="4001234567"))
    (headers,) = lab.asked
    assert headers["variable_fsbilling_verdict"] == "unavailable"
    assert headers["variable_fsbilling_service"] == "400"
    assert headers["variable_fsbilling_call"] == uuid
    assert headers["Caller-Destination-Number"] == "4001234567"
    assert headers["Caller-Caller-ID-Number"] == "13800000001"


def test_the_carrier_leg_carries_the_call_but_not_the_account():
    lab = Lab({"fsbilling_verdict": "allowed", "fsbilling_account": "acme"})
    uuid = lab.switch.place(plan())
    lab.play(1)
    (created,) = lab.named("CHANNEL_CREATE", "outbound")
    assert created.headers["variable_fsbilling_call"] == uuid
    assert "variable_fsbilling_account" not in created.headers


def test_a_400_call_rings_at_the_target_the_hook_named():
    lab = Lab({"fsbilling_verdict": "allowed", "fsbilling_target": "sofia/gateway/pbx/1001"})
    lab.switch.place(plan(service=Service.CALLED_PAYS, callee="4001234567"))
    lab.play(1)
    (created,) = lab.named("CHANNEL_CREATE", "outbound")
    assert created.headers["Caller-Destination-Number"] == "1001"
    assert created.headers["Channel-Name"] == "sofia/gateway/pbx/1001"


def test_a_400_call_without_a_target_has_nowhere_to_go():
    lab = Lab()
    uuid = lab.switch.place(plan(service=Service.CALLED_PAYS, callee="4001234567"))
    assert lab.end_of(uuid)["Hangup-Cause"] == "NORMAL_TEMPORARY_FAILURE"


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"fsbilling_verdict": "refused", "fsbilling_cause": "OUTGOING_CALL_BARRED"},
         "OUTGOING_CALL_BARRED"),
        ({"fsbilling_verdict": "refused"}, "CALL_REJECTED"),
        ({}, "NORMAL_TEMPORARY_FAILURE"),
        ({"fsbilling_verdict": "nonsense"}, "NORMAL_TEMPORARY_FAILURE"),
    ],
)  # fmt: skip
def test_a_call_that_is_not_allowed_ends_at_once_without_a_carrier_leg(answer, cause):
    lab = Lab(answer)
    uuid = lab.switch.place(plan())
    end = lab.end_of(uuid)
    assert end["Hangup-Cause"] == cause
    assert end["variable_sip_hangup_disposition"] == "send_refuse"
    assert end["Caller-Channel-Answered-Time"] == "0"
    assert lab.named("CHANNEL_CREATE", "outbound") == []


def test_without_a_hook_listening_the_call_is_refused_as_unavailable():
    lab = Lab(hook=None)
    uuid = lab.switch.place(plan())
    assert lab.end_of(uuid)["Hangup-Cause"] == "NORMAL_TEMPORARY_FAILURE"


def test_an_emergency_passes_without_asking_the_hook():
    lab = Lab(hook=None)
    uuid = lab.switch.place(plan(callee="110", talk_us=5 * SECOND))
    lab.play(30)
    end = lab.end_of(uuid)
    assert end["variable_billusec"] == str(5 * SECOND)
    assert "variable_fsbilling_verdict" not in end


def test_a_hook_that_never_answers_is_given_up_after_three_seconds():
    lab = Lab(hook=lambda _channel, _resume: None)
    uuid = lab.switch.place(plan())
    lab.play(10)
    end = lab.end_of(uuid)
    assert end["Hangup-Cause"] == "NORMAL_TEMPORARY_FAILURE"
    assert int(end["Caller-Channel-Hangup-Time"]) == lab.start_us + 3 * SECOND


def test_a_caller_who_leaves_during_the_hook_is_told_to_the_hook_and_not_dialled():
    gone, resumes = [], []

    def slow_hook(channel, resume):
        resumes.append(resume)
        return lambda: gone.append(channel.uuid)

    lab = Lab(hook=slow_hook)
    uuid = lab.switch.place(plan(outcome=Outcome.CANCEL, ring_us=SECOND))
    lab.play(2)
    assert gone == [uuid]
    assert lab.end_of(uuid)["Hangup-Cause"] == "ORIGINATOR_CANCEL"
    resumes[0]({"fsbilling_verdict": "allowed"})
    lab.play(10)
    assert lab.named("CHANNEL_CREATE", "outbound") == []


@pytest.mark.parametrize(
    ("outcome", "cause", "disposition", "sip"),
    [
        (Outcome.BUSY, "USER_BUSY", "send_refuse", "486"),
        (Outcome.NO_ANSWER, "NO_ANSWER", "send_refuse", "480"),
        (Outcome.CANCEL, "ORIGINATOR_CANCEL", "recv_cancel", "487"),
    ],
)
def test_a_call_that_is_not_answered_tells_why(outcome, cause, disposition, sip):
    lab = Lab()
    uuid = lab.switch.place(plan(outcome=outcome, ring_us=3 * SECOND))
    lab.play(30)
    end = lab.end_of(uuid)
    assert end["Hangup-Cause"] == cause
    assert end["variable_sip_hangup_disposition"] == disposition
    assert end["variable_sip_invite_failure_status"] == sip
    assert int(end["Caller-Channel-Hangup-Time"]) == lab.start_us + 3 * SECOND
    assert end["variable_billusec"] == "0"
    assert lab.named("CHANNEL_ANSWER") == []
    assert lab.switch.channels == {}


def test_a_callee_who_hangs_up_shows_as_a_bye_sent_to_the_caller():
    lab = Lab()
    uuid = lab.switch.place(plan(hung_up_by="callee"))
    lab.play(60)
    assert lab.end_of(uuid)["variable_sip_hangup_disposition"] == "send_bye"


def test_an_ivr_call_has_one_leg():
    lab = Lab()
    uuid = lab.switch.place(plan(service=Service.IVR, talk_us=7 * SECOND, hung_up_by="callee"))
    lab.play(60)
    end = lab.end_of(uuid)
    assert end["variable_billusec"] == str(7 * SECOND)
    assert end["variable_sip_hangup_disposition"] == "send_bye"
    assert lab.named("CHANNEL_CREATE", "outbound") == []


def test_commands_on_answer_run_at_the_answer_whatever_follows_the_prefix():
    lab = Lab(
        {
            "fsbilling_verdict": "allowed",
            "api_on_answer_fsbilling": "sched_api +4 g hupall ALLOTTED_TIMEOUT "
            "fsbilling_call ${uuid}",
        }
    )
    uuid = lab.switch.place(plan(talk_us=60 * SECOND))
    lab.play(1)
    assert len(lab.switch.scheduler) == 0
    lab.play(60)
    end = lab.end_of(uuid)
    assert end["Hangup-Cause"] == "ALLOTTED_TIMEOUT"
    assert end["variable_sip_hangup_disposition"] == "send_bye"
    assert int(end["Caller-Channel-Hangup-Time"]) == lab.start_us + 6 * SECOND


def test_when_the_paying_leg_transfers_the_carrier_leg_lives_on_to_the_same_timer():
    lab = Lab({"fsbilling_verdict": "allowed", "fsbilling_account": "acme"})
    uuid = lab.switch.place(
        plan(
            ring_us=SECOND,
            talk_us=20 * SECOND,
            transfer=Transfer(after_us=5 * SECOND, to="1002", talk_us=100 * SECOND),
        )
    )
    lab.play(10)
    paying = lab.end_of(uuid)
    carrier = paying["variable_bridge_uuid"]
    assert paying["Hangup-Cause"] == "BLIND_TRANSFER"
    assert int(paying["Caller-Channel-Hangup-Time"]) == lab.start_us + 6 * SECOND
    assert lab.switch.execute(f"uuid_exists {carrier}") == "true"
    assert lab.switch.execute(f"uuid_getvar {carrier} fsbilling_call") == uuid
    assert len(lab.switch.channels) == 2
    lab.switch.execute(f"hupall ALLOTTED_TIMEOUT fsbilling_call {uuid}")
    assert lab.end_of(carrier)["Hangup-Cause"] == "ALLOTTED_TIMEOUT"
    assert lab.switch.channels == {}


def test_when_the_callee_transfers_the_paying_leg_goes_on():
    lab = Lab()
    uuid = lab.switch.place(
        plan(
            ring_us=SECOND,
            talk_us=9 * SECOND,
            transfer=Transfer(after_us=5 * SECOND, to="1002", talk_us=50 * SECOND, by="callee"),
        )
    )
    lab.play(8)
    assert lab.switch.execute(f"uuid_exists {uuid}") == "true"
    lab.play(100)
    end = lab.end_of(uuid)
    assert end["variable_billusec"] == str(9 * SECOND)
    assert len(lab.named("CHANNEL_HANGUP_COMPLETE")) == 3


def test_an_originated_call_shows_its_variables_when_it_is_created():
    lab = Lab()
    reply = lab.switch.execute(
        "originate {fsbilling_account=acme,origination_caller_id_number=1001,sim_ring_ms=500,"
        "sim_talk_ms=3000}loopback/13800000001/public &park()"
    )
    assert reply.startswith("+OK ")
    lab.play(30)
    (created,) = lab.named("CHANNEL_CREATE")
    assert created.headers["Call-Direction"] == "outbound"
    assert created.headers["variable_fsbilling_account"] == "acme"
    assert created.headers["Caller-Destination-Number"] == "13800000001"
    end = lab.end_of(reply.split()[1])
    assert end["variable_billusec"] == str(3 * SECOND)
    assert lab.asked == []


def test_killing_one_leg_clears_the_other_normally():
    lab = Lab()
    uuid = lab.switch.place(plan(talk_us=None))
    lab.play(30)
    assert lab.switch.execute(f"uuid_kill {uuid} ALLOTTED_TIMEOUT") == "+OK\n"
    end = lab.end_of(uuid)
    assert end["Hangup-Cause"] == "ALLOTTED_TIMEOUT"
    assert lab.end_of(end["variable_bridge_uuid"])["Hangup-Cause"] == "NORMAL_CLEARING"


def test_a_restart_forgets_calls_and_tasks_without_an_event():
    lab = Lab()
    uuid = lab.switch.place(plan(talk_us=None))
    lab.play(10)
    before = lab.switch.execute("global_getvar core_uuid")
    lab.switch.execute("sched_api +5 g none")
    lab.switch.restart()
    lab.play(600)
    assert lab.named("CHANNEL_HANGUP_COMPLETE") == []
    assert lab.switch.execute(f"uuid_exists {uuid}") == "false"
    assert lab.switch.execute("global_getvar core_uuid") != before
    assert len(lab.switch.scheduler) == 0


def test_a_seed_repeats_every_byte_of_a_run():
    def run(seed):
        lab = Lab(seed=seed, max_late_us=500_000)
        for second in range(20):
            lab.switch.place(plan(), at_us=lab.start_us + second * SECOND)
        lab.play(100)
        return lab.events

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_a_listener_for_a_variable_hears_only_legs_that_carry_it():
    lab = Lab({"fsbilling_verdict": "allowed", "fsbilling_account": "acme"})
    heard = []
    stop = lab.switch.listen(
        heard.append,
        {"CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"},
        variable="fsbilling_account",
    )
    lab.switch.place(plan())
    lab.play(60)
    stop()
    lab.switch.place(plan())
    lab.play(120)
    assert [event.name for event in heard] == ["CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"]


def test_heartbeats_come_every_twenty_seconds():
    clock = VirtualClock()
    switch = SimSwitch(clock)
    beats = []
    switch.listen(beats.append, {"HEARTBEAT"})
    clock.play(switch, until_us=clock.now_us() + 65 * SECOND)
    assert len(beats) == 3
    assert beats[0].headers["Core-UUID"] == switch.core_uuid
