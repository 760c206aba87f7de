"""What happens when the money is gone: cut at the second, warned before, refused after."""

from __future__ import annotations

from patience import wait_for
from phones import CARRIER_HOST, Dial
from witness import US_PER_S

CENT = 10_000
CUT_TOLERANCE_US = 300_000


def test_a_prepaid_call_is_cut_within_300_ms_of_its_last_paid_second(
    billing, lab, phones, measured
):
    seconds = {"1002": 7, "1003": 9, "1004": 11}
    for user, paid_s in seconds.items():
        billing.customer(f"cut-{user}", f"0.{paid_s:02}", user=user)
    sounds = lab.follow("MEDIA_BUG_START")
    calls = [phones.place([Dial("13800000000", user=user, mode="wait")]) for user in seconds]
    for call in calls:
        call.done()
    off_ms = []
    for user, paid_s in seconds.items():
        (cdr,) = billing.wait_for_cdrs(f"cut-{user}", 1)
        leg = wait_for(lambda uuid=cdr["uuid"]: lab.witness.leg(uuid), "its JSON CDR")
        off_us = leg.ended_us - leg.answered_us - paid_s * US_PER_S
        off_ms.append(off_us // 1_000)
        assert abs(off_us) <= CUT_TOLERANCE_US
        assert cdr["hung_up_by"] == "credit"
        assert cdr["charge_micros"] == paid_s * CENT
        assert billing.account(f"cut-{user}")["balance_micros"] == 0
        billing.assert_ledger_adds_up(f"cut-{user}")
        assert _warned_s(sounds, leg) >= 2
        measured(f"warning before the end of {paid_s} s", f"{_warned_s(sounds, leg):.2f} s")
    measured("cut, off the last paid second", f"{off_ms} ms")

    phones.place([Dial("13800000000", user="1002", mode="wait")]).done()
    (refused,) = wait_for(lambda: billing.cdrs("cut-1002", refused=True), "the refusal's CDR")
    assert refused["refusal"] == "no_credit"
    assert lab.witness.called("13800000000")[-1].cause == "OUTGOING_CALL_BARRED"


def _warned_s(sounds: list[dict], leg) -> float:
    """How long before the end of the leg a sound was mixed into the call."""
    heard = [
        int(event["Event-Date-Timestamp"])
        for event in sounds
        if (event["Unique-ID"], event["Media-Bug-Function"]) == (leg.uuid, "displace")
    ]
    assert len(heard) == 1, heard
    return (leg.ended_us - heard[0]) / US_PER_S


def test_five_calls_on_100_s_of_credit_talk_at_least_98_and_overspend_nothing(
    billing, lab, phones, measured
):
    billing.customer("five", "1.00", user="1005")
    phones.place([Dial("13800000000", user="1005", mode="wait")] * 5, per_s=5).done()
    cdrs = billing.wait_for_cdrs("five", 5)
    legs = [wait_for(lambda uuid=cdr["uuid"]: lab.witness.leg(uuid), "JSON CDR") for cdr in cdrs]
    talked_s = sum(leg.duration_us for leg in legs) / US_PER_S
    durations = sorted(round(leg.duration_us / US_PER_S, 2) for leg in legs)
    charged = sum(cdr["charge_micros"] for cdr in cdrs)
    measured("five calls on 100 s: talked", f"{talked_s:.2f} s, each {durations}")
    measured("five calls on 100 s: charged", f"{charged / 1_000_000:.2f} of 1.00")
    assert 98 <= talked_s <= 100.5
    assert charged <= 1_000_000
    assert all(cdr["charge_micros"] == cdr["billed_s"] * CENT for cdr in cdrs)
    billing.assert_ledger_adds_up("five")


def test_the_owner_of_a_400_number_is_warned_and_cut_too(billing, lab, phones):
    billing.customer("cut-400", "0.06")
    target = f"sofia/lab/agent0000@{CARRIER_HOST}:{lab.carrier_port}"
    billing.number("4002000001", "cut-400", target)
    sounds = lab.follow("MEDIA_BUG_START")
    phones.place([Dial("4002000001", shown="13900000001", mode="wait")], host=CARRIER_HOST).done()
    (cdr,) = billing.wait_for_cdrs("cut-400", 1)
    leg = wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
    assert abs(leg.duration_us - 6 * US_PER_S) <= CUT_TOLERANCE_US
    assert (cdr["charge_micros"], cdr["hung_up_by"]) == (6 * CENT, "credit")
    assert _warned_s(sounds, leg) >= 2
