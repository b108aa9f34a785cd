"""How a container is given its variables: on no command line, and each value as it is.

Docker and podman take ``--env NAME``, and read the value from their client's own environment, which other
users of the machine cannot read. A value may have several lines there, and any length that a process may be
given; a file of ``--env-file`` allows neither. Names that the client itself would follow, such as ``PATH`` or
``DOCKER_HOST``, stand in such a file, which only this user may read, and which is removed when it has been
read.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["given_variables", "named_hosts", "proxies"]

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What docker, podman and the libraries in them read; what a block calls so is not meant for them.
_CLIENTS_OWN = re.compile(
    r"(?i:(http|https|ftp|all|no)_proxy)"
    r"|(PATH|HOME|USER|LOGNAME|SHELL|TERM|TMPDIR|TZ|LANG|NOTIFY_SOCKET|GLIBC_TUNABLES)"
    r"|(LC|LD|GO|DOCKER|BUILDKIT|BUILDX|MOBY|PODMAN|XDG|SSL|SSH|DBUS|LISTEN|NETAVARK|OTEL)_.*"
    r"|GO[A-Z0-9]*|_?CONTAINERS?_.*|STORAGE_(DRIVER|OPTS|CONF)|REGISTR(Y|IES)_.*|TMPDIR|SUDO_.*"
)
_LONGEST = 128 * 1024  # bytes of NAME=value and a zero that Linux takes (MAX_ARG_STRLEN, execve(2))
_LOCALHOST = re.compile(r"(?://|@|^|\")(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]|0\.0\.0\.0)(?=[:/\"\s]|$)")


@contextmanager
def given_variables(values: Mapping[str, str], folder: Path) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """Give the arguments by which a container gets variables, and the environment of the client.

    :param folder: where a file that only this user may read is kept while the context lasts. The client has
        to run there: podman takes a comma in the file's path for the end of it.
    :raises SettingsError: a name is none that docker and podman take, or a value cannot be handed on.
    """
    for name, value in values.items():
        _check(name, value)
    own = {name: value for name, value in values.items() if _CLIENTS_OWN.fullmatch(name)}
    arguments = [word for name in values if name not in own for word in ("--env", name)]
    client = {name: value for name, value in values.items() if name not in own}
    if not own:
        yield arguments, client
        return
    file = folder / "variables"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as lines:
            lines.writelines(f"{name}={value}\n" for name, value in own.items())
        yield [*arguments, "--env-file", file.name], client
    finally:
        file.unlink()


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"a container cannot be given a variable {name!r}",
            advice="names are letters, digits and _, and begin with no digit",
        )
    if "\0" in value or (_CLIENTS_OWN.fullmatch(name) and re.search(r"[\r\n]", value)):
        raise SettingsError(f"a container cannot be given {name} with a value of several lines")
    if len(name) + len(value.encode()) + 2 > _LONGEST:
        raise SettingsError(
            f"the value of {name} has more than 128 KiB, and no process can be given it as a variable",
            advice="put it into a file that the block reads",
        )


def proxies() -> dict[str, str]:
    """Return the variables of this process that name proxies, in lower case and upper case as they are."""
    return {
        name: os.environ[name]
        for lower in _PROXIES
        for name in (lower, lower.upper())
        if os.environ.get(name)
    }


def named_hosts(values: Mapping[str, str]) -> list[str]:
    """Return the names of variables whose value leads to this machine itself, as ``localhost`` does."""
    found = (name for name, value in values.items() if _LOCALHOST.search(value))
    return [name for name in found if name.lower() != "no_proxy"]
