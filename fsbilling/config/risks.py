"""What works and should not stay so."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path

from fsbilling.config.settings import STOCK_PASSWORD, Config

DIALPLAN_WAITS_MS = 2_500
"""What `sched_hangup +3` leaves the hook at the least: the switch's timers may be early."""


def warnings(config: Config) -> list[str]:
    """One sentence for each risk: what it is, and what to do."""
    return [*_switch_risks(config), *_hook_risks(config), *_file_risks(config)]


def _switch_risks(config: Config) -> Iterator[str]:
    for switch in config.switches:
        if switch.password == STOCK_PASSWORD:
            yield (
                f"switch {switch.name}: the password is FreeSWITCH's stock one, {STOCK_PASSWORD}; "
                "anybody who reaches the event socket owns the switch. Change it in "
                "event_socket.conf.xml and set password_file here"
            )
        if not _is_loopback(switch.host):
            yield (
                f"switch {switch.name}: ESL to {switch.host} is not encrypted and carries the "
                "password; use a private network or a tunnel"
            )


def _hook_risks(config: Config) -> Iterator[str]:
    host, _ = config.hook.address
    if not _is_loopback(host):
        yield (
            f"hook: {host} is not loopback; whoever reaches the port can place holds. "
            "Let only your switches through"
        )
    if config.hook.deadline_ms > DIALPLAN_WAITS_MS:
        yield (
            f"hook: deadline_ms {config.hook.deadline_ms} is longer than dialplan/ waits, which "
            f"ends a call from {DIALPLAN_WAITS_MS} ms on; stay below, or raise its sched_hangup"
        )


def _file_risks(config: Config) -> Iterator[str]:
    for path in _files_with_secrets(config):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # reading it has said so already, or it was never read
        if mode & stat.S_IROTH:
            yield f"{path}: holds a secret and everybody can read it; chmod o-r {path}"


def _files_with_secrets(config: Config) -> Iterator[Path]:
    if config.path is None:
        return
    folder = config.path.parent
    own_passwords = any(
        switch.password != STOCK_PASSWORD and not switch.password_file and not switch.password_env
        for switch in config.switches
    )
    if own_passwords or (
        not config.database.url_file and config.database.shown_url != config.database.url
    ):
        yield config.path
    if config.database.url_file:
        yield folder / config.database.url_file
    yield from (folder / switch.password_file for switch in config.switches if switch.password_file)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
