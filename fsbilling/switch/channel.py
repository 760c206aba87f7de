"""What the switch says about one channel: a read-only view that never raises.

The same headers come with an event, with the `connect` reply of the hook and from `uuid_dump`.
Every text in them may have been written by a caller (DESIGN rule 7); `auth_user`, `gateway`,
`network_ip` and `account_code` say what makes them trustworthy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from fsbilling.calls.cdr import HungUpBy

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_INTEGER = re.compile(r"[0-9]{1,18}")
_LAST_US = 9_999_999_999_999_999
"""In the year 2286. A later moment reads as this one: the calendar ends in the year 9999."""
_RECEIVED = frozenset({"recv_bye", "recv_cancel", "recv_refuse"})
_OWN_CAUSES = {"ALLOTTED_TIMEOUT": HungUpBy.CREDIT, "MANAGER_REQUEST": HungUpBy.OPERATOR}
"""What we end calls with: timers and cuts, and the operator's `calls kill`."""


def is_uuid(text: str) -> bool:
    """Tell whether `text` may stand in a command as a channel's UUID."""
    return _UUID.fullmatch(text) is not None


class Channel:
    """One channel at one moment."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Mapping[str, object]) -> None:
        self._headers = headers

    def __repr__(self) -> str:
        return f"Channel({self.uuid or '?'})"

    def header(self, name: str) -> str:
        """One header's value; empty when there is none.

        An array variable reads as FreeSWITCH itself writes it, `ARRAY::a|:b`.
        """
        value = self._headers.get(name, "")
        if isinstance(value, list):
            return "ARRAY::" + "|:".join(str(item) for item in value)
        return value if isinstance(value, str) else str(value)

    def variable(self, name: str) -> str:
        """One channel variable's value; empty when it is not set."""
        return self.header(f"variable_{name}")

    def _time_us(self, name: str) -> int:
        text = self.header(name)
        return min(int(text), _LAST_US) if _INTEGER.fullmatch(text) else 0

    @property
    def uuid(self) -> str:
        """The channel's UUID; empty when it is missing or no UUID."""
        text = self.header("Unique-ID")
        return text if is_uuid(text) else ""

    @property
    def core_uuid(self) -> str:
        """The FreeSWITCH process; it changes at each start."""
        return self.header("Core-UUID")

    @property
    def direction(self) -> str:
        """`inbound`: it called the switch; `outbound`: the switch called it."""
        return self.header("Call-Direction")

    @property
    def caller_number(self) -> str:
        """The number the caller shows. He may have chosen it freely."""
        return self.header("Caller-Caller-ID-Number")

    @property
    def destination_number(self) -> str:
        """The number dialled."""
        return self.header("Caller-Destination-Number")

    @property
    def stamped_us(self) -> int:
        """The switch's time when it said all this, us since the epoch; 0 when unknown."""
        return self._time_us("Event-Date-Timestamp")

    @property
    def created_us(self) -> int:
        """When the channel came to be, us since the epoch; 0 when unknown."""
        return self._time_us("Caller-Channel-Created-Time")

    @property
    def progress_us(self) -> int:
        """When it first rang, with or without early media; 0 when it never did."""
        rang = self._time_us("Caller-Channel-Progress-Time")
        media = self._time_us("Caller-Channel-Progress-Media-Time")
        return min(rang, media) if rang and media else rang or media

    @property
    def answered_us(self) -> int:
        """When it was answered; 0 when it was not."""
        return self._time_us("Caller-Channel-Answered-Time")

    @property
    def hungup_us(self) -> int:
        """When it was hung up; 0 while it lives."""
        return self._time_us("Caller-Channel-Hangup-Time")

    @property
    def hangup_cause(self) -> str:
        """FreeSWITCH's cause, such as `NORMAL_CLEARING`."""
        return self.header("Hangup-Cause") or self.variable("hangup_cause")

    @property
    def sip_cause(self) -> str:
        """The protocol's own cause, such as `sip:486`; the other leg's when this one has none."""
        return self.variable("proto_specific_hangup_cause") or self.variable(
            "last_bridge_proto_specific_hangup_cause"
        )

    @property
    def hangup_disposition(self) -> str:
        """How SIP ended on this leg: `recv_bye`, `send_bye`, `recv_cancel`, `send_refuse` ..."""
        return self.variable("sip_hangup_disposition")

    @property
    def other_leg_uuid(self) -> str:
        """The channel this one is or was last bridged to; empty when none."""
        for name in ("variable_bridge_uuid", "variable_last_bridge_to", "Other-Leg-Unique-ID"):
            if is_uuid(text := self.header(name)):
                return text
        return ""

    @property
    def network_ip(self) -> str:
        """The address the SIP packet came from; no header can change it."""
        return self.variable("sip_network_ip") or self.header("Caller-Network-Addr")

    @property
    def auth_user(self) -> str:
        """The SIP user that proved its password by digest; empty when none did.

        mod_sofia sets it only after the digest matched (sofia_reg.c, sofia_reg_parse_auth).
        `user_name` will not do: with `accept-blind-auth` it is what the From header claims.
        """
        return self.variable("sip_auth_username")

    @property
    def gateway(self) -> str:
        """The gateway an inbound call came through, as the dialplan vouches for it.

        FreeSWITCH's own `sip_gateway` will not do: any caller who writes `;gw=NAME` into his
        request sets it (mod_sofia, sofia.c; tried live). The dialplan sets `fsbilling_trunk`
        once it has compared the address the call came from.
        """
        return self.variable("fsbilling_trunk")

    @property
    def account_code(self) -> str:
        """FreeSWITCH's own `accountcode`, set by the directory or the dialplan.

        No SIP header reaches it. With `accept-blind-auth` the directory user, and so his account
        code, is the one the From header claims: such a profile must not be billed by it.
        """
        return self.variable("accountcode")

    def hung_up_by(self) -> HungUpBy:
        """Who ended it, as far as this leg's own headers tell.

        A BYE, CANCEL or refusal received on this leg came from its far end. One that the switch
        sent was either passed on from the leg it was bridged to, which ended first with the same
        cause, or the switch's own doing.
        """
        cause, is_outbound = self.hangup_cause, self.direction == "outbound"
        if cause in _OWN_CAUSES:
            return _OWN_CAUSES[cause]
        far, near = HungUpBy.CALLER, HungUpBy.CALLEE
        if is_outbound:
            far, near = near, far
        if self.hangup_disposition in _RECEIVED:
            return far
        passed_on = self.variable("last_bridge_hangup_cause") == cause != ""
        # On the leg we called, 487 answers our own CANCEL: nobody out there ended it.
        unanswered = self.variable("last_bridge_proto_specific_hangup_cause") == "sip:487"
        if passed_on and (is_outbound or not unanswered):
            return near
        return HungUpBy.SWITCH if self.hangup_disposition else HungUpBy.UNKNOWN


class ChannelEvent(msgspec.Struct, frozen=True):
    """Something happened to a channel.

    Attributes:
        name: `CHANNEL_CREATE`, `CHANNEL_ANSWER` or `CHANNEL_HANGUP_COMPLETE`.
        at_us: When the switch made the event, us since the epoch.
        channel: The channel as it was then.
    """

    name: str
    at_us: int
    channel: Channel

    @classmethod
    def of(cls, headers: Mapping[str, object]) -> ChannelEvent:
        """Read an event's headers."""
        channel = Channel(headers)
        return cls(channel.header("Event-Name"), channel.stamped_us, channel)
