"""One live channel of the simulated switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

PREFIX = "variable_"
"""How FreeSWITCH names a channel variable among an event's headers."""

MARK = "fsbilling_call"
"""The variable that `hupall` finds the legs of one call by; indexed, or thousands of live
calls would make each timer slow."""

_ON_ANSWER = "api_on_answer"


class Owner(Protocol):
    """The call that a channel belongs to: it knows what else ends with the channel."""

    def end(self, channel: SimChannel, cause: str, disposition: str = "") -> None:
        """Hang the channel up; `disposition` is mod_sofia's word for who did it."""


@dataclass(slots=True, eq=False, kw_only=True)
class SimChannel:
    """What FreeSWITCH knows about one leg.

    Attributes:
        uuid: Unique-ID.
        direction: `inbound` (it called the switch) or `outbound` (the switch called it).
        name: Channel-Name, such as `sofia/lab/1001@127.0.0.1:5070`.
        caller: The caller's number as sent.
        destination: The number called.
        session_id: FreeSWITCH's running number of the session.
        created_us: The first of the times; the others are 0 until they happen.
        network_addr: Where the SIP peer is.
        context: The dialplan context.
        owner: The call it is a leg of.
        hit_dialplan: Whether it entered the dialplan.
        state: Channel-State; `CS_REPORTING` when it is over.
        call_state: Channel-Call-State.
        other: The leg it is or was last bridged to.
        other_type: Other-Type as seen from here: `originator`, `originatee` or "".
        cause: The hang-up cause; "" while the channel is up.
        disposition: mod_sofia's word for who hung up and how, such as `recv_bye`.
        doom: The cause that a command has chosen for it, before it is carried out.
        headers: Its variables, each under its event header's name, so that an event is one
            dictionary update; use `variable` and `set`.
        marks: The switch's index of channels by their variable `MARK`, shared by all of them.
        on_gone: Called when it is hung up while it waits in `socket`.
    """

    uuid: str
    direction: str
    name: str
    caller: str
    destination: str
    session_id: int
    created_us: int
    owner: Owner
    network_addr: str = "127.0.0.1"
    context: str = "public"
    hit_dialplan: bool = True
    state: str = "CS_INIT"
    call_state: str = "DOWN"
    progress_us: int = 0
    answered_us: int = 0
    bridged_us: int = 0
    hungup_us: int = 0
    other: SimChannel | None = None
    other_type: str = ""
    cause: str = ""
    disposition: str = ""
    doom: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    marks: dict[str, list[SimChannel]] = field(default_factory=dict)
    on_gone: Callable[[], object] | None = None
    _commands: dict[str, str] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """Whether it has not been hung up yet."""
        return not self.cause

    @property
    def answer_state(self) -> str:
        """Answer-State: `ringing`, `answered` or `hangup`."""
        if self.cause:
            return "hangup"
        return "answered" if self.answered_us else "ringing"

    def variable(self, name: str) -> str | None:
        """A channel variable; None when it is not set."""
        return self.headers.get(PREFIX + name)

    def set(self, name: str, value: str) -> None:
        """Set a channel variable; an empty value unsets it, as in FreeSWITCH."""
        if name.startswith(_ON_ANSWER):
            self._commands[name] = value
        elif name == MARK:
            self.unmark()
            if value:
                self.marks.setdefault(value, []).append(self)
        if value:
            self.headers[PREFIX + name] = value
        else:
            self.headers.pop(PREFIX + name, None)

    def unmark(self) -> None:
        """Leave the index by `MARK`: the variable changes, or the channel is over."""
        mark = self.variable(MARK)
        marked = self.marks.get(mark) if mark else None
        if mark and marked and self in marked:
            marked.remove(self)
            if not marked:
                del self.marks[mark]

    def on_answer(self) -> list[str]:
        """The commands of its variables whose names begin with `api_on_answer`."""
        return [command for command in self._commands.values() if command]

    def set_all(self, variables: Mapping[str, str]) -> None:
        """Set several channel variables."""
        for name, value in variables.items():
            self.set(name, value)

    def export(self, name: str, value: str) -> None:
        """Set a variable that legs created from this channel carry too (mod_dptools)."""
        self.set(name, value)
        exported = self.variable("export_vars")
        names = exported.split(",") if exported else []
        if name not in names:
            self.set("export_vars", ",".join([*names, name]))

    def exported(self) -> dict[str, str]:
        """The variables that a leg created from this channel starts with."""
        names = self.variable("export_vars")
        if not names:
            return {}
        return {name: value for name in names.split(",") if (value := self.variable(name))}
