"""The API commands that production sends, answered as mod_commands answers them.

Every reply here was compared with a real FreeSWITCH 1.11's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from fsbilling.sim.cause import parse_cause
from fsbilling.sim.channel import SimChannel
from fsbilling.sim.expansion import cond, expand
from fsbilling.sim.plan import CallPlan, Service
from fsbilling.sim.scheduler import Scheduler

_NO_CHANNEL = "-ERR No such channel!\n"
_NO_REPLY = "-ERR no reply\n"
"""What mod_event_socket answers in place of an empty output."""
_ORIGINATE = re.compile(r"(?:\{(?P<variables>[^}]*)\})?(?P<dial>\S+) +(?P<then>\S.*)")
_ASSIGNMENT = re.compile(r"\s*([\w.-]+)=(?:'([^']*)'|([^,]*)),?")
_MAX_ASSIGNMENTS = 64


class Machine(Protocol):
    """The switch as its commands see it."""

    scheduler: Scheduler
    channels: dict[str, SimChannel]
    globals: dict[str, str]

    def global_variable(self, name: str) -> str:
        """A global variable; "" when it is not set."""

    def status_text(self) -> str:
        """What `status` prints."""

    def shown_rows(self) -> list[dict[str, str]]:
        """What the core database says about the channels, some moments behind."""

    def matching(self, pairs: list[tuple[str, str]]) -> list[SimChannel]:
        """The live channels that have all these variables; all, without any."""

    def dump(self, channel: SimChannel) -> dict[str, str]:
        """All headers of a channel, as an event of type CHANNEL_DATA."""

    def place(self, plan: CallPlan) -> str:
        """Start a call now and return its UUID."""


def execute(machine: Machine, command: str) -> str:
    """Run one API command line and return exactly what ESL would carry back."""
    name, _, arguments = command.strip().partition(" ")
    function = _FUNCTIONS.get(name)
    if function is None:
        return f"-ERR {name} Command not found!\n"
    return function(machine, arguments.strip()) or _NO_REPLY


def _uuid_kill(machine: Machine, arguments: str) -> str:
    if not arguments:
        return "-USAGE: <uuid> [cause]\n"
    uuid, _, cause = arguments.partition(" ")
    channel = machine.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    channel.owner.end(channel, parse_cause(cause))
    return "+OK\n"


def _hupall(machine: Machine, arguments: str) -> str:
    words = arguments.split()
    cause = parse_cause(words[0]) if words else "MANAGER_REQUEST"
    pairs = list(zip(words[1::2], words[2::2], strict=False))
    doomed = machine.matching(pairs)
    for channel in doomed:
        channel.doom = cause
    for channel in doomed:
        channel.owner.end(channel, cause)
    if not pairs:
        return f"+OK hangup all channels with cause {cause}\n"
    name, value = pairs[0]
    more = "..." if len(pairs) > 1 else ""
    return f"+OK hangup all channels matching [{name}]=[{value}]{more} with cause: {cause}\n"


def _sched_api(machine: Machine, arguments: str) -> str:
    when, _, rest = arguments.partition(" ")
    group, _, command = rest.partition(" ")
    if not command:
        return "-ERR Invalid syntax. USAGE: [+@]<time> <group_name> <command_string>[&]\n"
    return f"+OK Added: {machine.scheduler.add(when, group, command)}\n"


def _sched_del(machine: Machine, arguments: str) -> str:
    return f"+OK Deleted: {machine.scheduler.delete(arguments)}\n"


def _uuid_setvar(machine: Machine, arguments: str) -> str:
    uuid, _, rest = arguments.partition(" ")
    name, _, value = rest.partition(" ")
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    channel = machine.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    channel.set(name, value)
    return "+OK\n"


def _uuid_setvar_multi(machine: Machine, arguments: str) -> str:
    usage = "-USAGE: <uuid> <var>=<value>;<var>=<value>...\n"
    uuid, _, rest = arguments.partition(" ")
    if not rest:
        return ""
    channel = machine.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL + usage
    complaints, done = "", False
    for assignment in rest.split(";")[:_MAX_ASSIGNMENTS]:
        name, _, value = assignment.partition("=")
        if name:
            channel.set(name.strip(), value)
            done = True
        else:
            complaints += "-ERR No variable specified\n"
    return complaints + ("+OK\n" if done else usage)


def _uuid_getvar(machine: Machine, arguments: str) -> str:
    uuid, _, rest = arguments.partition(" ")
    if not rest:
        return "-USAGE: <uuid> <var>\n"
    channel = machine.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    return channel.variable(rest.split(" ")[0]) or "_undef_"


def _uuid_exists(machine: Machine, arguments: str) -> str:
    return "true" if arguments in machine.channels else "false"


def _uuid_dump(machine: Machine, arguments: str) -> str:
    if not arguments:
        return "-USAGE: <uuid> [format]\n"
    uuid, _, form = arguments.partition(" ")
    channel = machine.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    headers = machine.dump(channel)
    if form == "json":
        return json.dumps(headers, separators=(",", ":"))
    return "".join(f"{name}: {text}\n" for name, text in headers.items()) + "\n"


def _show(machine: Machine, arguments: str) -> str:
    what, _, form = arguments.partition(" ")
    rows = machine.shown_rows() if what == "channels" else []
    if form == "as json":
        if not rows:
            return '{"row_count": 0}\n'
        return json.dumps({"row_count": len(rows), "rows": rows}, separators=(",", ":"))
    if form in {"", "count"}:
        return f"\n{len(rows)} total.\n"
    return f"-ERR Cannot find format {form.removeprefix('as ')}\n"


def _global_getvar(machine: Machine, arguments: str) -> str:
    return machine.global_variable(arguments)


def _global_setvar(machine: Machine, arguments: str) -> str:
    name, _, value = arguments.partition("=")
    machine.globals[name] = value
    return "+OK\n"


def _uuid_broadcast(machine: Machine, arguments: str) -> str:
    uuid, _, path = arguments.partition(" ")
    if not path:
        return "-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n"
    return "+OK Message sent\n" if uuid in machine.channels else "-ERR invalid uuid\n"


def _uuid_displace(machine: Machine, arguments: str) -> str:
    uuid, action, path = [*arguments.split(" ", 2), "", "", ""][:3]
    if not path or action not in {"start", "stop"}:
        return "-USAGE: <uuid> [start|stop] <path> [<limit>] [mux]\n"
    return "+OK Success\n" if uuid in machine.channels else "-ERR Cannot locate session!\n"


def _status(machine: Machine, _arguments: str) -> str:
    return machine.status_text()


def _expand(machine: Machine, arguments: str) -> str:
    """`${msleep(N)}` and its like leave `+OK` in the text, as on the switch."""
    if not arguments:
        return "-ERR No input\n"

    def call(name: str, inner: str) -> str:
        function = _FUNCTIONS.get(name)
        return function(machine, inner.strip()) if function else "INVALID COMMAND!\n"

    return execute(machine, expand(arguments, call))


def _originate(machine: Machine, arguments: str) -> str:
    """Call out. The real one answers when the callee has; this one answers at once.

    `sim_ring_ms` (0) and `sim_talk_ms` (until somebody ends it) among the variables say what
    the callee does.
    """
    found = _ORIGINATE.fullmatch(arguments)
    if found is None:
        return (
            "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] "
            "[<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n"
        )
    kind, _, rest = found["dial"].partition("/")
    if kind == "error":
        return f"-ERR {rest}\n"
    variables = _assignments(found["variables"] or "")
    talk_ms = variables.get("sim_talk_ms")
    plan = CallPlan(
        caller=variables.get("origination_caller_id_number", "0000000000"),
        callee=rest.split("/")[0] if kind == "loopback" else found["dial"],
        service=Service.ORIGINATED,
        ring_us=int(variables.get("sim_ring_ms", "0")) * 1000,
        talk_us=int(talk_ms) * 1000 if talk_ms else None,
        hung_up_by="callee",
        variables=variables,
        uuid=variables.get("origination_uuid", ""),
    )
    return f"+OK {machine.place(plan)}\n"


def _assignments(text: str) -> Mapping[str, str]:
    return {name: quoted or plain for name, quoted, plain in _ASSIGNMENT.findall(text)}


_FUNCTIONS: dict[str, Callable[[Machine, str], str]] = {
    "cond": lambda _machine, arguments: cond(arguments),
    "expand": _expand,
    "global_getvar": _global_getvar,
    "global_setvar": _global_setvar,
    "hupall": _hupall,
    "msleep": lambda _machine, _arguments: "+OK",
    "originate": _originate,
    "sched_api": _sched_api,
    "sched_del": _sched_del,
    "show": _show,
    "status": _status,
    "strepoch": lambda machine, _arguments: str(machine.scheduler.now_s),
    "strmicroepoch": lambda machine, _arguments: str(machine.scheduler.now_us),
    "uuid_broadcast": _uuid_broadcast,
    "uuid_displace": _uuid_displace,
    "uuid_dump": _uuid_dump,
    "uuid_exists": _uuid_exists,
    "uuid_getvar": _uuid_getvar,
    "uuid_kill": _uuid_kill,
    "uuid_setvar": _uuid_setvar,
    "uuid_setvar_multi": _uuid_setvar_multi,
}
