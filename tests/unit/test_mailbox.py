"""One thing at a time for each call, in order, and never without end."""

from collections import deque

import pytest

from fsbilling.billing.mailbox import MAX_WAITING, Mailboxes


@pytest.fixture
def runners():
    """What was spawned and has not run yet."""
    return deque()


@pytest.fixture
def mailboxes(runners):
    return Mailboxes(runners.append)


def test_jobs_of_one_call_run_in_order_and_one_at_a_time(mailboxes, runners):
    ran = []

    def first():
        assert mailboxes.post("a", lambda: ran.append("third"))
        ran.append("first")

    mailboxes.post("a", first)
    mailboxes.post("a", lambda: ran.append("second"))
    assert len(runners) == 1, "two runners of one call"
    runners.popleft()()
    assert ran == ["first", "second", "third"]
    assert not mailboxes.has_job("a")


def test_calls_do_not_wait_for_each_other(mailboxes, runners):
    ran = []
    mailboxes.post("a", lambda: ran.append("a"))
    mailboxes.post("b", lambda: ran.append("b"))
    runners.pop()()
    assert ran == ["b"]
    assert mailboxes.has_job("a")
    assert len(mailboxes) == 1


def test_a_stuck_call_takes_no_more_than_its_bound_and_goes_on_after(mailboxes, runners):
    ran = []
    for number in range(MAX_WAITING):
        assert mailboxes.post("a", lambda number=number: ran.append(number))
    assert not mailboxes.post("a", lambda: ran.append("too much"))
    runners.popleft()()
    assert ran == list(range(MAX_WAITING))
    assert mailboxes.post("a", lambda: ran.append("again"))
    runners.popleft()()
    assert ran[-1] == "again"


def test_a_job_that_breaks_leaves_the_rest_to_another_runner(mailboxes, runners):
    ran = []
    mailboxes.post("a", lambda: 1 // 0)
    mailboxes.post("a", lambda: ran.append("second"))
    with pytest.raises(ZeroDivisionError):
        runners.popleft()()
    assert not ran
    runners.popleft()()
    assert ran == ["second"]
