"""Read the files of a workflow: the document, the blocks file, the job's parameters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from up42_state.errors import InvalidWorkflowError, PathNotFoundError, SettingsError
from up42_state.machine.paths import local_path
from up42_state.manifest.syntax import Document, decode, parse
from up42_state.workflow.document.yaml_text import parse_yaml

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

__all__ = ["MAX_BYTES", "MAX_VALUES", "parameters_of", "read", "read_value"]

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 200_000  # a geometry of some ten thousand corners is a parameter


def read(path: PathLike) -> Document:
    """Read a file: JSON if its name ends in ``.json``, otherwise YAML, of which JSON is a part.

    :raises PathNotFoundError: there is no such file.
    :raises SettingsError: the file may not be read, or its name cannot be a path.
    """
    try:
        with local_path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise PathNotFoundError(f"there is no file {os.fspath(path)}") from error
    except OSError as error:
        raise SettingsError(f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    if os.fspath(path).endswith(".json"):
        return parse(content, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    text = decode(content, MAX_BYTES)
    return text if isinstance(text, Document) else parse_yaml(text, MAX_VALUES)


def read_value(path: PathLike) -> Any:
    """Read a file, as :func:`read` does, and return its value.

    :raises PathNotFoundError: there is no such file.
    :raises SettingsError: the file may not be read, or its name cannot be a path.
    :raises InvalidWorkflowError: the file is not UTF-8, or neither JSON nor YAML, or keys are duplicated.
    """
    document = read(path)
    if document.defects:
        raise InvalidWorkflowError(f"{os.fspath(path)} is not valid", defects=document.defects)
    return document.value


def parameters_of(given: str | None) -> Any:
    """Return the job's parameters: those in a file, or the JSON itself if the text begins with ``{``.

    :raises SettingsError: the text begins with ``{`` and is no JSON.
    """
    if given is None or not given.lstrip().startswith("{"):
        return None if given is None else read_value(given)
    document = parse(given, max_bytes=MAX_BYTES, max_values=MAX_VALUES)
    if document.defects:
        raise SettingsError(
            f"--parameters is no JSON: {document.defects[0].problem.removeprefix('not JSON: ')}"
        )
    return document.value
