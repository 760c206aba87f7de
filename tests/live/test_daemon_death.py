"""The daemon dies, is restarted, is away: calls are neither free nor lost."""

from __future__ import annotations

import signal

from patience import wait_for
from phones import CARRIER_HOST, PBX_HOST, Dial
from witness import US_PER_S

CENT = 10_000


def test_kill_9_in_mid_call_gives_nothing_away_and_leaves_one_cdr(billing, lab, phones, measured):
    billing.customer("dead", "5", user="1006")
    calls = phones.place(
        [
            Dial("13600000000", user="1006", mode="wait"),
            Dial("13600003900", user="1006", mode="wait"),
            Dial("13600001000", user="1006", mode="wait"),
        ]
    )
    wait_for(lambda: _talking(billing.live("dead")) == 2, "two calls talk")
    wait_for(lambda: min(row["talked_s"] for row in billing.live("dead")) >= 5, "they are renewed")
    granted = {row["uuid"]: row["granted_s"] for row in billing.live("dead")}
    billing.kill()
    calls.done()
    lab.wait_until_idle()
    legs = [lab.witness.leg(uuid) for uuid in granted]
    over_s = [leg.duration_us / US_PER_S - granted[leg.uuid] for leg in legs]
    cut = [leg for leg in legs if leg.cause == "ALLOTTED_TIMEOUT"]
    measured("kill -9: end after the last granted second", f"{max(over_s):+.2f} s")
    assert max(over_s) <= 1.0
    assert cut, "the switch's own timer has ended none"

    billing.start()
    cdrs = billing.wait_for_cdrs("dead", 3)
    for leg in legs:
        (cdr,) = [cdr for cdr in cdrs if cdr["uuid"] == leg.uuid]
        assert cdr["charge_micros"] + cdr["waived_micros"] == cdr["billed_s"] * CENT
        assert cdr["charge_micros"] <= granted[leg.uuid] * CENT
        assert cdr["duration_us"] == leg.duration_us
    billing.assert_ledger_adds_up("dead")
    measured("kill -9: CDRs of three calls after the restart", f"{len(cdrs)}")


def test_killed_while_it_rings_the_switch_s_own_timer_knows_the_granted_second(
    billing, lab, phones, measured
):
    billing.customer("ringing", "5")
    billing.commands.do("line", "add", "ip:127.0.0.3", "--account", "ringing")
    target = f"sofia/lab/agent0150@{CARRIER_HOST}:{lab.carrier_port}"
    billing.number("4006000001", "ringing", target)
    calls = [
        phones.place([Dial("13610000150", shown="2000", mode="wait")], host=PBX_HOST),
        phones.place([Dial("4006000001", shown="139", mode="wait")], host=CARRIER_HOST),
    ]
    wait_for(lambda: len(billing.live("ringing")) == 2, "both are authorised")
    granted = {row["uuid"]: row["granted_s"] for row in billing.live("ringing")}
    billing.kill()
    for call in calls:
        call.done()
    lab.wait_until_idle()
    legs = [lab.witness.leg(uuid) for uuid in granted]
    assert {leg.cause for leg in legs} == {"ALLOTTED_TIMEOUT"}
    over_s = [leg.duration_us / US_PER_S - granted[leg.uuid] for leg in legs]
    measured("kill -9 while it rings: end, off the granted second", f"{max(over_s):+.2f} s")
    assert all(-1.0 <= late_s <= 1.0 for late_s in over_s)
    billing.start()
    for cdr in billing.wait_for_cdrs("ringing", 2):
        assert cdr["duration_us"] == lab.witness.leg(cdr["uuid"]).duration_us
        assert cdr["charge_micros"] <= granted[cdr["uuid"]] * CENT
    billing.assert_ledger_adds_up("ringing")


def _talking(rows: list[dict]) -> int:
    return sum(1 for row in rows if row["answered_us"])


def test_a_restart_in_mid_call_is_not_heard_and_costs_nothing(billing, lab, phones, measured):
    billing.customer("restart", "5", user="1007")
    call = phones.place([Dial("13600000000", user="1007", ms=14_000)])
    # Just renewed: the switch grants it eight more seconds, for a restart on a busy machine.
    wait_for(lambda: [r for r in billing.live("restart") if r["granted_s"] > 5], "its renewal")
    assert billing.stop() == 0
    assert lab.live_channels == 2
    billing.start()
    call.done()
    (cdr,) = billing.wait_for_cdrs("restart", 1)
    leg = wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
    assert (cdr["duration_us"], cdr["billed_s"]) == (leg.duration_us, leg.whole_seconds)
    assert leg.duration_us >= 14 * US_PER_S
    assert cdr["hung_up_by"] == "caller"
    billing.assert_ledger_adds_up("restart")
    measured("SIGTERM and restart in mid-call", f"one CDR, {cdr['billed_s']} s, nothing cut")


def test_without_the_hook_calls_are_refused_cleanly_and_emergencies_pass(
    billing, lab, phones, measured
):
    billing.customer("nohook", "5", user="1008")
    billing.stop()
    assert _place_both(phones).received(503) == 1
    (refused,) = _ended(lab, "13600000100")
    measured("hook down: the call", f"{refused.cause}, SIP 503")
    assert (refused.cause, refused.answered_us) == ("NORMAL_TEMPORARY_FAILURE", 0)
    assert _emergencies_talked(lab) == 1

    billing.start()
    billing.signal(signal.SIGSTOP)
    try:
        assert _place_both(phones).received(503) == 1
    finally:
        billing.signal(signal.SIGCONT)
    waited = _ended(lab, "13600000100")[-1]
    waited_s = (waited.ended_us - int(waited.variables["start_uepoch"])) / US_PER_S
    measured("hook hangs: the call", f"{waited.cause} after {waited_s:.1f} s")
    assert (waited.cause, waited.answered_us) == ("NORMAL_TEMPORARY_FAILURE", 0)
    assert waited_s <= 4
    assert _emergencies_talked(lab) == 2
    wait_for(lambda: not billing.live("nohook"), "no hold is left behind", 30)
    assert billing.account("nohook")["balance_micros"] == 5_000_000


def _place_both(phones):
    """An ordinary call and an emergency; the ordinary one when both are over."""
    ordinary = phones.place([Dial("13600000100", user="1008", mode="wait")])
    emergency = phones.place([Dial("110", user="1008", ms=500)])
    emergency.done()
    ordinary.done()
    return ordinary


def _ended(lab, number: str) -> list:
    return wait_for(lambda: lab.witness.called(number), f"the JSON CDR of {number}")


def _emergencies_talked(lab) -> int:
    lab.wait_until_idle()
    return sum(1 for leg in _ended(lab, "110") if leg.answered_us and leg.direction == "inbound")
