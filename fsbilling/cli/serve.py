"""`fsbilling serve`: the billing daemon."""

from __future__ import annotations

import click

from fsbilling.cli.context import Invocation, Refusal, pass_invocation


@click.command("serve")
@pass_invocation
def command(invocation: Invocation) -> None:
    """Run the billing daemon until SIGTERM; SIGHUP rereads configuration, tariffs and regions."""
    from gevent import monkey

    # Before anything else opens a socket or starts a thread: afterwards is too late.
    monkey.patch_all()
    from fsbilling.daemon.service import serve

    invocation.warn()
    listen = invocation.config.hook.listen
    try:
        serve(invocation.config, lambda: Invocation(invocation.config_path).config)
    except OSError as fault:
        raise Refusal(f"cannot serve the hook on {listen}: {fault.strerror}") from fault
