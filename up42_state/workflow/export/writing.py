"""Documents as text and as files: readable, in a stable order, and written whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import yaml

from up42_state.errors import PathNotFoundError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["as_yaml", "write_file"]

_WIDTH = 110
_MAYBE_NUMBER = re.compile(r"[-+.0-9]\S*")  # YAML 1.1 takes 1e3 and 0o17 for texts, YAML 1.2 for numbers


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, texts of several lines as blocks, and no references."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - yaml's signature
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "'" if _MAYBE_NUMBER.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any, comment: str = "") -> str:
    """Return a document as YAML, with its members in their order.

    :param comment: lines that stand before the document.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True, default_flow_style=False
    )


def write_file(text: str, path: Path) -> None:
    """Write a file, whole or not at all.

    :raises PathNotFoundError: its directory is not there.
    :raises SettingsError: it cannot be written.
    """
    partial = ""
    try:
        descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o666 & ~_umask())  # mkstemp makes files for their owner alone
        os.replace(partial, path)
    except FileNotFoundError as error:
        raise PathNotFoundError(f"there is no directory {path.parent} for {path.name}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            os.unlink(partial)


def _umask() -> int:
    umask = os.umask(0o077)  # it cannot be read without being set; for that moment, let files be private
    os.umask(umask)
    return umask
