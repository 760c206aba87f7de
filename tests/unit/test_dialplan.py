"""The dialplan files: well-formed, closed when anything fails, emergencies before all of it."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from fsbilling.config import Config

ROOT = Path(__file__).parents[2]
DIALPLAN = ROOT / "dialplan"
OUTBOUND = DIALPLAN / "default" / "00_fsbilling.xml"
TO_400 = DIALPLAN / "public" / "00_fsbilling.xml"
VERDICTS = DIALPLAN / "fsbilling.xml"
VARS = DIALPLAN / "00_fsbilling_vars.xml"
XML_FILES = sorted([*DIALPLAN.rglob("*.xml"), *(ROOT / "contrib").rglob("*.xml")], key=str)


def extension(path: Path, name: str) -> ET.Element:
    found = ET.parse(path).find(f".//extension[@name='{name}']")
    assert found is not None, name
    return found


def steps(within: ET.Element) -> list[tuple[str, str]]:
    """Its applications with their arguments, in the order in which they run."""
    return [
        (step.get("application", ""), step.get("data", ""))
        for step in within.iter()
        if step.tag in {"action", "anti-action"}
    ]


def patterns(within: ET.Element, field: str) -> list[str]:
    return [
        test.get("expression", "")
        for test in within.iter()
        if test.tag in {"condition", "regex"} and test.get("field") == field
    ]


def settings() -> dict[str, str]:
    pairs = (step.get("data", "").split("=", 1) for step in ET.parse(VARS).iter("X-PRE-PROCESS"))
    return dict(pairs)


@pytest.mark.parametrize("path", XML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_well_formed(path):
    ET.parse(path)


@pytest.mark.parametrize(
    ("path", "name"), [(OUTBOUND, "fsbilling-outbound"), (TO_400, "fsbilling-400")]
)
class TestTheWayToTheHook:
    def test_the_verdict_is_unavailable_until_the_hook_says_otherwise(self, path, name):
        run = steps(extension(path, name))
        hook = [app for app, _ in run].index("socket")
        assert ("set", "fsbilling_verdict=unavailable") in run[:hook]
        assert not any("fsbilling_verdict=" in data for _, data in run[hook:])

    def test_stale_answers_are_cleared_before_the_hook(self, path, name):
        app, cleared = steps(extension(path, name))[0]
        assert app == "multiunset"
        answers = {"target", "cause", "reason", "granted_s", "leg", "leg_account"}
        assert {f"fsbilling_{answer}" for answer in answers} == set(cleared.split())

    def test_a_hook_that_hangs_is_bounded_by_a_timer(self, path, name):
        """Refused within 5 s, though the switch may come to its timer up to a second late."""
        run = steps(extension(path, name))
        hook = [app for app, _ in run].index("socket")
        (before, after_s), (_, address), (after, whose) = run[hook - 1 : hook + 2]
        assert (before, after) == ("sched_hangup", "sched_cancel")
        bound = re.fullmatch(r"\+(\d+) NORMAL_TEMPORARY_FAILURE", after_s)
        assert bound
        assert Config().hook.deadline_ms < int(bound[1]) * 1_000 <= 4_000
        assert (address, whose) == ("$${fsbilling_hook}", "${uuid}")

    def test_only_a_verdict_or_a_hang_up_follows(self, path, name):
        run = steps(extension(path, name))
        hook = [app for app, _ in run].index("socket")
        assert run[hook + 2 :] == [
            ("execute_extension", "verdict-${fsbilling_verdict} XML fsbilling"),
            ("hangup", "NORMAL_TEMPORARY_FAILURE"),
        ]

    def test_the_payer_is_never_exported(self, path, name):
        exported = [data for app, data in steps(extension(path, name)) if app == "export"]
        assert exported == ["fsbilling_call=${uuid}"]

    def test_a_caller_with_line_breaks_in_his_name_is_turned_away_first(self, path, name):
        run = steps(extension(path, name))
        assert run.index(("hangup", "CALL_REJECTED")) < [app for app, _ in run].index("socket")
        for field in ("caller_id_number", "caller_id_name"):
            (pattern,) = patterns(extension(path, name), field)
            assert re.search(pattern, "evil\nvariable_fsbilling_account: victim")
            assert not re.search(pattern, "1380013800 张三")


def test_emergencies_come_first_and_nothing_of_ours_is_on_their_way():
    first = next(ET.parse(OUTBOUND).iter("extension"))
    assert first.get("name") == "fsbilling-emergency"
    assert {app for app, _ in steps(first)} == {"set", "export", "bridge"}
    (pattern,) = patterns(first, "destination_number")
    pattern = pattern.replace("$${fsbilling_emergency}", settings()["fsbilling_emergency"])
    assert all(re.search(pattern, number) for number in ("110", "119", "120", "122"))
    assert not any(re.search(pattern, number) for number in ("1100", "0110", "11", "013800138110"))


@pytest.mark.parametrize(
    "number",
    [
        "verdict-allowed",
        "138001380,sofia",
        "13800138000|user",
        "13800138000\n",
        "${uuid}",
        "13800138000'",
        "138 001",
        "12",
        "1" * 21,
        "a13800138000",
        "&park()",
        "１３８００１３８０００",
    ],
)
def test_what_is_no_number_is_not_dialled(number):
    for path in (OUTBOUND, TO_400):
        for found in ET.parse(path).iter("extension"):
            (pattern,) = patterns(found, "destination_number")
            pattern = pattern.replace("$${fsbilling_emergency}", settings()["fsbilling_emergency"])
            assert not re.search(_as_python(pattern), number, re.ASCII)


def _as_python(pattern: str) -> str:
    return pattern.replace(r"\z", r"\Z")


@pytest.mark.parametrize("number", ["4001234567", "864001234567", "+864001234567", "04001234567"])
def test_every_spelling_of_a_400_number_is_reduced_to_its_digits(number):
    (pattern,) = patterns(extension(TO_400, "fsbilling-400"), "destination_number")
    found = re.search(_as_python(pattern), number)
    assert found is not None
    assert found[1] == "4001234567"


class TestVerdicts:
    def test_they_stand_in_contexts_that_no_call_comes_in_by(self):
        contexts = [context.get("name") for context in ET.parse(VERDICTS).iter("context")]
        assert contexts == ["fsbilling", "fsbilling-no-transfer"]

    def test_the_last_one_takes_whatever_is_left_and_hangs_up(self):
        *_, last = ET.parse(VERDICTS).findall(".//context[@name='fsbilling']/extension")
        assert patterns(last, "destination_number") == []
        assert steps(last) == [("hangup", "NORMAL_TEMPORARY_FAILURE")]

    def test_only_allowed_and_emergency_bridge(self):
        bridging = {
            found.get("name", "")
            for found in ET.parse(VERDICTS).iter("extension")
            if any(app in {"bridge", "transfer"} for app, _ in steps(found))
        }
        assert {re.sub("-(400|outbound).*", "", name) for name in bridging} == {
            "verdict-allowed",
            "verdict-emergency",
        }

    def test_after_a_bridge_nothing_goes_on(self):
        for found in ET.parse(VERDICTS).iter("extension"):
            run = steps(found)
            for at, (app, _) in enumerate(run):
                if app == "bridge":
                    assert ("set", "hangup_after_bridge=true") in run[:at]
                    assert run[at + 1] == ("hangup", "")

    def test_who_does_not_pay_cannot_transfer(self):
        blocked = "fsbilling-no-transfer"
        for name, caller, callee in (
            ("verdict-allowed-400", "$${fsbilling_transfer_context}", blocked),
            ("verdict-allowed-outbound", blocked, "$${fsbilling_transfer_context}"),
        ):
            run = steps(extension(VERDICTS, name))
            assert ("set", f"force_transfer_context={caller}") in run
            assert ("export", f"nolocal:force_transfer_context={callee}") in run
        run = steps(extension(VERDICTS, "verdict-allowed-outbound-leg"))
        assert ("set", f"force_transfer_context={blocked}") in run
        assert f"force_transfer_context={blocked}," in dict(run)["bridge"]

    def test_nothing_a_caller_wrote_gets_into_a_dial_string(self):
        ours = re.compile(r"\$?\$\{(?:fsbilling_\w+|cond\(.*?\))\}|\$1")
        for path in (OUTBOUND, TO_400, VERDICTS):
            for app, data in steps(ET.parse(path).getroot()):
                if app == "bridge":
                    assert "$" not in ours.sub("", re.sub(r"\$\{cond\(.*?\)\}", "", data))

    def test_redirects_leave_by_no_unpaid_way(self):
        for name in ("verdict-allowed-400", "verdict-allowed-outbound"):
            run = steps(extension(VERDICTS, name))
            assert ("export", "nolocal:outbound_redirect_fatal=true") in run
        leg = dict(steps(extension(VERDICTS, "verdict-allowed-outbound-leg")))
        assert "outbound_redirect_fatal=true" in leg["bridge"]


def test_the_lab_runs_these_very_files():
    lab = "".join(path.read_text() for path in (ROOT / "contrib" / "lab").glob("*.xml"))
    included = set(re.findall(r'cmd="include" data="../../dialplan/([^"]+)"', lab))
    assert included == {
        str(path.relative_to(DIALPLAN)) for path in (VARS, OUTBOUND, TO_400, VERDICTS)
    }
