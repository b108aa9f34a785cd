"""The parameters of a block as a commit holds them: JSON, with secrets replaced by digests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.errors import SettingsError
from up42_state.secrets.shapes import holds_credential, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encoded", "mask_secrets", "secret_texts"]

_MAX_DEPTH = 200  # levels; releases of Python differ in how many more they read


def mask_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as a commit keeps them, with secrets replaced by digests.

    Secrets are values whose names look secret, and text that is or holds a credential. The digest still tells
    whether a secret has changed. What is masked already stays as it is.

    :param parameters: the block's parameters.
    :raises SettingsError: the parameters cannot be written as JSON.
    """
    if not isinstance(parameters, Mapping):  # whoever calls without a type checker may give anything
        raise no_json(f"they are of type {type(parameters).__name__}, no dictionary")
    plain = msgspec.json.decode(encoded(dict(parameters)))
    try:
        return _masked_members(plain)
    except RecursionError as error:
        raise no_json("they are nested too deeply") from error


def secret_texts(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of which :func:`mask_secrets` keeps digests."""
    waiting: list[tuple[object, bool]] = [(parameters, False)]
    while waiting:
        value, is_secret = waiting.pop()
        if isinstance(value, str):
            if is_secret or holds_credential(value):
                yield value
        elif isinstance(value, dict):
            waiting += [(inner, is_secret or is_secret_name(name)) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(inner, is_secret) for inner in value]


def encoded(value: object) -> bytes:
    """Return a value as JSON, with the names of objects sorted.

    :raises SettingsError: the value cannot be written as JSON.
    """
    try:
        return msgspec.json.encode(value, order="sorted")
    except RecursionError as error:
        raise no_json("they are nested too deeply") from error
    except (TypeError, ValueError, OverflowError) as error:
        problem = no_json(f"{type(error).__name__} in one of them")
    raise problem  # outside the except clause, so not chained: the cause may quote a secret value


def no_json(why: str) -> SettingsError:
    return SettingsError(
        f"the block's parameters cannot be written as JSON: {why}",
        advice="use numbers, text, lists and dictionaries, and nothing else",
    )


def _masked_members(parameters: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    return {name: _masked(name, value, depth + 1) for name, value in parameters.items()}


def _masked(name: str, value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        raise no_json("they are nested too deeply")
    if _is_masked(value):
        return value
    if value is not None and (is_secret_name(name) or (isinstance(value, str) and holds_credential(value))):
        return {"sha256": hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()}
    if isinstance(value, dict):
        return _masked_members(value, depth)
    if isinstance(value, list):
        return [_masked("", inner, depth + 1) for inner in value]
    return value


def _is_masked(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"sha256"}:
        return False
    digest = value["sha256"]
    return isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest) is not None
