"""What is known of a switch's clock from late events, and from asking for it."""

from fsbilling.billing.skew import Skew

S = 1_000_000
AHEAD = 7 * S
"""How far our clock really is ahead."""


def hears(skew, now_us, late_us):
    skew.observe(now_us - AHEAD - late_us, now_us)


def asks(skew, now_us, there_us, back_us):
    skew.answered(
        now_us + there_us - AHEAD, asked_us=now_us, arrived_us=now_us + there_us + back_us
    )


def test_nothing_is_known_before_the_switch_has_told_its_time():
    skew = Skew()
    assert (skew.is_known, skew.ahead_us) == (False, 0)


def test_the_least_late_event_tells_most():
    skew = Skew()
    for late_us in (3 * S, 40_000, S):
        hears(skew, 100 * S, late_us)
    assert (skew.is_known, skew.ahead_us) == (True, AHEAD + 40_000)


def test_an_answer_puts_right_what_late_events_made_of_it():
    skew = Skew()
    for _ in range(100):
        hears(skew, 100 * S, 3 * S)
    asks(skew, 101 * S, 500, 700)
    for _ in range(100):
        hears(skew, 102 * S, 3 * S)
    assert skew.ahead_us == AHEAD + 700


def test_an_answer_that_was_long_under_way_spoils_nothing():
    skew = Skew()
    asks(skew, 100 * S, 500, 700)
    asks(skew, 105 * S, 2 * S, 2 * S)
    assert skew.ahead_us == AHEAD + 700


def test_a_switch_whose_clock_was_set_is_believed_when_it_answers():
    skew = Skew()
    asks(skew, 100 * S, 500, 700)
    for step_us in (5 * S, -5 * S):
        skew.answered(105 * S - AHEAD + step_us, asked_us=105 * S - 500, arrived_us=105 * S + 700)
        assert skew.ahead_us == AHEAD - step_us + 700
