"""How what an extra of this package needs can be installed where the package is, as a command to paste."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

__all__ = ["install_command"]

_NAME = "up42_state"
_OF_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)['"]""")


def install_command(extra: str) -> str:
    """Return a command that installs an extra of this package into the Python that runs.

    The package's name and the extra in brackets work only where the package came from an index. A package
    that was installed from a directory is installed from there again, as PEP 610 records it; of any other the
    requirements of the extra are named.

    :param extra: the name of an extra, such as ``report``.
    """
    try:
        installed = distribution(_NAME)
    except PackageNotFoundError:  # run from its source
        return shlex.join([*_pip(""), f"{_NAME}[{extra}]"])
    pip = _pip((installed.read_text("INSTALLER") or "").strip())
    return shlex.join([*pip, *_what(installed, extra)])


def _what(installed: Distribution, extra: str) -> list[str]:
    origin = _origin(installed)
    if not origin:
        return [f"{_NAME}[{extra}]"]
    known = origin.get("dir_info")
    folder = unquote(urlsplit(str(origin.get("url"))).path)
    if isinstance(known, dict) and os.path.isdir(folder):
        return [*(["-e"] if known.get("editable") else []), f"{folder}[{extra}]"]
    return _requirements(installed, extra)


def _origin(installed: Distribution) -> dict[str, object]:
    """Return the record of where the package came from; nothing if that was an index."""
    try:
        found = json.loads(installed.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _requirements(installed: Distribution, extra: str) -> list[str]:
    """Return what the extra requires: ``bokeh>=3.9``."""
    found = []
    for text in installed.requires or ():
        requirement, _, marker = text.partition(";")
        if extra in _OF_EXTRA.findall(marker):
            found.append(requirement.strip())
    return found or [f"{_NAME}[{extra}]"]


def _pip(installer: str) -> list[str]:
    """Return the installer of this Python: by its short name if a shell finds this one under it."""
    if installer == "uv" and find_spec("pip") is None:
        return ["uv", "pip", "install", "-p", sys.executable]
    found = shutil.which("pip")
    if found is not None and os.path.dirname(found) == os.path.dirname(sys.executable):
        return ["pip", "install"]
    return [sys.executable, "-m", "pip", "install"]
