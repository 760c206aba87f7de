"""The dialplan's question to the billing daemon, as the model asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fsbilling.sim.channel import SimChannel
from fsbilling.sim.event import add_channel

Resume = Callable[[Mapping[str, str]], None]
"""Give the hook's variables to the call; an empty mapping when the hook was not reached."""

Hook = Callable[[SimChannel, Resume], Callable[[], object] | None]
"""Ask about a channel that waits in `socket`, and resume it now or later.

What it returns, if anything, is called when the channel is hung up before it was resumed, so
that a connection can be closed with it.
"""


def asking(answer: Callable[[dict[str, str]], dict[str, str] | None]) -> Hook:
    """Make a hook of a function from a channel's headers to variables, answered at once.

    None: nothing listens there, the verdict stays `unavailable`.
    """

    def hook(channel: SimChannel, resume: Resume) -> None:
        headers: dict[str, str] = {}
        add_channel(headers, channel)
        resume(answer(headers) or {})

    return hook
