"""A daemon that is made and not started: what it would do is asked of its own doors."""

from __future__ import annotations

import uuid

from fsbilling.switch.channel import Channel
from fsbilling.switch.link import Link


def asks(daemon, callee="13800138000", call_uuid=""):
    """Let a call of acme's ask; what the dialplan is told."""
    channel = Channel(
        {
            "Unique-ID": call_uuid or str(uuid.uuid4()),
            "Call-Direction": "inbound",
            "Caller-Destination-Number": callee,
            "Caller-Channel-Created-Time": "1795281711064551",
            "variable_sip_auth_username": "1001",
        }
    )
    return daemon._decide(channel).variables


def link_to(switch, monkeypatch):
    """Let the daemon's link reach this switch; what it is told."""
    said = []

    def api(_link, command, *_timeout_s):
        said.append(command)
        return switch.execute(command)

    def stream(link, command, take, *_timeout_s):
        take(api(link, command).encode())

    monkeypatch.setattr(Link, "api", api)
    monkeypatch.setattr(Link, "stream", stream)
    return said
