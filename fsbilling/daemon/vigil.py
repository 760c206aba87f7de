"""Keep watch over a hook that closed for another daemon: open it again where there is none.

When SQL is out nobody can say who has the switch lock (docs/adr/0011, 0017). The switch can: who
goes on duty tells it so, in a global variable. While that still names this daemon, no other has
taken over, and the hook may serve those whom `billing.outage` trusts.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping

import structlog

from fsbilling.daemon.doors import Doors
from fsbilling.errors import SwitchError
from fsbilling.switch.channel import is_uuid
from fsbilling.switch.link import Link

log = structlog.get_logger(__name__)

VARIABLE = "fsbilling_on_duty"
NOBODY = "nobody"
"""The identity of no channel."""

TAKEOVER_S = 6.0
"""By then another daemon that reaches the database has taken over (`duty`)."""

_TOKEN = re.compile(r"[0-9a-f]{32}")


class Vigil:
    """One daemon's; `is_wanted` says whether anybody may call while SQL is out."""

    def __init__(
        self, links: Mapping[str, Link], doors: Doors, *, is_wanted: Callable[[], bool]
    ) -> None:
        self._links = links
        self._doors = doors
        self._is_wanted = is_wanted
        self._token = uuid.uuid4().hex
        self._since_s: float | None = None

    def claim(self, switch: str) -> None:
        """Tell one switch that this daemon works; what it does not hear it is told at link-up."""
        try:
            self._links[switch].api(f"global_setvar {VARIABLE}={self._token}")
        except SwitchError as fault:
            log.info("duty not told", switch=switch, fault=str(fault))

    def begin(self) -> None:
        """The hook has closed, as another daemon was waiting and may have taken over."""
        self._since_s = time.monotonic()

    def end(self) -> None:
        """This daemon works again, or another does: SQL has said so."""
        self._since_s = None

    @property
    def is_kept(self) -> bool:
        """Whether another daemon was waiting when SQL was lost."""
        return self._since_s is not None

    def while_ours(self, kill: str) -> str:
        """Make of `uuid_kill UUID CAUSE` one that the switch obeys only while it names us.

        Otherwise it answers as for a channel that it does not have. Raises SwitchError when the
        channel's identity cannot stand in a condition.
        """
        _, identity, cause = kill.split(" ")
        if not is_uuid(identity):
            raise SwitchError(f"not on duty: {identity[:60]!r} may be another daemon's")
        condition = f"'${{global_getvar({VARIABLE})}}' == '{self._token}'"
        return f"expand uuid_kill ${{cond({condition} ? {identity} : {NOBODY})}} {cause}"

    def unless_anothers(self, link: Link, kill: str) -> str:
        """Make of a kill what may be said by a daemon that was alone when SQL was last asked.

        Another one may have begun since: then the switch names that. One that has restarted
        names nobody. Raises SwitchError when it names another, or does not say.
        """
        owner = link.api(f"global_getvar {VARIABLE}").strip()
        if owner == self._token and is_uuid(kill.split(" ")[1]):
            return self.while_ours(kill)
        if owner != self._token and _TOKEN.fullmatch(owner):
            raise SwitchError("not on duty: another daemon is")
        return kill

    def look(self) -> None:
        """Open the hook or close it, by what the switches say now."""
        if not self._is_over_due():
            return
        if self._is_wanted() and self.is_ours():
            self._doors.open(patient=True)
        else:
            self._doors.close_hook()

    def is_ours(self) -> bool:
        """Tell whether another daemon had time to take over, and no switch names one."""
        if not self._is_over_due():
            return False
        try:
            owners = {
                link.api(f"global_getvar {VARIABLE}").strip() for link in self._links.values()
            }
        except SwitchError:
            return False
        # One that has restarted names nobody.
        return not any(_TOKEN.fullmatch(owner) for owner in owners - {self._token})

    def _is_over_due(self) -> bool:
        return self._since_s is not None and time.monotonic() - self._since_s >= TAKEOVER_S
