"""`make demo` shows what the README says of it."""

import re
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What a newcomer sees, who has nothing set up."""
    done = subprocess.run(
        [sys.executable, "-m", "fsbilling", "demo"],
        cwd=tmp_path_factory.mktemp("newcomer"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(shown, heading):
    """The rows of a table, by its first word."""
    _, _, after = shown.partition(f"\n{heading} ")
    table, _, _ = after.partition("\n\n")
    return [line.split() for line in table.splitlines()[1:]]


def test_each_decision_is_told_as_it_falls(shown):
    told = re.findall(r"(?m)^ *[\d.]+ s  (\w+) +[0-9a-f]{8}  account=(\w+)", shown)
    assert {name for name, account in told if account == "flowers"} == {
        "authorised",
        "answered",
        "settled",
    }
    of_taxi = [name for name, account in told if account == "taxi"]
    assert of_taxi == [
        *("authorised", "answered", "warned", "cut", "settled"),
        *("authorised", "answered", "settled"),
    ]
    after_the_cut = shown.partition("  cut  ")[2]
    refused, top_up, served = map(
        after_the_cut.find, ("reason=no_credit", "top-up      taxi", "authorised  ")
    )
    assert 0 < refused < top_up < served


def test_each_call_but_the_emergency_has_a_record_that_says_why_it_costs_that(shown):
    records = rows(shown, "ACCOUNT  CALLER")
    assert len(records) == 10
    assert {callee for _, _, callee, *_ in records} >= {"4001234567", "02161234567"}
    regions = ("深圳", "北京", "上海", "香港")
    assert all(f"({region})" in shown for region in regions), "prices by region"
    for _, _, _, billed_s, charge, _, *why in records:
        assert billed_s == "0" or why[-1] == charge


def test_the_balances_are_what_was_paid_in_less_what_was_spent_and_nothing_is_held(shown):
    paid_in = {"flowers": 5_000_000, "survey": 3_000_000, "taxi": 1_100_000}
    spent = dict.fromkeys(paid_in, 0)
    for account, _, _, _, charge, *_ in rows(shown, "ACCOUNT  CALLER"):
        spent[account] += micros(charge)
    for account, balance, held, _ in rows(shown, "ACCOUNT  BALANCE"):
        assert micros(balance) == paid_in.pop(account) - spent[account]
        assert micros(held) == 0
    assert not paid_in


def micros(amount):
    whole, _, part = amount.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def test_every_figure_is_checked(shown):
    assert "Ledger: verified, nothing was changed." in shown
    assert shown.endswith(
        "Every figure adds up: CDRs, holds, balances and the ledger's hash chain.\n"
    )
