"""A pause in long work that lets the event loop come round."""

from __future__ import annotations

import gevent

BREATH_S = 0.001
"""Long work gets a part of the loop's time only: on a busy machine calls go on undelayed."""


def breathe() -> None:
    """Let all go on that is ready to, sockets and timers too.

    A pause of 0 lets those greenlets go on that somebody has woken already: gevent runs up to 50
    of these pauses before it looks at sockets and timers.
    """
    gevent.sleep(BREATH_S)
