"""What the switch's record proves of a leg, and what it does not."""

import json

import pytest

from fsbilling.billing.attempt import NumberPlan
from fsbilling.billing.evidence import as_let_through, read_evidence
from fsbilling.errors import Refused
from fsbilling.switch.witness import Witness, read_path

S = 1_000_000
T0 = 1_795_299_000 * S
A = "00000000-0000-4000-8000-00000000000a"
B = "00000000-0000-4000-8000-00000000000b"
PLAN = NumberPlan(emergency=frozenset({"110"}))


def answer(at_us, verdict="allowed"):
    data = f"^^|fsbilling_verdict={verdict}|fsbilling_account=acme"
    return {"app_name": "multiset", "app_data": data, "app_stamp": str(at_us)}


def asks(service, number, leg_uuid=""):
    """What the dialplan does before it asks the hook."""
    values = {"verdict": "unavailable", "service": service, "number": number, "leg": leg_uuid}
    runs = [("multiunset", "fsbilling_reason fsbilling_target fsbilling_leg")]
    runs += [("set", f"fsbilling_{name}={value}") for name, value in values.items() if value]
    return [{"app_name": name, "app_data": data, "app_stamp": str(T0)} for name, data in runs]


def leg(folder, uuid=A, *, answers=(), caller="1001", callee="13800138000", ani="", **variables):
    record = {
        "core-uuid": "c",
        "variables": {
            "uuid": uuid,
            "direction": "inbound",
            "start_uepoch": str(T0),
            "answer_uepoch": str(T0 + 2 * S),
            "end_uepoch": str(T0 + 20 * S),
            "fsbilling_verdict": "allowed",
            "fsbilling_account": "acme",
            "fsbilling_call": uuid,
            "fsbilling_service": "outbound",
            "fsbilling_number": "13800138000",
        }
        | variables,
        "app_log": {"applications": list(answers)},
        "callflow": [
            {
                "caller_profile": {
                    "caller_id_number": caller,
                    "destination_number": callee,
                    "ani": ani,
                }
            }
        ],
    }
    path = folder / f"{uuid}.cdr.json"
    path.write_text(json.dumps(record))
    return path


def carrier_leg(folder, **variables):
    """A leg that the dialplan billed by itself: the channel before it had been answered."""
    own = {"direction": "outbound", "fsbilling_verdict": "", "fsbilling_number": ""}
    return leg(folder, B, caller="02088888888", originator=A, **(own | variables))


def read(folder, path):
    record = as_let_through(read_path(path))
    return read_evidence(record, Witness(folder), switch="fs1", plan=PLAN)


def test_a_leg_is_read_as_the_hook_read_it(tmp_path):
    path = leg(tmp_path, answers=[answer(T0 + S)], effective_caller_id_number="02012345678")
    attempt = read(tmp_path, path)
    assert (attempt.account, attempt.service, attempt.uuid) == ("acme", "outbound", A)
    assert (attempt.caller.dialled, attempt.callee.digits) == ("1001", "8613800138000")
    assert attempt.rated_caller.dialled == "02012345678"
    assert attempt.talks_since_us == 0


def test_a_leg_that_a_menu_had_answered_is_paid_for_from_the_hook_s_answer_on(tmp_path):
    path = leg(tmp_path, answers=[answer(T0 + 7 * S)])
    assert read(tmp_path, path).talks_since_us == T0 + 7 * S


def test_an_answer_that_only_seems_to_come_before_the_hook_s_is_the_answer(tmp_path):
    """Of a real record: the clock of channel times lags that of applications by some ms."""
    path = leg(tmp_path, answers=[answer(T0 + 2 * S + 16_000)])
    assert read(tmp_path, path).talks_since_us == 0


def test_a_refusal_before_the_yes_changes_nothing(tmp_path):
    path = leg(tmp_path, answers=[answer(T0, "refused"), answer(T0 + S)])
    assert read(tmp_path, path).account == "acme"


@pytest.mark.parametrize(
    "answers",
    [
        [answer(T0), answer(T0 + 9 * S)],
        [answer(T0), answer(T0 + 9 * S, "refused")],
    ],
)
def test_a_leg_that_asked_again_shows_the_last_call_only(tmp_path, answers):
    refused = read(tmp_path, leg(tmp_path, answers=answers))
    assert isinstance(refused, Refused)
    assert refused.reason == "asked_twice"


