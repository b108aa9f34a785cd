"""Where values come from: arguments, environment variables, secret files.

An empty value counts as not set: ``ENV AWS_ACCESS_KEY_ID=$aws_access_key_id`` makes one where no build arg is
given.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from up42_state.errors import SettingsError
from up42_state.secrets.redaction import is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Directories = Iterable[str | os.PathLike[str]]
    Found = Iterator[tuple[str, Any, "Origin"]]  # a field, its value, and where that was found

__all__ = ["SECRET_DIRECTORIES", "Origin", "Rank", "Variable", "find", "quoted"]

SECRET_DIRECTORIES = ("/run/secrets", "/secret/environment")
_OWN = ("UP42_STATE_AWS_", "UP42_STATE_GOOGLE_")
_READ_BY_US_OR_SDKS = ("UP42_", "AWS_", "GOOGLE_", "CLOUDSDK_", "STORAGE_EMULATOR_HOST")
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")  # a word processor's, too


class Rank(IntEnum):
    """Which of several values counts: the highest."""

    GENERAL = 0  # under a name that other programs read as well
    OWN = 1  # under a name of ours, for the store alone
    ARGUMENT = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was found.

    :param text: for people.
    :param variable: the name that it goes by there; of an argument, the attribute's.
    """

    text: str
    variable: str
    rank: Rank


@dataclass(frozen=True, slots=True)
class Variable:
    """Marks a field: the environment variables that it is read from, the first that is set counting.

    :param secret: whether it may also lie in a secret file.
    :param long: whether it may also lie in a file that ``<NAME>_FILE`` names, as it may be too long for a
        variable.
    """

    names: tuple[str, ...]
    secret: bool = False
    long: bool = False

    def ranked(self, rank: Rank) -> Variable:
        """The same with those of the names that are ours, or with the others."""
        kept = (name for name in self.names if name.startswith(_OWN) == (rank is Rank.OWN))
        return Variable(tuple(kept), self.secret, self.long)


def find(
    variables: Mapping[str, Variable], arguments: Mapping[str, Any], directories: Directories
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """The value of every field that has one, and where it was found.

    :param variables: by field.
    :param arguments: by field; those that are ``None`` count as not given.
    :param directories: of secret files, in order.
    :raises SettingsError: a secret file cannot be read, or is not text.
    """
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for field, value, origin in _all(variables, arguments, tuple(directories)):  # what comes later counts
        values[field], origins[field] = value, origin
    return values, origins


def quoted(environment: Mapping[str, str]) -> list[str]:
    """The variables whose values stand in quotes, as a file for ``docker --env-file`` leaves them."""
    read = (name for name in sorted(environment) if name.startswith(_READ_BY_US_OR_SDKS))
    return [f"environment variable {name}" for name in read if _is_quoted(environment[name].strip())]


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] + value[-1] in _QUOTES


def _all(
    variables: Mapping[str, Variable], arguments: Mapping[str, Any], directories: Sequence[Any]
) -> Found:
    """Everything that was found, what counts more after what counts less."""
    for rank in (Rank.GENERAL, Rank.OWN):
        ranked = {field: variable.ranked(rank) for field, variable in variables.items()}
        yield from _secret_files(ranked, directories, rank)
        yield from _long_files(ranked, rank)
        yield from _environment(ranked, rank)
    yield from _arguments(arguments)


def _arguments(arguments: Mapping[str, Any]) -> Found:
    """The arguments, but those that are ``None``."""
    for field, value in arguments.items():
        if value is not None:
            yield field, value, Origin("argument", field, Rank.ARGUMENT)


def _environment(variables: Mapping[str, Variable], rank: Rank) -> Found:
    """The environment of the process."""
    for field, variable in variables.items():
        for name in variable.names:
            value = os.environ.get(name, "").strip()
            if value:
                yield field, value, Origin(f"environment variable {name}", name, rank)
                break


def _secret_files(variables: Mapping[str, Variable], directories: Sequence[Any], rank: Rank) -> Found:
    """Files that hold one secret each: the one that ``<NAME>_FILE`` names, then those of the directories."""
    for field, variable in variables.items():
        found = next(_secrets(variable, directories), None) if variable.secret else None
        if found is not None:
            value, text, name = found
            yield field, value, Origin(text, name, rank)


def _long_files(variables: Mapping[str, Variable], rank: Rank) -> Found:
    """Files of values that may be too long for a variable."""
    for field, variable in variables.items():
        name = f"{variable.names[0]}_FILE" if variable.names else ""
        path = os.environ.get(name, "").strip() if variable.long else ""
        if path and (value := _read(_named(path, name), f" (from {name})", what="file")):
            yield field, value, Origin(f"file {path} (from {name})", name, rank)


def _secrets(variable: Variable, directories: Sequence[Any]) -> Iterator[tuple[str, str, str]]:
    """What the secret files of a variable hold, with what to call each, and the variable's name."""
    for name in variable.names:
        named = os.environ.get(f"{name}_FILE", "").strip()
        if named and (value := _read(_named(named, f"{name}_FILE"), f" (from {name}_FILE)")):
            yield value, f"secret file {named} (from {name}_FILE)", name
        for folder in directories:
            for path in (os.path.join(folder, name.lower()), os.path.join(folder, name)):
                if os.path.isfile(path) and (value := _read(path)):
                    yield value, f"secret file {path}", name


def _named(path: str, name: str) -> str:
    """The path that a variable holds, if that can be one.

    :raises SettingsError: it cannot; it may be the value itself, and is not quoted.
    """
    if not is_path(path):
        raise SettingsError(
            f"environment variable {name}: there is no such file, nor the directory it would be in",
            advice=f"give the path of a file, or the value itself in {name.removesuffix('_FILE')}",
        )
    return path


def _read(path: str, why: str = "", what: str = "secret file") -> str:
    """The value in a file, without the line end that editors leave.

    :raises SettingsError: it cannot be read, or is not text.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin a file with a byte order mark
            value = file.read().strip()
    except OSError as error:
        raise SettingsError(f"the {what} {path}{why} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"the {what} {path}{why} is not UTF-8 text") from None
    if _is_quoted(value):
        raise SettingsError(f"the {what} {path}{why} holds its value in quotes", advice="remove the quotes")
    return value
