"""One transaction decides on a call: asked again it answers with what stands, and holds no lock."""

import pytest
from psycopg.pq import TransactionStatus
from world import CENT_A_SECOND, World

from fsbilling.billing.tariff_book import TariffBook
from fsbilling.credit.limits import Limits
from fsbilling.store import directory, limits


@pytest.fixture
def world(db):
    return World(db)


def ask(world):
    """Let a call ring; what its channel asked the hook with, to ask with it again."""
    asked = []
    answer = world.daemon.reception.answer

    def noting(channel):
        asked.append(channel)
        return answer(channel)

    world.daemon.reception.answer = noting
    world.call(ring_us=3_600_000_000)
    world.run(1)
    (channel,) = asked
    return lambda: answer(channel)


def test_a_channel_that_asks_again_is_not_refused_for_what_it_holds_itself(world):
    """Its hold is all the credit there is, and the only call that the account may have."""
    world.open_for_business(credit="0.15")
    with world.db.write() as conn:
        limits.set_limits(conn, "acme", Limits(max_calls=1, max_cps=1), at_us=0)
    ask_again = ask(world)
    before = world.account(), world.holds()
    assert before[0].live_calls == 1
    assert ask_again()["fsbilling_verdict"] == "allowed"
    assert (world.account(), world.holds()) == before, "asking again takes nothing"
    assert world.cdrs() == []


def test_a_channel_that_asks_again_takes_none_of_the_calls_per_second(world):
    world.open_for_business(credit="100.00")
    with world.db.write() as conn:
        limits.set_limits(conn, "acme", Limits(max_cps=2), at_us=0)
    ask_again = ask(world)
    world.run(10)
    before = world.account()
    assert ask_again()["fsbilling_verdict"] == "allowed"
    assert world.account() == before


def is_over(conn):
    """Whether the transaction that it was given for is over; PostgreSQL's are lent again."""
    if conn.closed or conn.dialect.name == "sqlite":
        return conn.closed
    return conn.connection.driver_connection.info.transaction_status == TransactionStatus.IDLE


def test_a_tariff_is_never_read_under_the_account_s_lock(world, monkeypatch):
    world.open_for_business()
    world.change_tariff([CENT_A_SECOND])
    lock, read = directory.lock_line_owner, TariffBook._read
    seen = []

    def locking(conn, candidates):
        seen.append(conn)
        return lock(conn, candidates)

    def reading(book, version, year):
        assert seen, "the payer was found first"
        assert all(is_over(conn) for conn in seen), "and let go"
        seen.clear()
        return read(book, version, year)

    monkeypatch.setattr(directory, "lock_line_owner", locking)
    monkeypatch.setattr(TariffBook, "_read", reading)
    ask(world)
    assert len(world.holds()) == 1
    assert len(seen) == 1, "it was locked anew"
