"""A leg as the switch wrote it down when it was over: one JSON file of mod_json_cdr."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import msgspec

from fsbilling.switch.channel import Channel
from fsbilling.switch.frame import BodyError, parse_json

EPOCHS = {
    "start_uepoch": "Caller-Channel-Created-Time",
    "progress_uepoch": "Caller-Channel-Progress-Time",
    "answer_uepoch": "Caller-Channel-Answered-Time",
    "end_uepoch": "Caller-Channel-Hangup-Time",
}
"""The times are variables here; in an event they are headers."""

HOOK_ANSWER = re.compile(r"\^\^.fsbilling_verdict=([a-z]+)")
"""How the hook's answer reads in the log of the channel's applications, a `multiset`."""

OURS = "fsbilling_"


class HookAnswer(msgspec.Struct, frozen=True):
    """What the hook said of a leg once.

    Attributes:
        at_us: When, by the switch's clock.
        verdict: Whether the leg was let through.
        variables: The channel's `fsbilling_` variables at that moment: what the dialplan had
            asked for by `set`, and what the answer set.
    """

    at_us: int
    verdict: str
    variables: Mapping[str, str]


class Record(Channel):
    """One leg as the switch wrote it down when it was over: who called whom is as it began.

    Attributes:
        hook_answers: What the hook said of it, in their order; empty when it never asked.
    """

    __slots__ = ("hook_answers",)

    def __init__(
        self, headers: Mapping[str, object], hook_answers: tuple[HookAnswer, ...] = ()
    ) -> None:
        super().__init__(headers)
        self.hook_answers = hook_answers

    def as_answered(self, answer: HookAnswer) -> Record:
        """Give the leg with the `fsbilling_` variables it had then, and this answer alone."""
        headers = {
            name: value
            for name, value in self._headers.items()
            if not name.startswith(f"variable_{OURS}")
        }
        then = {f"variable_{name}": value for name, value in answer.variables.items()}
        return Record(headers | then, (answer,))


def read_record(uuid: str, data: bytes) -> Record:
    """Read one record as a channel. Raises BodyError when it is no JSON object."""
    record = parse_json(data)
    variables = record.get("variables")
    if not isinstance(variables, dict):
        raise BodyError("the record has no variables")
    # mod_json_cdr writes values percent-encoded (encode-values, by default).
    headers = {f"variable_{name}": _decoded(value) for name, value in variables.items()}
    headers["Unique-ID"] = uuid
    headers["Core-UUID"] = record.get("core-uuid", "")
    headers["Call-Direction"] = variables.get("direction", "")
    for variable, header in EPOCHS.items():
        headers[header] = variables.get(variable, "")
    profile = _first_profile(record)
    headers["Caller-Caller-ID-Number"] = _caller(variables, profile)
    headers["Caller-Destination-Number"] = profile.get("destination_number", "")
    return Record(headers, tuple(_hook_answers(record)))


def _first_profile(record: Mapping[str, object]) -> Mapping[str, object]:
    """Give who called whom at the beginning: each transfer puts a later one before it."""
    flow = record.get("callflow")
    first = flow[-1] if isinstance(flow, list) and flow else None
    profile = first.get("caller_profile") if isinstance(first, dict) else None
    return profile if isinstance(profile, dict) else {}


def _caller(variables: Mapping[str, object], profile: Mapping[str, object]) -> object:
    """Give who calls, as the leg began.

    A leg that the switch began by itself shows whom it called as the caller once it is answered
    (switch_ivr_originate.c); the ANI stays. Seen in real records.
    """
    began_here = variables.get("direction") == "outbound" and "originator" not in variables
    return (began_here and profile.get("ani")) or profile.get("caller_id_number", "")


def _hook_answers(record: Mapping[str, object]) -> Iterator[HookAnswer]:
    """Go through the log of the channel's applications, which tells what was set when."""
    variables: dict[str, str] = {}
    for application, argument, stamp in _applications(record):
        if application == "multiunset":
            for name in argument.split():
                variables.pop(name, None)
        elif application == "set":
            variables |= _assigned(argument)
        elif application == "multiset" and (said := HOOK_ANSWER.match(argument)):
            for assignment in argument[3:].split(argument[2]):
                variables |= _assigned(assignment)
            if re.fullmatch(r"[0-9]{1,18}", stamp):
                yield HookAnswer(int(stamp), said[1], dict(variables))


def _applications(record: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Give each application that ran, its argument with all variables filled in, and when."""
    log_ = record.get("app_log")
    applications = log_.get("applications") if isinstance(log_, dict) else None
    for run in applications if isinstance(applications, list) else ():
        if isinstance(run, dict):
            name, argument, stamp = map(run.get, ("app_name", "app_data", "app_stamp"))
            yield str(name), str(argument), str(stamp)


def _assigned(assignment: str) -> dict[str, str]:
    """Read `name=value`, when the name is one of ours."""
    name, _, value = assignment.partition("=")
    return {name: value} if name.startswith(OURS) else {}


def _decoded(value: object) -> object:
    return unquote(value) if isinstance(value, str) and "%" in value else value
