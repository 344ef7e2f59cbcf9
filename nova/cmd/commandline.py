# SPDX-License-Identifier: Apache-2.0
"""What every command line of ours has: errors as one line, and a command that teaches a shell to complete words."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import get_completion_class

from nova import errors

CONTEXT = {"help_option_names": ["-h", "--help"]}


class Tool(click.Group):
    """A group of commands whose errors by meaning are one line on stderr and exit code 1.

    With ``debug`` set on the object of the outermost context they are shown with where they come from.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.NovaError as e:
            if getattr(ctx.find_root().obj, "debug", False):
                raise
            cause = e.details.get("cause")
            text = f"{e.message} ({cause})" if cause else e.message
            raise click.ClickException(" ".join(text.split())) from e


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete the words of this command.

    \b
    EXAMPLES
      bash, now:       source <(COMMAND completion bash)
      bash, for good:  COMMAND completion bash > /etc/bash_completion.d/COMMAND
      zsh:             COMMAND completion zsh > "${fpath[1]}/_COMMAND"
      fish:            COMMAND completion fish > ~/.config/fish/completions/COMMAND.fish
    """
    root = context.find_root()
    prog = root.info_name or root.command.name or ""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} can not be taught")
    variable = f"_{prog.upper().replace('-', '_')}_COMPLETE"
    click.echo(found(root.command, {}, prog, variable).source())
