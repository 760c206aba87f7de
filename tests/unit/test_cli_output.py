import pytest

from fsbilling.cli import output


def test_chinese_text_takes_two_columns_so_that_tables_stay_aligned(capsys):
    output.table(["city", ">price"], [("深圳", "0.15"), ("Ulm", "10.00")])
    assert capsys.readouterr().out.splitlines() == [
        "CITY  PRICE",
        "深圳   0.15",
        "Ulm   10.00",
    ]


def test_a_records_values_stand_under_each_other(capsys):
    output.record([("城市", "深圳"), ("why", "x")])
    assert capsys.readouterr().out == "城市  深圳\nwhy   x\n"


@pytest.mark.parametrize("evil", ["\x1b[31m", "a\rb", "a\nb", "\u202e", "\x00", "\x9b"])
def test_what_a_terminal_would_obey_is_not_printed(capsys, evil):
    output.table(["a"], [(evil,)])
    output.record([("a", evil)])
    output.say(evil)
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\r\u202e\x00\x9b")
    assert printed.count("\n") == 4


def test_money_and_moments_are_told_exactly_and_readably():
    assert output.money("charge", 150_000) == {"charge_micros": 150_000, "charge": "0.15"}
    assert output.money("price", 1, "_per_min") == {
        "price_micros_per_min": 1,
        "price_per_min": "0.000001",
    }
    assert output.moment("ended", 0) == {"ended_us": 0, "ended": None}
    assert output.moment("ended", 1_000_000)["ended_us"] == 1_000_000


def test_seconds_are_cut_and_not_rounded():
    assert output.seconds(1_999_999) == "1.999"
    assert output.seconds(0) == "0.000"
