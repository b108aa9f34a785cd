"""Texts that must arrive unchanged, though Argo replaces ``{{…}}``, and Kubernetes ``$(…)``."""

from __future__ import annotations

import json
import re

__all__ = ["has_reference", "json_value", "word"]

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"{": "\\u007b", "$": "\\u0024"}


def json_value(text: str) -> str:
    """Return JSON that says the same, and in which nobody finds anything to replace.

    Outside of its strings JSON has neither two braces side by side that open, nor a dollar sign.
    """
    text = _SURROGATE.sub(lambda found: json.dumps(found[0])[1:-1], text)
    return _STRING.sub(lambda found: re.sub(r"[{$]", lambda char: _ESCAPES[char[0]], found[0]), text)


def word(text: str) -> str:
    """Return a word of a command as Kubernetes has to be told it: there, two dollar signs are one."""
    return text.replace("$", "$$")


def has_reference(text: str) -> bool:
    """Return True if Argo would look for something to replace in a word; nothing tells it not to."""
    return "{{" in text
