r"""`${function(arguments)}` in a command, as `expand` evaluates it (switch_event_expand_headers).

Each function is an API command. An escaped `\${...}` loses its backslash and waits for the next
expansion.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_INNERMOST = re.compile(r"(?<!\\)\$\{([a-z_]+)\(([^(){}$]*)\)\}")
_CONDITION = re.compile(r"(\d+|'[^']*') (<|==) (\d+|'[^']*') \? (\S+) : (\S+)")
MAX_CALLS = 20


def expand(text: str, call: Callable[[str, str], str]) -> str:
    """Evaluate the functions in `text`, the innermost first; `call` runs one with its arguments."""
    for _ in range(MAX_CALLS):
        expanded = _INNERMOST.sub(lambda found: call(found[1], found[2]), text, count=1)
        if expanded == text:
            break
        text = expanded
    return text.replace("\\${", "${")


def cond(arguments: str) -> str:
    """Choose one of two words: of `cond` what a billing client uses, `<` of numbers and `==`."""
    found = _CONDITION.fullmatch(arguments)
    if found is None:
        return "-ERR"
    left, operator, right, then, otherwise = found.groups()
    is_true = left == right if operator == "==" else int(left) < int(right)
    return then if is_true else otherwise
