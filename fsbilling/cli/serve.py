"""`fsbilling serve`: the billing daemon."""

from __future__ import annotations

import click

from fsbilling.cli.context import Invocation, pass_invocation


@click.command("serve")
@pass_invocation
def command(invocation: Invocation) -> None:
    """Run the billing daemon until SIGTERM; SIGHUP rereads configuration, tariffs and regions."""
    from gevent import monkey

    # Before anything else opens a socket or starts a thread: afterwards is too late.
    monkey.patch_all()
    from fsbilling.daemon import serve

    invocation.warn()
    serve(invocation.config, lambda: Invocation(invocation.config_path).config)
