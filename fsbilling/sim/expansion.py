r"""`${function(arguments)}` in a command, as `expand` evaluates it (switch_event_expand_headers).

Only the functions that a billing client uses: `strepoch`, `cond` with `<`, and whatever else
answers `+OK`, such as `msleep`. An escaped `\${...}` loses its backslash and waits for the next
expansion.
"""

from __future__ import annotations

import re

_INNERMOST = re.compile(r"(?<!\\)\$\{([a-z_]+)\(([^(){}$]*)\)\}")
_CONDITION = re.compile(r"\s*(\d+) < (\d+) \? (\S+) : (\S+)\s*")
MAX_CALLS = 20


def expand(text: str, now_s: int) -> str:
    """Evaluate the functions in `text`, the innermost first; `now_s` is the switch's epoch."""
    for _ in range(MAX_CALLS):
        expanded = _INNERMOST.sub(lambda call: _value(call[1], call[2], now_s), text, count=1)
        if expanded == text:
            break
        text = expanded
    return text.replace("\\${", "${")


def _value(function: str, arguments: str, now_s: int) -> str:
    condition = _CONDITION.fullmatch(arguments) if function == "cond" else None
    if condition is not None:
        less = int(condition[1]) < int(condition[2])
        return condition[3] if less else condition[4]
    return str(now_s) if function == "strepoch" else "+OK"
