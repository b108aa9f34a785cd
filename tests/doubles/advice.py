"""What a message advises: options that the verb must have."""

from __future__ import annotations

import re

import click

from up42_state.cli.root import root

__all__ = ["unknown_options"]


def unknown_options(words: list[str], message: str) -> list[str]:
    """The options that a message names, and that the verb which said it does not have.

    An option of another verb stands in a command in backquotes, or behind that verb's name.
    """
    context = click.Context(root)
    verb = next((word for word in words if word in root.list_commands(context)), None)
    command = root.get_command(context, verb) if verb else root
    assert command is not None
    known = {name for option in command.params for name in option.opts}
    if isinstance(command, click.Group):
        inner = [command.get_command(context, name) for name in command.list_commands(context)]
        known |= {name for each in inner if each for option in each.params for name in option.opts}
    verbs = "|".join(root.list_commands(context))
    elsewhere = re.sub(rf"`[^`]*`|\b({verbs}) --[a-z-]+|No such option.*", "", message)
    return [
        name for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*", elsewhere) if name not in known | {"--help"}
    ]
