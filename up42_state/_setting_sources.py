"""Where values come from: arguments, environment variables, secret files.

Every source gives the values that it found by field, and under ``origins`` where it found each. An empty
value counts as not set: ``ENV AWS_ACCESS_KEY_ID=$aws_access_key_id`` without the build arg makes one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_settings import PydanticBaseSettingsSource

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

__all__ = ["ArgumentSource", "EnvironmentSource", "SecretFileSource", "Variable"]


@dataclass(frozen=True, slots=True)
class Variable:
    """Marks a field: the environment variables that it is read from, the first that is set counting.

    :param secret: whether it may also lie in a secret file.
    """

    names: tuple[str, ...]
    secret: bool = False


class _Source(PydanticBaseSettingsSource):
    """Looks up every field in turn."""

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, origin, _ = self.get_field_value(field, name)
            if value is not None:
                values[name], origins[name] = value, origin
        return values | {"origins": origins}


class ArgumentSource(_Source):
    """The arguments of the constructor, but those that are ``None``."""

    def __init__(self, settings_cls: type[BaseSettings], arguments: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._arguments = {name: value for name, value in arguments.items() if value is not None}

    def __call__(self) -> dict[str, Any]:
        return {**self._arguments, "origins": dict.fromkeys(self._arguments, "argument")}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._arguments.get(field_name), "argument", False


class EnvironmentSource(_Source):
    """The environment of the process."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        for name in _variables(field):
            value = os.environ.get(name, "").strip()
            if value:
                return value, f"environment variable {name}", False
        return None, "", False


class SecretFileSource(_Source):
    """Files that hold one secret each: the one that ``<NAME>_FILE`` names, then those of the directories."""

    def __init__(
        self, settings_cls: type[BaseSettings], directories: Iterable[str | os.PathLike[str]]
    ) -> None:
        super().__init__(settings_cls)
        self._directories = tuple(directories)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        for name in _variables(field, secret=True):
            named = os.environ.get(f"{name}_FILE", "").strip()
            if named and (value := _read(named, f" (from {name}_FILE)")):
                return value, f"secret file {named} (from {name}_FILE)", False
            for directory in self._directories:
                for path in (os.path.join(directory, name.lower()), os.path.join(directory, name)):
                    if os.path.isfile(path) and (value := _read(path)):
                        return value, f"secret file {path}", False
        return None, "", False


def _variables(field: FieldInfo, *, secret: bool = False) -> tuple[str, ...]:
    for item in field.metadata:
        if isinstance(item, Variable) and (item.secret or not secret):
            return item.names
    return ()


def _read(path: str, why: str = "") -> str:
    """The secret in a file, without the line end that editors leave.

    :raises SettingsError: it cannot be read, or is not text.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise SettingsError(f"the secret file {path}{why} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"the secret file {path}{why} is not UTF-8 text") from None
