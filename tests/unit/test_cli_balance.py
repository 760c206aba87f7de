import pytest
from commands import Commands


@pytest.fixture
def acme(sqlite_url, tmp_path):
    shell = Commands(sqlite_url)
    shell.open_for_business(tmp_path)
    shell.do("number", "add", "4001234567", "--account", "acme", "--target", "user/1001")
    return shell


def test_it_tells_what_is_free_and_that_calls_may_start(acme):
    answer = acme.json("balance", "acme")
    assert (answer["free_micros"], answer["free"]) == (10_000_000, "10.00")
    assert answer["verdict"] == "allowed"
    assert "10.00" in acme.do("balance", "acme")


@pytest.mark.parametrize("callee", ["13800138000", "4001234567"])
def test_for_a_callee_it_tells_how_long_the_credit_lasts(acme, callee):
    answer = acme.json("balance", "acme", "--callee", callee)
    assert (answer["verdict"], answer["seconds"]) == ("allowed", 1_000)


def test_an_emergency_is_always_let_through(acme):
    acme.do("account", "suspend", "acme")
    assert acme.json("balance", "acme", "--callee", "120")["verdict"] == "emergency"


def _reason(shell, *words):
    answer = shell.json("balance", *words)
    assert answer["verdict"] == "refused"
    assert answer["detail"]
    return answer["reason"]


def test_a_suspended_account_is_refused(acme):
    acme.do("account", "suspend", "acme")
    assert _reason(acme, "acme") == "suspended"
    assert _reason(acme, "acme", "--callee", "13800138000") == "suspended"


def test_an_account_without_credit_is_refused(acme):
    acme.do("account", "adjust", "acme", "-10", "--ref", "all")
    assert _reason(acme, "acme") == "no_credit"
    assert _reason(acme, "acme", "--callee", "13800138000") == "no_credit"


def test_an_account_without_a_tariff_is_refused(acme):
    acme.do("account", "add", "bare", "--mode", "prepaid")
    acme.do("account", "topup", "bare", "1", "--ref", "r")
    assert _reason(acme, "bare") == "no_tariff"
    assert _reason(acme, "bare", "--callee", "13800138000") == "no_tariff"


def test_a_call_without_a_rate_is_refused(acme, tmp_path):
    table = tmp_path / "home.csv"
    table.write_text("destination,price_per_min\nprefix:86,0.10\n")
    acme.do("rates", "import", "home", table)
    acme.do("account", "set", "acme", "--tariff", "outbound=home")
    assert _reason(acme, "acme", "--callee", "0012025550123") == "no_rate"


def test_a_400_number_of_nobody_or_of_another_is_refused(acme):
    acme.do("account", "add", "other", "--mode", "prepaid", "--tariff", "400=std")
    assert _reason(acme, "acme", "--callee", "4009999999") == "unknown_number"
    assert _reason(acme, "other", "--callee", "4001234567") == "other_account"


def test_asking_changes_nothing(acme):
    before = acme.rows()
    acme.do("balance", "acme", "--callee", "13800138000")
    assert acme.rows() == before


def test_an_unknown_account_is_refused(acme):
    acme.refused("balance", "nobody")


def test_no_account_is_misuse(acme):
    acme.misused("balance")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--max-calls", "too_many_calls"),
        ("--daily-cap", "daily_cap"),
        ("--monthly-cap", "monthly_cap"),
    ],
)
def test_a_limit_is_told_as_the_reason(acme, option, reason):
    acme.do("account", "set", "acme", option, "0")
    assert _reason(acme, "acme") == reason
    assert _reason(acme, "acme", "--callee", "13800138000") == reason


def test_a_cap_bounds_how_long_a_call_could_last(acme):
    acme.do("account", "set", "acme", "--daily-cap", "1")
    assert acme.json("balance", "acme", "--callee", "13800138000")["seconds"] == 100


def test_the_greatest_length_bounds_how_long_a_call_could_last(acme):
    acme.do("account", "set", "acme", "--max-call-s", "60")
    assert acme.json("balance", "acme", "--callee", "13800138000")["seconds"] == 60
