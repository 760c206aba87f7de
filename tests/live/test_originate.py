"""Calls that the operator's own dialler starts, and the operator's hand on live calls."""

from __future__ import annotations

from patience import wait_for
from phones import CARRIER_HOST, Dial
from witness import US_PER_S

CENT = 10_000


def _agent(lab, behaviour: str) -> str:
    return f"sofia/lab/agent{behaviour}@{CARRIER_HOST}:{lab.carrier_port}"


def test_an_originated_call_is_billed_once_and_its_b_leg_not_at_all(billing, lab, phones):
    billing.customer("dialler", "5")
    lab.api(
        "bgapi originate {fsbilling_account=dialler,fsbilling_service=outbound}"
        f"sofia/gateway/carrier/13300000000 &bridge({_agent(lab, '3150')})"
    )
    (cdr,) = billing.wait_for_cdrs("dialler", 1)
    leg = wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
    assert (leg.direction, leg.called) == ("outbound", "13300000000")
    assert (cdr["duration_us"], cdr["billed_s"]) == (leg.duration_us, leg.whole_seconds)
    assert leg.duration_us > US_PER_S
    billing.assert_ledger_adds_up("dialler")


def test_an_originated_call_without_credit_does_not_talk(billing, lab, phones):
    billing.customer("poor", "0")
    lab.api(
        "bgapi originate {fsbilling_account=poor,fsbilling_service=outbound}"
        "sofia/gateway/carrier/13310000100 &park"
    )
    (refused,) = wait_for(lambda: billing.cdrs("poor", refused=True), "the refusal's CDR")
    leg = wait_for(lambda: lab.witness.leg(refused["uuid"]), "its JSON CDR")
    assert (refused["refusal"], leg.duration_us) == ("no_credit", 0)


def test_click_to_call_bills_the_carrier_leg_from_its_own_answer(billing, lab, phones):
    billing.customer("click", "5")
    billing.commands.do("line", "add", "accountcode:click", "--account", "click")
    lab.api(f"bgapi originate {{accountcode=click}}{_agent(lab, '0000')} 13320000090 XML default")
    wait_for(lambda: [row for row in billing.live("click") if row["answered_us"]], "both talk")
    lab.api("hupall")
    (cdr,) = billing.wait_for_cdrs("click", 1)
    leg = wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
    assert (leg.called, cdr["duration_us"]) == ("13320000090", leg.duration_us)
    billing.assert_ledger_adds_up("click")


def test_a_menu_that_forwards_to_a_mobile_bills_both_carrier_legs(billing, lab, phones):
    billing.customer("menu", "5")
    billing.number("4005000001", "menu", "extension/forward-13330000000/company")
    phones.place([Dial("4005000001", shown="139", ms=1_500)], host=CARRIER_HOST).done()
    cdrs = {cdr["service"]: cdr for cdr in billing.wait_for_cdrs("menu", 2)}
    for cdr in cdrs.values():
        leg = wait_for(lambda uuid=cdr["uuid"]: lab.witness.leg(uuid), "its JSON CDR")
        assert (cdr["duration_us"], cdr["billed_s"]) == (leg.duration_us, leg.whole_seconds)
    assert set(cdrs) == {"400", "outbound"}


def test_calls_kill_ends_a_call_which_is_then_settled(billing, lab, phones, measured):
    billing.customer("killed", "5")
    billing.number("4005000002", "killed", _agent(lab, "0000"))
    call = phones.place([Dial("4005000002", shown="139", mode="wait")], host=CARRIER_HOST)
    (row,) = wait_for(lambda: [r for r in billing.live("killed") if r["answered_us"]], "it talks")
    billing.commands.do("calls", "kill", row["uuid"])
    call.done()
    (cdr,) = billing.wait_for_cdrs("killed", 1)
    leg = wait_for(lambda: lab.witness.leg(cdr["uuid"]), "its JSON CDR")
    assert cdr["hung_up_by"] == "operator"
    assert (cdr["duration_us"], cdr["charge_micros"]) == (leg.duration_us, leg.whole_seconds * CENT)
    measured("calls kill", f"{leg.cause}, {cdr['billed_s']} s charged")
