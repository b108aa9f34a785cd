"""Advice for a data path that names nothing, and telling which strings look like paths."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import RESERVED

if TYPE_CHECKING:
    from up42_state.features.files.catalogue import Files

__all__ = ["looks_like_a_path", "names_nothing"]

_EXTENSION = re.compile(r"[^/]\.[A-Za-z][A-Za-z0-9]{0,9}$")
_LONGEST = 4095  # bytes of a path on Linux (PATH_MAX, with its end)


def names_nothing(value: str, path: str, wrong: str | None, files: Files) -> tuple[str, str]:
    """The problem of a data path that names nothing, and what to do.

    :param value: the data path as the feature has it.
    :param path: the normal form of the data path.
    :param wrong: what keeps the data path from being a path at all.
    """
    problem = f"{value!r} names nothing in the output"
    if wrong not in (None, "is empty"):
        problem = f"{value!r} {wrong}"
    if "\\" in value and files.exists(value.replace("\\", "/")):
        return problem, 'write "/" between its parts'
    if path.partition("/")[0] in RESERVED:
        there = f"{problem}: {path.partition('/')[0]} at the top of an output is no file of it"
        return there, "have the file lie elsewhere, and write its path"
    other = files.alike(path)
    if other is None:
        return problem, "write the file before data.json, or leave the property out"
    if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", path):
        there = f"{problem}: there is {other!r} in another Unicode form ({_form(other)}, not {_form(path)})"
        return there, "write the name as os.listdir gives it, or rename the file"
    there = f"{problem}: there is {other!r}, in another case"
    return there, "write the name as the file has it, or rename the file"


def _form(text: str) -> str:
    forms = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, text)]
    return forms[0] if forms else "mixed"


def looks_like_a_path(value: str) -> bool:
    """True if a string looks like a relative path: it has a file's extension, or a slash and no space."""
    if "://" in value or value.startswith("/") or "\n" in value or len(value) > _LONGEST:
        return False
    return _EXTENSION.search(value) is not None or ("/" in value and not re.search(r"\s", value))
