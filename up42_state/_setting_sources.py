"""Where values come from: arguments, environment variables, secret files.

An empty value counts as not set: ``ENV AWS_ACCESS_KEY_ID=$aws_access_key_id`` makes one where no build arg is
given.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Directories = Iterable[str | os.PathLike[str]]
    Found = Iterator[tuple[str, Any, str]]  # a field, its value, and where that was found

__all__ = ["SECRET_DIRECTORIES", "Variable", "find"]

SECRET_DIRECTORIES = ("/run/secrets", "/secret/environment")


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


def find(
    variables: Mapping[str, Variable], arguments: Mapping[str, Any], directories: Directories
) -> tuple[dict[str, Any], dict[str, str]]:
    """The value of every field that has one, and where it was found.

    :param variables: by field.
    :param arguments: by field; those that are ``None`` count as not given.
    :param directories: of secret files, in order.
    :raises SettingsError: a secret file cannot be read, or is not text.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    sources = (
        _secret_files(variables, tuple(directories)),
        _long_files(variables),
        _environment(variables),
        _arguments(arguments),
    )
    for field, value, origin in chain(*sources):  # what comes later counts
        values[field], origins[field] = value, origin
    return values, origins


def _arguments(arguments: Mapping[str, Any]) -> Found:
    """The arguments, but those that are ``None``."""
    for field, value in arguments.items():
        if value is not None:
            yield field, value, "argument"


def _environment(variables: Mapping[str, Variable]) -> Found:
    """The environment of the process."""
    for field, variable in variables.items():
        for name in variable.names:
            value = os.environ.get(name, "").strip()
            if value:
                yield field, value, f"environment variable {name}"
                break


def _secret_files(variables: Mapping[str, Variable], directories: Sequence[str | os.PathLike[str]]) -> Found:
    """Files that hold one secret each: the one that ``<NAME>_FILE`` names, then those of the directories."""
    for field, variable in variables.items():
        found = next(_secrets(variable, directories), None) if variable.secret else None
        if found is not None:
            yield field, *found


def _long_files(variables: Mapping[str, Variable]) -> Found:
    """Files of values that may be too long for a variable."""
    for field, variable in variables.items():
        name = f"{variable.names[0]}_FILE"
        path = os.environ.get(name, "").strip()
        if variable.long and path and (value := _read(path, f" (from {name})", what="file")):
            yield field, value, f"file {path} (from {name})"


def _secrets(variable: Variable, directories: Sequence[str | os.PathLike[str]]) -> Iterator[tuple[str, str]]:
    for name in variable.names:
        named = os.environ.get(f"{name}_FILE", "").strip()
        if named and (value := _read(named, f" (from {name}_FILE)")):
            yield value, f"secret file {named} (from {name}_FILE)"
        for folder in directories:
            for path in (os.path.join(folder, name.lower()), os.path.join(folder, name)):
                if os.path.isfile(path) and (value := _read(path)):
                    yield value, f"secret file {path}"


def _read(path: str, why: str = "", what: str = "secret file") -> str:
    """The value in a file, without the line end that editors leave.

    :raises SettingsError: it cannot be read, or is not text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise SettingsError(f"the {what} {path}{why} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"the {what} {path}{why} is not UTF-8 text") from None
