"""`fsbilling completion SHELL`: what the shell evaluates to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    Put its output where the shell reads completions, or evaluate it in the shell's start-up
    file: eval "$(fsbilling completion bash)".
    """
    completion = get_completion_class(shell)
    if completion is None:
        raise click.ClickException(f"click has no completion for {shell}")
    root = ctx.find_root().command
    click.echo(completion(root, {}, "fsbilling", "_FSBILLING_COMPLETE").source())
