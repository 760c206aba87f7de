"""Bounded waiting for what another process does."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str, timeout_s: float = 10.0) -> T:
    """Look again and again until something true is seen; give it."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        if seen := look():
            return seen
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.05)


def free_port(host: str = "127.0.0.1", kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def free_sip_port(host: str) -> int:
    """A UDP port that nobody listens on now."""
    return free_port(host, socket.SOCK_DGRAM)
