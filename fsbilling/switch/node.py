"""What billing asks of one switch: each question and order as one API command.

Every word put into a command is checked against a strict pattern first; nothing that a caller
wrote gets here (DESIGN rule 7). An answer that is not understood raises SwitchError: unknown is
not ended (rule 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from fsbilling.clock import US_PER_S
from fsbilling.errors import SwitchError
from fsbilling.switch.channel import Channel, is_uuid
from fsbilling.switch.frame import BodyError, Take, parse_json
from fsbilling.switch.listing import Listing

_CAUSE = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._:+-]{0,199}")
_MICROSECONDS = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_VALUE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff;'\"\\$]*")
_SOUND = re.compile(r"[A-Za-z0-9_/:%.,;=()+-]{1,200}")
_GONE = ("-ERR No such channel", "-ERR Cannot locate session")
_DISPLACE_FLAGS = {"aleg": "mux", "bleg": "mr"}
"""`m` mixes the sound in; `r` does so in what the channel says, which its partner hears."""


class Api(Protocol):
    """Runs one API command on the switch: `Link.api`."""

    def __call__(self, command: str, timeout_s: float = ...) -> str:
        """Return the command's whole output; raises SwitchError."""


class Stream(Protocol):
    """Runs one API command whose answer is long: `Link.stream`."""

    def __call__(self, command: str, take: Take) -> None:
        """Give the command's output to `take`, piece by piece; raises SwitchError."""


def timer_group(call_uuid: str, seq: int) -> str:
    """Name the switch-side timer of one grant, so that it can be removed on its own."""
    return f"fsbilling-{_uuid(call_uuid)}-{seq:d}"


NO_GROUP = "fsbilling-none"
"""A group of timers that has none."""

TIMER_0 = "api_on_answer_fsbilling"
"""The channel variable with the command that arms timer 0: the switch runs it at the answer."""


def first_timer(call_uuid: str, granted_s: int) -> str:
    """Give the command that arms timer 0, for the switch to run at the moment of the answer.

    It knows whole seconds only and may fire up to a second early; the meter replaces it by an
    exact one as soon as it hears of the answer. It is there for the daemon that never hears.
    """
    uuid = _uuid(call_uuid)
    group = timer_group(uuid, 0)
    return f"sched_api +{granted_s:d} {group} hupall ALLOTTED_TIMEOUT fsbilling_call {uuid}"


