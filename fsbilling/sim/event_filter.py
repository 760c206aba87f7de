"""Which events a client wants: names it asked for, then its filters (mod_event_socket.c)."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_FILTERS = 1_000


class EventFilter:
    """The filters of one client, OR'ed; `-` before a value takes an event away again.

    A plain value must equal the header's, in any case; `/.../` with nothing before it is a
    regular expression. An event without the header passes none of them; without filters every
    event passes.
    """

    def __init__(self) -> None:
        self._rules: list[tuple[str, str]] = []

    def add(self, header: str, value: str) -> None:
        """Add a filter; more than `MAX_FILTERS` are not kept."""
        if len(self._rules) < MAX_FILTERS:
            self._rules.append((header, value))

    def delete(self, header: str, value: str = "") -> None:
        """Delete the filters on a header, or only those with that value; `all` for all."""
        if header.lower() == "all":
            self._rules.clear()
            return
        self._rules = [
            (name, text)
            for name, text in self._rules
            if name.lower() != header.lower() or (value and text != value)
        ]

    def passes(self, headers: Mapping[str, str]) -> bool:
        """Whether the event goes to the client."""
        if not self._rules:
            return True
        passed = False
        for name, rule in self._rules:
            text = _find(headers, name)
            if text is None:
                continue
            wanted = rule.lstrip("+- ")
            positive = "-" not in rule[: len(rule) - len(wanted)]
            if passed and positive:
                continue
            if _matches(wanted, text, regex=rule.startswith("/")):
                if not positive:
                    return False
                passed = True
        return passed


def _find(headers: Mapping[str, str], name: str) -> str | None:
    """Find a header in any case, as FreeSWITCH does; most are spelt as they were asked for."""
    text = headers.get(name)
    if text is not None:
        return text
    length, lowered = len(name), name.lower()
    for header, text in headers.items():
        if len(header) == length and header.lower() == lowered:
            return text
    return None


def _matches(wanted: str, text: str, *, regex: bool) -> bool:
    if regex:
        pattern = wanted[1:].rpartition("/")[0] or wanted[1:]
        try:
            return re.search(pattern, text) is not None
        except re.error:
            return False
    return wanted.lower() == text.lower()
