"""Where settings come from: the environment, and files; each value is found together with its origin.

An empty value counts as not set: ``ENV AWS_ACCESS_KEY_ID=$aws_access_key_id`` makes one where no build arg is
given.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

from up42_state.errors import SettingsError
from up42_state.secrets.redaction import is_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

__all__ = [
    "SECRETS_DIR",
    "SECRET_DIRECTORIES",
    "Environment",
    "Files",
    "Found",
    "Origin",
    "Rank",
    "Variable",
    "refuse_quotes",
]

SECRET_DIRECTORIES = ("/run/secrets", "/secret/environment")
SECRETS_DIR = "UP42_STATE_SECRETS_DIR"  # names a directory of secret files that is looked into first
_OWN = ("UP42_STATE_AWS_", "UP42_STATE_GOOGLE_")
_READ_BY_US_OR_SDKS = ("UP42_", "AWS_", "GOOGLE_", "CLOUDSDK_", "STORAGE_EMULATOR_HOST")
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019")  # a word processor's, too


class Rank(IntEnum):
    """Whose a value is: of several values for one field, the one of the highest rank counts."""

    GENERAL = 0  # under a name that other programs read as well
    OWN = 1  # under a name of ours, for the store alone
    ARGUMENT = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was found.

    :param text: the place in words.
    :param variable: the variable's name, without ``_FILE``; for an argument, the attribute's name.
    :param path: the file that holds the value; empty where no file does.
    """

    text: str
    variable: str
    rank: Rank
    path: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A value and its origin, as the sources hand them to pydantic-settings.

    The wrapper keeps the value out of pydantic-settings' debug log (``PYDANTIC_SETTINGS_DEBUG``), and keeps
    objects of two sources from being merged into one.
    """

    value: Any = field(repr=False)
    origin: Origin


@dataclass(frozen=True, slots=True)
class Variable:
    """Marks a field: the environment variables that the field is read from, the first that is set counting.

    :param secret: whether the value may also lie in a secret file.
    :param long: whether the value may be too long for a variable, and so may lie in a file that
        ``<NAME>_FILE`` names.
    """

    names: tuple[str, ...]
    secret: bool = False
    long: bool = False

    @classmethod
    def of(cls, info: FieldInfo) -> Variable | None:
        """Return the mark of a field, or None if the field has none."""
        return next((item for item in info.metadata if isinstance(item, cls)), None)

    def names_of(self, rank: Rank) -> tuple[str, ...]:
        """Return the names of one rank, in order of precedence."""
        return tuple(name for name in self.names if name.startswith(_OWN) == (rank is Rank.OWN))


def refuse_quotes(environment: Mapping[str, str]) -> None:
    """Refuse values in quotes, which belong to a shell: a file for ``docker --env-file`` leaves them there.

    :raises SettingsError: a variable of ours or of an SDK holds its value in quotes.
    """
    read = (name for name in sorted(environment) if name.startswith(_READ_BY_US_OR_SDKS))
    if found := [f"environment variable {name}" for name in read if _is_quoted(environment[name].strip())]:
        raise SettingsError(
            f"{', '.join(found)}: the value stands in quotes",
            advice="remove the quotes; docker's --env-file, for one, takes them for a part of the value",
        )


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] + value[-1] in _QUOTES


class _Source(PydanticBaseSettingsSource):
    """Finds the values of all fields in one kind of place, under the names of one rank."""

    def __init__(self, settings_cls: type[BaseSettings], rank: Rank, directories: Sequence[Any]) -> None:
        super().__init__(settings_cls)
        self.rank, self.directories = rank, directories

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(info, name)[0] for name, info in fields}
        return {name: value for name, value in found.items() if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Found | None, str, bool]:
        """Return what counts for a field, or None; no value is JSON that pydantic-settings is to decode."""
        variable = Variable.of(field)
        return next(self._values(variable), None) if variable else None, field_name, False

    @abstractmethod
    def _values(self, variable: Variable) -> Iterator[Found]:
        """Yield the values that a variable has here, the one that counts first."""


class Environment(_Source):
    """Finds values in the environment of the process; names are matched in upper case as they stand."""

    def _values(self, variable: Variable) -> Iterator[Found]:
        for name in variable.names_of(self.rank):
            if value := os.environ.get(name, "").strip():
                yield Found(value, Origin(f"environment variable {name}", name, self.rank))


class Files(_Source):
    """Finds values in files of one value each: the file that ``<NAME>_FILE`` names, then, of a secret, files
    of the variable's name in the secret directories.

    :raises SettingsError: a file cannot be read, or is not text.
    """

    def _values(self, variable: Variable) -> Iterator[Found]:
        for name in variable.names_of(self.rank) if variable.secret or variable.long else ():
            for path, text in self._paths(name, variable):
                if value := _read(path, text):
                    yield Found(value, Origin(text, name, self.rank, path))

    def _paths(self, name: str, variable: Variable) -> Iterator[tuple[str, str]]:
        """Yield the files that may hold the value of a name, each with what to call the file."""
        what = "secret file" if variable.secret else "file"
        if path := os.environ.get(f"{name}_FILE", "").strip():
            if not is_path(path):  # it may be the value itself, which is not to be quoted
                raise SettingsError(
                    f"environment variable {name}_FILE: there is no such file,"
                    " nor the directory it would be in",
                    advice=f"give the path of a file, or the value itself in {name}",
                )
            yield path, f"{what} {path} (from {name}_FILE)"
        for folder in self.directories if variable.secret else ():
            for path in (os.path.join(folder, name.lower()), os.path.join(folder, name)):
                if os.path.isfile(path):
                    yield path, f"{what} {path}"


def _read(path: str, what: str) -> str:
    """Return the value in a file, without the line end that editors leave.

    :param what: the file in words, for errors.
    :raises SettingsError: the file cannot be read, or is not text.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:  # some editors begin a file with a byte order mark
            value = file.read().strip()
    except OSError as error:
        raise SettingsError(f"the {what} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"the {what} is not UTF-8 text") from None
    if _is_quoted(value):
        raise SettingsError(f"the {what} holds its value in quotes", advice="remove the quotes")
    return value
