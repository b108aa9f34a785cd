"""Look at the network as a block does: from inside a container of its image, on a task's network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from up42_state.errors import EngineError, SettingsError

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine, Image

__all__ = ["address", "reaches"]

_SECONDS = 3
# What is in the image is not known. The first of these programs that is there opens a connection.
_SCRIPT = f"""
if command -v python3 >/dev/null; then
    python3 -c 'import socket, sys; socket.create_connection(sys.argv[1:], {_SECONDS})' "$1" "$2"
elif command -v bash >/dev/null && command -v timeout >/dev/null; then
    timeout {_SECONDS} bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"
elif command -v nc >/dev/null && command -v timeout >/dev/null; then
    # It ends at once where nobody listens, and does not end while a server waits for the first word.
    timeout {_SECONDS + 2} nc -w {_SECONDS} "$1" "$2" </dev/null >/dev/null
    code=$?
    test $code = 0 || test $code -ge 124
else
    echo unknown
    exit
fi 2>/dev/null && echo reached || echo refused
"""
_ANSWERS = {"reached": True, "refused": False, "unknown": None}


def address(text: str) -> tuple[str, int]:
    """Take ``HOST:PORT`` apart.

    :raises SettingsError: it is none.
    """
    found = re.fullmatch(r"\[?([A-Za-z0-9._:-]+?)\]?:([0-9]{1,5})", text)
    if not found or not 0 < int(found[2]) < 2**16:
        raise SettingsError(f"{text!r} is no HOST:PORT", advice="write it as s3.example.com:443")
    return found[1], int(found[2])


def reaches(engine: Engine, image: Image, host: str, port: int, *, network: str = "") -> bool | None:
    """Return whether a container of an image can open a connection.

    :param network: what docker and podman take for ``--network``; empty for the engine's default.
    :return: ``None`` where the image has no program to find out with.
    :raises EngineError: the engine cannot run the container.
    """
    options = ["--network", network] if network else []
    try:
        said = engine.call(
            *("run", "--rm", "--entrypoint", "sh", *options, image.id, "-c", _SCRIPT, "sh", host, str(port))
        )
    except EngineError as error:
        advice = "to look from inside, the image needs a shell, and python3, bash or nc"
        raise EngineError(error.message, advice=advice) from error
    return _ANSWERS[said.split()[-1]]
