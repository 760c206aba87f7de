"""Traffic to order: what is drawn, and what becomes of it over real TCP."""

from collections import Counter
from itertools import islice

import pytest
from gevent.server import StreamServer

from fsbilling.sim.esl_server import SimServer
from fsbilling.sim.plan import Outcome, Service
from fsbilling.sim.traffic import Order, Traffic
from fsbilling.sim.traffic_run import run_traffic

SECOND = 1_000_000


def drawn(order, count=2_000, seed=0):
    return list(islice(Traffic(order, seed).calls(0), count))


def test_the_same_seed_draws_the_same_calls():
    assert drawn(Order(), seed=1) == drawn(Order(), seed=1)
    assert drawn(Order(), seed=1) != drawn(Order(), seed=2)


def test_calls_come_in_order_and_as_often_as_ordered():
    times = [at_us for at_us, _ in drawn(Order(calls_per_s=50))]
    assert times == sorted(times)
    assert times[-1] / SECOND == pytest.approx(2_000 / 50, rel=0.1)


def test_the_mix_is_the_one_ordered():
    order = Order(
        called_pays_percent=25,
        busy_percent=10,
        no_answer_percent=0,
        cancel_percent=20,
        numbers=("4001111111", "4002222222"),
        users=("1001", "1002"),
    )
    plans = [plan for _, plan in drawn(order)]
    services = Counter(plan.service for plan in plans)
    outcomes = Counter(plan.outcome for plan in plans)
    assert services[Service.CALLED_PAYS] == pytest.approx(500, abs=80)
    assert outcomes[Outcome.BUSY] == pytest.approx(200, abs=60)
    assert outcomes[Outcome.CANCEL] == pytest.approx(400, abs=80)
    assert outcomes[Outcome.NO_ANSWER] == 0
    called = {plan.callee for plan in plans if plan.service is Service.CALLED_PAYS}
    assert called == set(order.numbers)


def test_who_calls_out_is_authenticated_and_who_calls_in_is_not():
    for _, plan in drawn(Order(), 200):
        if plan.service is Service.OUTBOUND:
            assert plan.variables["sip_auth_username"] == plan.caller
        else:
            assert plan.variables == {}


def test_strangers_have_whole_numbers_of_several_regions():
    strangers = {
        plan.caller if plan.service is Service.CALLED_PAYS else plan.callee
        for _, plan in drawn(Order())
    }
    assert all(number.isdigit() and 11 <= len(number) <= 12 for number in strangers)
    assert len({number[:3] for number in strangers}) > 3


def test_durations_stay_within_the_order():
    for _, plan in drawn(Order(ring_us=(5, 7), talk_us=(10, 20)), 200):
        assert 5 <= plan.ring_us <= 7
        assert 10 <= plan.talk_us <= 20


def talk_to(sock, verdict):
    argument = f"^^|{verdict}"
    sock.sendall(
        "sendmsg\ncall-command: execute\nexecute-app-name: multiset\n"
        f"content-length: {len(argument)}\ncontent-type: text/plain\n\n{argument}".encode()
    )
    sock.recv(1000)
    sock.close()


@pytest.mark.parametrize(
    ("verdict", "refused"),
    [
        ("fsbilling_verdict=allowed|fsbilling_target=user/1001", 0),
        ("fsbilling_verdict=refused|fsbilling_cause=CALL_REJECTED", 40),
    ],
)
def test_a_run_counts_what_became_of_every_call(verdict, refused):
    hook = StreamServer(("127.0.0.1", 0), lambda sock, _peer: talk_to(sock, verdict))
    hook.start()
    server = SimServer(hook_address=f"127.0.0.1:{hook.server_port}")
    server.start()
    order = Order(
        calls_per_s=80, cancel_percent=0, ring_us=(1_000, 2_000), talk_us=(100_000, 200_000)
    )
    try:
        tally = run_traffic(server, order, calls=40, seed=3)
    finally:
        server.stop()
        hook.stop(timeout=0)
    assert (tally.placed, tally.ended, tally.unfinished) == (40, 40, 0)
    assert tally.refused == refused
    assert sum(tally.causes.values()) == 40
    if not refused:
        unanswered = tally.causes["USER_BUSY"] + tally.causes["NO_ANSWER"]
        assert tally.answered == 40 - unanswered
        assert 100_000 * tally.answered <= tally.talk_us <= 200_000 * tally.answered