@pytest.mark.parametrize("second", ["allowed", "refused"])
def test_a_caller_whom_a_menu_forwards_pays_for_the_400_number_that_he_called(tmp_path, second):
    """Of a real record: the leg that the forwarding began asked for is another call."""
    mobile = {"fsbilling_number": "13800138000", "fsbilling_leg": B, "fsbilling_verdict": second}
    first, forwarded = answer(T0 + S), answer(T0 + 9 * S, second)
    first["app_data"] += "|fsbilling_target=extension/menu/company"
    forwarded["app_data"] = f"^^|fsbilling_verdict={second}|fsbilling_leg_account=other"
    log = [*asks("400", "4001234567"), first, *asks("outbound", "13800138000", B), forwarded]
    path = leg(tmp_path, answers=log, caller="02088888888", callee="4001234567", **mobile)
    record, attempt = as_let_through(read_path(path)), read(tmp_path, path)
    assert (attempt.uuid, attempt.service, attempt.account) == (A, "400", "acme")
    assert (attempt.callee.dialled, attempt.rated_caller.dialled) == ("4001234567", "02088888888")
    assert record.variable("fsbilling_target") == "extension/menu/company"
    assert attempt.talks_since_us == 0, "the menu answered after the first yes"


def test_a_400_number_that_was_refused_at_first_is_not_paid_for_by_a_later_leg(tmp_path):
    log = [*asks("400", "4001234567"), answer(T0, "refused"), *asks("outbound", "138", B)]
    refused = read(tmp_path, leg(tmp_path, answers=[*log, answer(T0 + S)], fsbilling_leg=B))
    assert isinstance(refused, Refused)
    assert refused.reason == "asked_twice"


def test_a_leg_that_the_switch_began_keeps_the_caller_it_began_with(tmp_path):
    """Of a real record: once answered, its caller ID is the number that was called."""
    own = {"direction": "outbound", "fsbilling_verdict": ""}
    path = leg(tmp_path, caller="13800138000", ani="02088888888", **own)
    assert read(tmp_path, path).caller.dialled == "02088888888"
    leg(tmp_path, fsbilling_leg=B, caller="1001")
    path = leg(tmp_path, B, caller="1002", ani="1003", originator=A, fsbilling_leg="", **own)
    assert read(tmp_path, path).caller.dialled == "1001", "another leg's is told by who asked"


def test_a_carrier_leg_is_priced_by_what_the_channel_before_it_asked_for(tmp_path):
    leg(tmp_path, fsbilling_leg=B, effective_caller_id_number="02012345678", fsbilling_account="")
    attempt = read(tmp_path, carrier_leg(tmp_path))
    assert (attempt.uuid, attempt.direction, attempt.account) == (B, "outbound", "acme")
    assert (attempt.caller.dialled, attempt.callee.digits) == ("1001", "8613800138000")
    assert attempt.rated_caller.dialled == "02012345678", "not what the carrier was shown"


def test_a_carrier_leg_whose_asker_has_no_record_is_left(tmp_path):
    refused = read(tmp_path, carrier_leg(tmp_path))
    assert isinstance(refused, Refused)
    assert refused.reason == "no_record"


@pytest.mark.parametrize(
    "variables",
    [
        {"fsbilling_account": ""},
        {"fsbilling_verdict": ""},
        {"fsbilling_verdict": "unavailable"},
        {"fsbilling_account": "", "sip_h_X-fsbilling_account": "acme"},
        {"fsbilling_verdict": "", "sip_h_fsbilling_verdict": "allowed"},
        {"fsbilling_verdict": "", "direction": "outbound", "fsbilling_call": ""},
        {"fsbilling_verdict": "", "direction": "outbound", "fsbilling_call": B},
    ],
)
def test_without_the_daemon_s_own_yes_nobody_pays(tmp_path, variables):
    refused = read(tmp_path, leg(tmp_path, **variables))
    assert isinstance(refused, Refused)
    assert refused.reason == "not_let_through"
