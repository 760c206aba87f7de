"""However calls come and go, holds never exceed the credit, and little of it is left unused."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbilling.calls.cdr import HungUpBy
from fsbilling.clock import US_PER_S
from fsbilling.credit.allowance import Allowance, allowance
from fsbilling.credit.limits import Limits, period_start_us, periods
from fsbilling.credit.outlook import KEPT_S, outlook
from fsbilling.credit.slice import HORIZON_S, RING_S, can_start, first_grant, next_grant
from fsbilling.credit.throttle import admit
from fsbilling.rating.plan import UNLIMITED_S
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


def grant_of(
    terms, *, granted_s=0, held=0, free=0, live=1, slice_s=30, included_s=0, included_free_s=0
):
    return next_grant(
        terms,
        answered_us=0,
        granted_s=granted_s,
        held_micros=held,
        free_micros=free,
        live_calls=live,
        slice_s=slice_s,
        included_s=included_s,
        included_free_s=included_free_s,
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


@settings(max_examples=50, deadline=None)
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


@given(
    TERMS,
    st.integers(0, 50_000_000),
    st.integers(1, 100),
    st.integers(0, 300),
    st.sampled_from([None, 5, 90]),
)
def test_what_is_given_back_leaves_the_talk_so_far_and_two_seconds_paid_for(
    terms, free, live, talked_s, longest_s
):
    granted = grant_of(terms, free=50_000_000, slice_s=320)
    seen = outlook(
        terms,
        answered_us=0,
        talked_s=min(talked_s, granted.granted_s),
        granted_s=granted.granted_s,
        held_micros=granted.held_micros,
        free_micros=free,
        live_calls=live,
        longest_s=longest_s,
    )
    assert seen.granted_s <= granted.granted_s
    assert seen.granted_s >= min(talked_s + KEPT_S, granted.granted_s)
    assert seen.held_micros <= granted.held_micros
    assert seen.held_micros >= price(terms, 0, seen.granted_s * US_PER_S).amount_micros


@given(st.integers(1, 50), st.lists(st.integers(0, 2_000_000), max_size=200))
def test_in_no_second_start_more_than_twice_the_calls_and_in_the_long_run_no_more(per_s, gaps_us):
    """A bucket of one second's calls, that fills with as many a second."""
    full_us, now_us, admitted = 0, 1_000_000_000, []
    for gap_us in gaps_us:
        now_us += gap_us
        after_us = admit(full_us, now_us, per_s)
        if after_us is not None:
            full_us = after_us
            admitted.append(now_us)
    for first, at_us in enumerate(admitted):
        for last in range(first, len(admitted)):
            span_us = admitted[last] - at_us
            assert last - first + 1 <= per_s + -(-span_us * per_s // (US_PER_S - per_s)) + 1


def test_a_clock_set_back_stops_no_calls():
    assert admit(10_000_000, 5_000_000, 2) == 5_500_000


def test_a_cap_bounds_what_may_be_held_and_names_itself():
    limits = Limits(daily_cap_micros=70, monthly_cap_micros=1_000)
    of = periods(limits, 1_795_000_000_000_000)
    assert allowance(90, limits, of, {}) == Allowance(90, HungUpBy.CREDIT)
    assert allowance(90, limits, of, {of.day: 50}) == Allowance(20, HungUpBy.DAILY_CAP)
    used_micros = {of.day: 0, of.month: 995}
    assert allowance(90, limits, of, used_micros) == Allowance(5, HungUpBy.MONTHLY_CAP)


@given(st.integers(0, 4_000_000_000), st.sampled_from(["Asia/Shanghai", "America/New_York"]))
def test_a_moment_is_within_the_day_and_the_month_it_counts_in(at_s, zone):
    limits = Limits(time_zone=zone)
    of = periods(limits, at_s * US_PER_S)
    for period, longest_s in ((of.day, 25 * 3600), (of.month, 32 * 86_400)):
        begun_us = period_start_us(limits, period)
        assert begun_us <= at_s * US_PER_S < begun_us + longest_s * US_PER_S


PACKAGED = st.builds(
    Terms,
    tariff=st.just("std"),
    version=st.just(1),
    rate=st.builds(
        msgspec.structs.replace,
        RATES,
        per_call_micros=st.sampled_from([0, 0, 20_000]),
        in_package=st.sampled_from([True, True, True, False]),
    ),
)


@given(
    PACKAGED,
    st.integers(0, 20_000_000),
    st.integers(0, 5_000),
    st.integers(1, 50),
    st.integers(0, 90),
)
def test_renewals_take_the_package_first_and_end_at_the_last_second_both_pay_for(
    terms, credit, package_s, live, came_back_s
):
    granted_s = held = included_s = 0
    while granted_s < 600:
        free_s = package_s - included_s
        grant = grant_of(
            terms,
            granted_s=granted_s,
            held=held,
            free=credit - held,
            live=live,
            included_s=included_s,
            included_free_s=free_s,
        )
        if grant.granted_s == granted_s:
            talk_us = (granted_s + 1) * US_PER_S
            assert price(terms, 0, talk_us, package_s).amount_micros > credit
            break
        granted_s, held, included_s = grant.granted_s, grant.held_micros, grant.included_s
        charge = price(terms, 0, granted_s * US_PER_S, included_s)
        assert (charge.amount_micros, charge.included_s) == (held, included_s)
        assert held <= credit
        assert included_s <= package_s
        if charge.billed_s and terms.rate.in_package:
            # No money for a second while the package has one left.
            assert included_s == min(charge.billed_s, package_s) or held == _money(terms, grant)
        if granted_s > 100:
            package_s, came_back_s = package_s + came_back_s, 0


def _money(terms, grant):
    """What a call costs that the package pays for whole."""
    return price(terms, 0, grant.included_s * US_PER_S, grant.included_s).amount_micros


def test_a_package_is_taken_in_slices_not_whole():
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=600_000))
    grant = grant_of(terms, included_free_s=6_000)
    assert (grant.granted_s, grant.included_s, grant.held_micros) == (30, 30, 0)
    shared = grant_of(terms, included_free_s=160, live=2)
    assert (shared.granted_s, shared.included_s) == (5, 5)


