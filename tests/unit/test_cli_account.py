import pytest
from commands import Commands

BAD_CODES = ["", "a b", "a/b", "x" * 65, "账户", "-x"]


@pytest.fixture
def shell(sqlite_url):
    return Commands(sqlite_url)


@pytest.fixture
def acme(shell, tmp_path):
    shell.open_for_business(tmp_path)
    return shell


def test_an_account_starts_at_zero_and_shows_what_it_was_given(shell):
    said = shell.do("account", "add", "acme", "--mode", "postpaid", "--credit-limit", "500")
    assert said == "added postpaid account acme in CNY\n"
    shown = shell.json("account", "show", "acme")
    assert shown["balance_micros"] == 0
    assert shown["credit_limit_micros"] == 500_000_000
    assert shown["credit_limit"] == "500.00"
    assert shown["free"] == "500.00"
    assert shown["created"].startswith("20")


def test_money_in_json_is_exact_both_ways(shell):
    shell.do("account", "add", "acme", "--mode", "prepaid")
    shell.do("account", "topup", "acme", "0.000001", "--ref", "a")
    shown = shell.json("account", "show", "acme")
    assert (shown["balance_micros"], shown["balance"]) == (1, "0.000001")


def test_a_repeated_topup_is_said_and_posts_nothing(acme):
    before = acme.rows()
    said = acme.do("account", "topup", "acme", "10", "--ref", "pay-1")
    assert "nothing changed" in said
    assert acme.rows() == before


def test_the_same_reference_with_another_amount_is_refused(acme):
    assert "pay-1" in acme.refused("account", "topup", "acme", "11", "--ref", "pay-1")


def test_a_negative_adjustment_is_an_amount_and_not_an_option(acme):
    acme.do("account", "adjust", "acme", "-2.50", "--ref", "fix-1", "--note", "重复充值")
    newest = acme.json("account", "entries", "acme")[0]
    assert (newest["amount_micros"], newest["balance_after"]) == (-2_500_000, "7.50")
    assert newest["note"] == "重复充值"


def test_an_adjustment_beyond_what_is_free_is_refused(acme):
    acme.refused("account", "adjust", "acme", "-10.01", "--ref", "fix-1")


def test_a_repeated_adjustment_posts_nothing(acme):
    acme.do("account", "adjust", "acme", "-1", "--ref", "fix-1")
    before = acme.rows()
    assert "nothing changed" in acme.do("account", "adjust", "acme", "-1", "--ref", "fix-1")
    assert acme.rows() == before


def test_suspend_and_resume_say_what_changed(acme):
    assert acme.do("account", "suspend", "acme") == "suspended account acme\n"
    assert acme.json("account", "show", "acme")["suspended"] is True
    assert "already" in acme.do("account", "suspend", "acme")
    assert acme.do("account", "resume", "acme") == "resumed account acme\n"
    assert acme.json("account", "show", "acme")["suspended"] is False


def test_set_changes_limit_and_tariff_in_one_transaction(acme, tmp_path):
    acme.do("account", "add", "later", "--mode", "postpaid")
    acme.do("account", "set", "later", "--credit-limit", "9", "--tariff", "400=std")
    shown = acme.json("account", "show", "later")
    assert (shown["credit_limit"], shown["tariffs"]) == ("9.00", {"400": "std"})
    acme.refused("account", "set", "later", "--credit-limit", "8", "--tariff", "400=nosuch")


def test_a_limit_below_what_is_owed_is_refused(shell):
    shell.do("account", "add", "owes", "--mode", "postpaid", "--credit-limit", "10")
    shell.do("account", "adjust", "owes", "-6", "--ref", "opening")
    shell.refused("account", "set", "owes", "--credit-limit", "5")


def test_list_has_one_row_for_each_account(acme):
    acme.do("account", "add", "zeta", "--mode", "prepaid")
    assert [one["account"] for one in acme.json("account", "list")] == ["acme", "zeta"]
    lines = acme.do("account", "list").splitlines()
    assert lines[0].split()[:3] == ["ACCOUNT", "MODE", "STATE"]
    assert lines[1].split()[-1] == "10.00"


@pytest.mark.parametrize("code", BAD_CODES[:5])
def test_a_bad_code_is_refused(shell, code):
    shell.refused("account", "add", code, "--mode", "prepaid")


@pytest.mark.parametrize("amount", ["", "x", "1e400", "nan", "0", "-1", "0.0000001", "9" * 30])
def test_a_bad_amount_is_misuse(acme, amount):
    acme.misused("account", "topup", "acme", "--ref", "r", "--", amount)


@pytest.mark.parametrize("amount", ["x", "-x", "--5", "0.0000001"])
def test_a_bad_adjustment_is_misuse(acme, amount):
    acme.misused("account", "adjust", "acme", amount, "--ref", "r")


@pytest.mark.parametrize(
    "words",
    [
        ("add", "acme"),
        ("add", "b", "--mode", "lifetime"),
        ("add", "b", "--mode", "prepaid", "--tariff", "400"),
        ("add", "b", "--mode", "prepaid", "--tariff", "fax=std"),
        ("add", "b", "--mode", "postpaid", "--credit-limit", "-1"),
        ("topup", "acme", "5"),
        ("adjust", "acme", "5"),
        ("set", "acme"),
        ("entries", "acme", "--limit", "0"),
        ("show",),
        ("nosuch",),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(acme, words):
    acme.misused("account", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("add", "acme", "--mode", "prepaid"),
        ("add", "b", "--mode", "prepaid", "--credit-limit", "5"),
        ("add", "b", "--mode", "prepaid", "--tariff", "400=nosuch"),
        ("add", "b", "--mode", "prepaid", "--currency", "yuan"),
        ("topup", "nobody", "5", "--ref", "r"),
        ("topup", "acme", "5", "--ref", ""),
        ("adjust", "nobody", "5", "--ref", "r"),
        ("adjust", "acme", "0", "--ref", "r"),
        ("set", "nobody", "--credit-limit", "1"),
        ("show", "nobody"),
        ("entries", "nobody"),
        ("suspend", "nobody"),
        ("resume", "nobody"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(acme, words):
    acme.refused("account", *words)


def test_limits_are_set_shown_and_taken_away(acme):
    said = acme.do("account", "set", "acme", "--max-calls", "30", "--daily-cap", "500")
    assert said == "changed account acme: max calls 30, daily cap 500.00\n"
    shown = acme.json("account", "show", "acme")
    assert (shown["max_calls"], shown["max_cps"], shown["daily_cap"]) == (30, None, "500.00")
    assert shown["monthly_cap_micros"] is None
    assert "max calls" in acme.do("account", "show", "acme")
    acme.do("account", "set", "acme", "--max-calls", "none", "--daily-cap", "none")
    shown = acme.json("account", "show", "acme")
    assert (shown["max_calls"], shown["daily_cap_micros"]) == (None, None)
    assert "max calls" not in acme.do("account", "show", "acme")


@pytest.mark.parametrize(
    "words", [("--max-calls", "-1"), ("--max-cps", "2.5"), ("--daily-cap", "-1")]
)
def test_a_limit_that_is_none_is_a_wrong_word(acme, words):
    acme.misused("account", "set", "acme", *words)


def test_a_time_zone_that_does_not_exist_is_refused(acme):
    assert "Asia/Nowhere" in acme.refused("account", "set", "acme", "--time-zone", "Asia/Nowhere")
