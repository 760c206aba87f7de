"""What a caller writes chooses nothing (DESIGN rule 7)."""

from __future__ import annotations

import pytest
from patience import wait_for
from phones import CARRIER_HOST, Dial

VICTIM = "victim"
LINES = "evil%0Avariable_fsbilling_account%3A%20victim"
EVIL = [
    "evil%0D%0A%0D%0AContent-Length%3A%200",
    "$%7Bfsbilling_call%7D",
    "a'%5C%22%7Chupall",
    "%FF%FE",
    "variable_fsbilling_account%3A%20victim",
]


@pytest.fixture
def accounts(billing, lab):
    """An account that is attacked, and one that is used to attack it."""
    if not _exists(billing, VICTIM):
        billing.customer(VICTIM, "3")
        billing.customer("evil", "3", user="1009")
        target = f"sofia/lab/agent0000@{CARRIER_HOST}:{lab.carrier_port}"
        billing.number("4003000001", "evil", target)
    return billing


def _exists(billing, code: str) -> bool:
    return code in {row["account"] for row in billing.commands.json("account", "list")}


def test_injected_text_changes_no_account(accounts, lab, phones, measured):
    daemon = accounts.pid
    texts = [LINES, *EVIL]
    plain = [text for text in EVIL if "%0D" not in text]
    calls = [
        phones.place(
            [Dial("4003000001", shown="139", to=text, ms=300) for text in texts], host=CARRIER_HOST
        ),
        phones.place([Dial("13500000000", user="1009", to=text, ms=300) for text in texts]),
        phones.place([Dial("4003000001", shown=text, ms=300) for text in plain], host=CARRIER_HOST),
        phones.place([Dial("13500000000", user="1009", shown=text, ms=300) for text in plain]),
    ]
    for call in calls:
        call.done()
    count = 2 * (len(texts) + len(plain))
    cdrs = accounts.wait_for_cdrs("evil", count)
    assert accounts.cdrs(VICTIM) == []
    assert accounts.account(VICTIM)["balance_micros"] == 3_000_000
    legs = {leg.uuid: leg for leg in lab.witness.legs()}
    assert [cdr["billed_s"] for cdr in cdrs] == [legs[cdr["uuid"]].whole_seconds for cdr in cdrs]
    assert all(cdr["charge_micros"] == cdr["billed_s"] * 10_000 for cdr in cdrs)
    assert accounts.pid == daemon
    measured("caller injection: calls on the victim's account", f"0 of {count}")


def test_a_caller_whose_name_holds_lines_reaches_nobody(accounts, lab, phones):
    before = len(lab.witness.legs())
    shown = [LINES, EVIL[0]]
    carrier = phones.place(
        [Dial("4003000001", shown=name, mode="wait") for name in shown], host=CARRIER_HOST
    )
    customer = phones.place(
        [Dial("13500000000", user="1009", shown=name, mode="wait") for name in shown]
    )
    carrier.done()
    customer.done()
    wait_for(lambda: len(lab.witness.legs()) >= before + 4, "the JSON CDRs")
    legs = lab.witness.legs()[before:]
    assert [(leg.direction, leg.cause) for leg in legs] == [("inbound", "CALL_REJECTED")] * 4


@pytest.mark.parametrize(
    "number",
    [
        "verdict-allowed",
        "13500000000%0A",
        "13500000000%7Csofia%2Flab%2Fx",
        "13500000000,sofia",
        "$%7Buuid%7D",
        "13500000000%27",
    ],
)
def test_a_number_that_is_no_number_is_not_dialled(accounts, lab, phones, number):
    before = len(lab.witness.legs())
    phones.place([Dial(number, user="1009", mode="wait")]).done()
    wait_for(lambda: len(lab.witness.legs()) > before, "the JSON CDR")
    (leg,) = lab.witness.legs()[before:]
    assert (leg.cause, leg.direction) == ("NO_ROUTE_DESTINATION", "inbound")


def test_a_customer_without_a_password_is_not_let_in(accounts, lab, phones):
    before = len(lab.witness.legs())
    call = phones.place([Dial("13500000000", user="1999", mode="wait")])
    call.done()
    lab.wait_until_idle()
    assert [leg for leg in lab.witness.legs()[before:] if leg.direction == "outbound"] == []