def test_an_unlimited_package_starts_calls_without_credit_and_never_ends():
    terms = Terms(tariff="std", version=1, rate=Rate(rate_micros_per_min=600_000))
    assert can_start(terms, answered_us=0, free_micros=0, included_free_s=UNLIMITED_S)
    assert not can_start(terms, answered_us=0, free_micros=0)
    grant = grant_of(terms, granted_s=50_000, included_s=50_000, included_free_s=UNLIMITED_S)
    assert (grant.granted_s, grant.held_micros) == (50_030, 0)
    assert grant.reserve_s > 10_000


EDGE_S = 1_000_000


@given(
    RATES,
    RATES,
    st.integers(-200, 400),
    st.tuples(st.integers(0, RING_S), st.integers(0, RING_S)),
    st.integers(0, 3_000_000),
)
def test_a_first_hold_pays_for_its_seconds_whenever_the_call_is_answered(
    before, after, start_s, ahead_and_ring_s, free
):
    terms = Terms(
        tariff="std",
        version=1,
        rate=before,
        others=(msgspec.structs.replace(after, band="peak"),),
        edges=((0, "*"), (EDGE_S, "peak")),
    )
    now_us = (EDGE_S - start_s) * US_PER_S
    ahead_s, ring_s = ahead_and_ring_s
    # The switch's clock, which answers are stamped by, may be behind ours.
    created_us = now_us - ahead_s * US_PER_S
    grant = first_grant(
        terms, now_us=now_us, since_us=created_us, free_micros=free, live_calls=1, slice_s=15
    )
    answered_us = created_us + ring_s * US_PER_S
    charge = price(terms, answered_us, grant.granted_s * US_PER_S)
    assert charge.amount_micros <= grant.held_micros <= free
