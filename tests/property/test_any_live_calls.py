"""What is kept beside the sessions says what a look at each of them would."""

from hypothesis import given
from hypothesis import strategies as st
from unit.test_session import B_LEG, ringing

from fsbilling.billing.live_calls import LiveCalls
from fsbilling.calls.session import changed

UUIDS = [f"aaaaaaaa-0000-4000-8000-00000000000{digit}" for digit in range(4)]
ACCOUNTS = ["acme", "acme", "acme", "other"]


def session_of(index, leg_uuid, granted_s):
    session = ringing(granted_s=granted_s)
    call = changed(session.call, uuid=UUIDS[index], account=ACCOUNTS[index])
    return changed(session, call=call, leg_uuid=leg_uuid or UUIDS[index])


put = st.builds(
    session_of, st.integers(0, 3), st.sampled_from(["", B_LEG]), st.sampled_from([15, 30])
)
forget = st.integers(0, 3)


@given(st.lists(st.one_of(put, forget)))
def test_every_answer_is_what_a_look_at_all_of_them_gives(steps):
    calls, sessions = LiveCalls(), {}
    for each in steps:
        before = calls.changes()
        if isinstance(each, int):
            key, account = ("fs1", UUIDS[each]), ACCOUNTS[each]
            is_changed = sessions.pop(key, None) is not None
            calls.forget(key)
        else:
            key, account = each.call.key, each.call.account
            is_changed = sessions.get(key) is not each
            sessions[key] = each
            calls.put(each)
        now = calls.changes()
        other = {"acme": "other", "other": "acme"}[account]
        assert now.get(other) == before.get(other)
        assert is_changed == (now.get(account) != before.get(account))
        assert calls.all() == calls.on("fs1") == list(sessions.values())
        assert calls.on("fs2") == []
        for code in ("acme", "other"):
            of_account = [s for s in sessions.values() if s.call.account == code]
            assert sorted(calls.of_account(code), key=repr) == sorted(of_account, key=repr)
            assert (code in now) == bool(of_account)
        for leg_uuid in (*UUIDS, B_LEG):
            pays = ("fs1", leg_uuid) in sessions
            followed = any(s.leg_uuid == leg_uuid for s in sessions.values())
            assert calls.has_leg("fs1", leg_uuid) == (pays or followed)


def test_an_account_whose_calls_all_ended_and_began_anew_has_changed():
    calls, session = LiveCalls(), ringing()
    calls.put(session)
    before = calls.changes()
    calls.forget(session.call.key)
    calls.put(session)
    assert calls.changes() != before
