"""Write a CWL document as YAML, which readers of YAML 1.1 and of 1.2 take for the same values."""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["as_yaml"]

# Everything else is quoted: 1e3 and 0o17 are texts in YAML 1.1 and numbers in 1.2.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


class _Dumper(yaml.SafeDumper):
    """Quotes whatever might be read as something else, and repeats values in place of naming them."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _string(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(value) else '"' if "\n" in value else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)


def as_yaml(document: dict[str, Any]) -> str:
    """Return a document as text; long texts stay on one line."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
