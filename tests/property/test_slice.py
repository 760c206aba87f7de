"""However calls come and go, holds never exceed the credit, and little of it is left unused."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fsbilling.clock import US_PER_S
from fsbilling.credit.slice import HORIZON_S, can_start, next_grant
from fsbilling.rating.price import price
from fsbilling.rating.rate import Rate
from fsbilling.rating.terms import Terms

RATES = st.builds(
    Rate,
    rate_micros_per_min=st.integers(0, 5_000_000),
    connect_fee_micros=st.sampled_from([0, 0, 100_000]),
    first_increment_s=st.sampled_from([1, 6, 30, 60]),
    next_increment_s=st.sampled_from([1, 6, 60]),
    grace_s=st.sampled_from([0, 0, 3]),
    min_charge_micros=st.sampled_from([0, 0, 50_000]),
    max_charge_micros=st.sampled_from([0, 0, 3_000_000]),
)
TERMS = st.builds(Terms, tariff=st.just("std"), version=st.just(1), rate=RATES)


def grant_of(terms, *, granted_s=0, held=0, free=0, live=1, slice_s=30):
    return next_grant(
        terms,
        answered_us=0,
        granted_s=granted_s,
        held_micros=held,
        free_micros=free,
        live_calls=live,
        slice_s=slice_s,
    )


@given(
    TERMS, st.integers(-1_000_000, 50_000_000), st.integers(1, 100), st.sampled_from([1, 15, 60])
)
def test_a_grant_is_paid_for_and_never_beyond_the_free_credit(terms, free, live, slice_s):
    grant = grant_of(terms, free=free, live=live, slice_s=slice_s)
    assert grant.held_micros <= max(free, 0)
    assert grant.granted_s <= HORIZON_S
    assert grant.held_micros >= price(terms, 0, grant.granted_s * US_PER_S).amount_micros


@given(TERMS, st.integers(0, 50_000_000), st.integers(1, 50))
def test_renewals_reach_the_last_second_that_the_credit_buys(terms, credit, live):
    """One call left alone ends exactly where one more second would cost more than there was."""
    granted_s = held = 0
    while granted_s < 600:
        grant = grant_of(
            terms, granted_s=granted_s, held=held, free=credit - held, live=live, slice_s=60
        )
        assert grant.held_micros >= held
        if grant.granted_s == granted_s:
            beyond = price(terms, 0, (granted_s + 1) * US_PER_S).amount_micros
            assert beyond > credit
            break
        granted_s, held = grant.granted_s, grant.held_micros


@settings(max_examples=50)
@given(st.integers(2, 50), st.integers(2, 40), st.sampled_from([1, 6]))
def test_equal_calls_on_one_account_run_dry_together(calls, fair_s, increment_s):
    """All talk at once and renew when they must; the spread at the end is two seconds a step."""
    terms = Terms(
        tariff="std",
        version=1,
        rate=Rate(
            rate_micros_per_min=600_000,
            first_increment_s=increment_s,
            next_increment_s=increment_s,
        ),
    )
    free = calls * fair_s * 10_000
    granted = [0] * calls
    held = [0] * calls
    for now_s in range(4 * fair_s + 60):
        for call in range(calls):
            if granted[call] - now_s <= 3:
                grant = grant_of(
                    terms,
                    granted_s=granted[call],
                    held=held[call],
                    free=free,
                    live=calls,
                    slice_s=15,
                )
                free -= grant.held_micros - held[call]
                granted[call], held[call] = grant.granted_s, grant.held_micros
    assert free < 10_000 * increment_s
    assert max(granted) - min(granted) <= max(4, 2 * increment_s)


def test_seconds_free_by_grace_start_no_call_without_credit():
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=60, grace_s=5))
    assert not can_start(terms, answered_us=0, free_micros=0)
    assert can_start(terms, answered_us=0, free_micros=1_000)


def test_a_free_call_starts_without_credit():
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=0))
    assert can_start(terms, answered_us=0, free_micros=0)
    assert grant_of(terms, free=0, slice_s=30).granted_s == 30
