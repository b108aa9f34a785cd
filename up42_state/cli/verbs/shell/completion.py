"""``completion``: the script that teaches a shell to complete this program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import write_text

if TYPE_CHECKING:
    from up42_state.cli.common import Common

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@options.shared
@click.pass_obj
def completion(_common: Common, shell: str) -> None:
    """Print a script for completion in a shell.

    \b
    bash: eval "$(up42-state completion bash)" in ~/.bashrc
    zsh:  eval "$(up42-state completion zsh)" in ~/.zshrc, after compinit
    fish: up42-state completion fish > ~/.config/fish/completions/up42-state.fish
    """
    from up42_state.cli.completion.scripts import SCRIPTS

    write_text(SCRIPTS[shell])
