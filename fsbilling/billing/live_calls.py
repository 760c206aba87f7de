"""The sessions of a daemon's live calls: by call, by account, by the leg that is followed."""

from __future__ import annotations

from fsbilling.calls.call import CallKey
from fsbilling.calls.session import Session


class LiveCalls:
    """Every call that is metered here, each with its session as it is now.

    What is asked often costs no look at all of them: who has calls, and whether any has changed.
    """

    def __init__(self) -> None:
        self._sessions: dict[CallKey, Session] = {}
        self._accounts: dict[str, _Account] = {}
        self._followed: dict[CallKey, str] = {}
        """The leg that is followed, where that is not the paying one: few calls are transferred."""
        self._changes = 0

    def __len__(self) -> int:
        """How many calls have a session."""
        return len(self._sessions)

    def __contains__(self, key: CallKey) -> bool:
        """Tell whether this call has a session."""
        return key in self._sessions

    def get(self, key: CallKey) -> Session | None:
        """Give a call's session; None when it has none."""
        return self._sessions.get(key)

    def all(self) -> list[Session]:
        """Give every call's session."""
        return list(self._sessions.values())

    def on(self, switch: str) -> list[Session]:
        """Give the sessions of one switch's calls."""
        return [each for key, each in self._sessions.items() if key[0] == switch]

    def put(self, session: Session) -> None:
        """Keep a call's session in the place of the one before."""
        call = session.call
        key = call.key
        if self._sessions.get(key) is session:
            return
        self._sessions[key] = session
        if session.leg_uuid != call.uuid:
            self._followed[key] = session.leg_uuid
        else:
            self._followed.pop(key, None)
        self._changes += 1
        account = self._accounts.get(call.account)
        if account is None:
            account = self._accounts[call.account] = _Account()
        account.sessions[key] = session
        account.change = self._changes

    def forget(self, key: CallKey) -> None:
        """Drop a call's session, if it has one."""
        session = self._sessions.pop(key, None)
        if session is None:
            return
        self._followed.pop(key, None)
        self._changes += 1
        account = self._accounts[session.call.account]
        account.change = self._changes
        del account.sessions[key]
        if not account.sessions:
            del self._accounts[session.call.account]

    def changes(self) -> dict[str, int]:
        """Give for each account with live calls the number of its calls' last change."""
        return {code: account.change for code, account in self._accounts.items()}

    def of_account(self, code: str) -> list[Session]:
        """Give the sessions of an account's calls."""
        account = self._accounts.get(code)
        return list(account.sessions.values()) if account else []

    def has_leg(self, switch: str, leg_uuid: str) -> bool:
        """Tell whether this channel pays for a call, or is the leg that is followed."""
        return (switch, leg_uuid) in self._sessions or leg_uuid in self._followed.values()

    def bills_leg(self, key: CallKey, leg_uuid: str) -> bool:
        """Tell whether a call's time runs from this leg's answer."""
        session = self._sessions.get(key)
        return leg_uuid == (session.leg_uuid if session else key[1])


class _Account:
    """One account's calls, and the number of their last change."""

    __slots__ = ("change", "sessions")

    def __init__(self) -> None:
        self.sessions: dict[CallKey, Session] = {}
        self.change = 0