class Node:
    """One FreeSWITCH, by what billing needs of it.

    Without a `stream`, long answers come by `api` as well, in one piece.
    """

    def __init__(self, name: str, api: Api, stream: Stream | None = None) -> None:
        self.name = name
        self._api = api
        self._stream = stream or self._in_one_piece

    def core_uuid(self) -> str:
        """Which FreeSWITCH process answers; another one means that all its calls are gone."""
        answer = self._api("global_getvar core_uuid").strip()
        if not is_uuid(answer):
            raise SwitchError(f"core_uuid is {answer[:60]!r}")
        return answer

    def now_us(self) -> int:
        """The switch's clock, as it stamps its events and as its timers know it."""
        answer = self._api("strmicroepoch").strip()
        if not _MICROSECONDS.fullmatch(answer):
            raise SwitchError(f"strmicroepoch: {answer[:60]!r}")
        return int(answer)

    def live_uuids(self) -> frozenset[str]:
        """The channels the switch lists now.

        The list comes from FreeSWITCH's own database, which trails: of 48 channels just made it
        showed 12. Before a call counts as ended, `dump` must say so.
        """
        listing = Listing()
        self._stream("show channels as json", listing.take)
        return listing.uuids()

    def dump(self, uuid: str) -> Channel | None:
        """One channel as it is now; None only when the switch says there is no such channel."""
        answer = self._api(f"uuid_dump {_uuid(uuid)} json")
        if answer.startswith(_GONE):
            return None
        try:
            channel = Channel(parse_json(answer.encode()))
        except BodyError:
            raise SwitchError(f"uuid_dump: {answer[:60]!r}") from None
        if channel.uuid != uuid:
            raise SwitchError(f"uuid_dump of {uuid} told of {channel.uuid!r}")
        return channel

    def mark(self, uuid: str, variables: Mapping[str, str]) -> bool:
        """Set channel variables; False when there is no such channel."""
        pairs = ";".join(f"{_name(name)}={_value(value)}" for name, value in variables.items())
        return self._done(f"uuid_setvar_multi {_uuid(uuid)} {pairs}")

    def add_timer(self, call_uuid: str, seq: int, at_us: int, late_us: int = 0) -> None:
        """Arm a timer inside the switch that ends the call, on whatever leg it lives by then.

        It fires within half a second after `at_us`, by the switch's clock. `sched_api` knows whole
        seconds; the rest is slept away in the task's own thread (the `&`), so that the scheduler
        goes on. Told in the second of `at_us` or later it is late: it ends the call with the next
        second, or half a second after that; with `late_us`, where an earlier timer guards the
        call, in the second after that moment.
        """
        second, rest_us = divmod(at_us, US_PER_S)
        rest_ms = -(-rest_us // 1_000)
        uuid = _uuid(call_uuid)
        group = timer_group(uuid, seq)
        # FreeSWITCH takes a moment in the past for an interval, and the timer would never fire
        # (switch_scheduler.c): let the switch itself replace it by its next second.
        late = str(late_us // US_PER_S + 1) if late_us else "+1"
        when = f"${{cond({_is_before(second)} ? {second} : {late})}}"
        rest = f"${{cond({_is_before(second)} ? {rest_ms} : 0)}}"
        answer = self._api(
            f"expand sched_api {when} {group}"
            f" expand hupall ALLOTTED_TIMEOUT fsbilling_call {uuid} \\${{msleep({rest})}}&"
        )
        if not answer.startswith("+OK Added"):
            raise SwitchError(f"sched_api: {answer[:80]!r}")

    def replace_timer(self, call_uuid: str, seq: int, at_us: int) -> None:
        """Take a timer away for one that was added for `at_us`, if that one was not late.

        The switch decides by its own clock, at this moment (DESIGN rule 3): whatever we think its
        time is, and however long a command was under way, an earlier timer stays where the later
        one could not be set to its moment any more.
        """
        group = timer_group(call_uuid, seq)
        condition = _is_before(at_us // US_PER_S)
        self._api(f"expand sched_del ${{cond({condition} ? {group} : {NO_GROUP})}}")

    def remove_timer(self, call_uuid: str, seq: int) -> None:
        """Take a timer away; one that has fired or never was is no fault.

        Too late once its second has begun: FreeSWITCH does not stop a task that sleeps in a
        thread of its own. So move a timer at least a second before it is due.
        """
        self._api(f"sched_del {timer_group(call_uuid, seq)}")

    def kill(self, uuid: str, cause: str) -> bool:
        """Hang one channel up; False when there is no such channel."""
        if not _CAUSE.fullmatch(cause):
            raise SwitchError(f"{cause!r} is not a hang-up cause")
        return self._done(f"uuid_kill {_uuid(uuid)} {cause}")

    def reject(self, identity: str, cause: str) -> None:
        """Hang up a channel whose identity is no UUID, so that nothing else can be done with it.

        An operator may have chosen it (`origination_uuid`). Raises SwitchError when it cannot
        stand in a command.
        """
        if not _IDENTITY.fullmatch(identity) or not _CAUSE.fullmatch(cause):
            raise SwitchError(f"{identity[:60]!r} cannot be hung up")
        self._done(f"uuid_kill {identity} {cause}")

    def warn(self, uuid: str, sound: str, leg: str) -> bool:
        """Mix a sound into what one leg hears; `aleg` is this channel, `bleg` its partner.

        `uuid_displace ... mux` leaves the conversation alone: both go on hearing each other.
        `uuid_broadcast` silences both for the length of the sound and some 150 ms more
        (measured on FreeSWITCH 1.11). False when there is no such channel.
        """
        if not _SOUND.fullmatch(sound):
            raise SwitchError(f"{sound!r} is not a sound that can be played")
        if leg not in _DISPLACE_FLAGS:
            raise SwitchError(f"{leg!r} is not a leg")
        flags = _DISPLACE_FLAGS[leg]
        return self._done(f"uuid_displace {_uuid(uuid)} start {sound} 0 {flags}")

    def _in_one_piece(self, command: str, take: Take) -> None:
        take(self._api(command).encode())

    def _done(self, command: str) -> bool:
        """Run an order; False when the channel is gone; SwitchError when it was not carried out."""
        answer = self._api(command)
        if answer.startswith(_GONE):
            return False
        if not answer.startswith("+OK"):
            raise SwitchError(f"{command.split(' ', 1)[0]}: {answer[:80]!r}")
        return True


def _is_before(second: int) -> str:
    """A condition for `cond`: the switch's clock has not come to this second of the epoch."""
    return f"${{strepoch()}} < {second}"


def _uuid(text: str) -> str:
    # An empty word would make hupall hang up every call on the switch.
    if not is_uuid(text):
        raise SwitchError(f"{text!r} is not a channel UUID")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise SwitchError(f"{text!r} is not a variable name")
    return text


def _value(text: str) -> str:
    if not _VALUE.fullmatch(text):
        raise SwitchError(f"{text!r} cannot be a variable's value")
    return text
