"""Messages between this process and the ones that it starts: a length, and so many bytes.

Whatever is secret goes this way: a command line can be read by everybody on the machine.

The supervisor is started for each attempt and loads this module, so it loads little: no ``typing``, and
``marshal`` in place of ``json`` where both ends are this Python and our own code.
"""

from __future__ import annotations

import marshal
import math
import os
import select
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["ask", "readable", "receive", "send", "told"]

_LENGTH = struct.Struct("!I")


def ask(control: socket.socket, message: dict[str, Any]) -> None:
    """Send a message between runner and supervisor.

    :raises OSError: the other process is gone.
    """
    send(control, marshal.dumps(message))


def told(control: socket.socket) -> dict[str, Any]:
    """Wait for a message between runner and supervisor.

    :raises EOFError: the other process is gone.
    """
    message: dict[str, Any] = marshal.loads(receive(control)[0])  # noqa: S302 - our own code has sent it
    return message


def send(channel: socket.socket, data: bytes, *, descriptor: int | None = None) -> None:
    """Send bytes, and with them an open file for the other process to use.

    :raises OSError: the other process is gone.
    """
    data = _LENGTH.pack(len(data)) + data
    if descriptor is not None:
        sent = socket.send_fds(channel, [data], [descriptor])
        data = data[sent:]
    channel.sendall(data)


def receive(channel: socket.socket, *, with_descriptor: bool = False) -> tuple[bytes, int]:
    """Wait for bytes; return them, and the descriptor of the open file that came with them, or -1.

    :raises EOFError: the other process is gone.
    """
    descriptor = -1
    try:
        if with_descriptor:
            head, descriptors, *_ = socket.recv_fds(channel, _LENGTH.size, 1)
            descriptor = descriptors[0] if descriptors else -1
            head += _exactly(channel, _LENGTH.size - len(head)) if head else b""
        else:
            head = _exactly(channel, _LENGTH.size)
        if not head:
            raise EOFError
        data = _exactly(channel, *_LENGTH.unpack(head))
    except (EOFError, OSError) as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise EOFError from error
    return data, descriptor


def readable(descriptors: Iterable[int], seconds: float | None) -> set[int]:
    """Wait until there is something to read; return from which descriptors, none if the time is up.

    ``select`` would do for descriptors below 1024 alone.

    :param seconds: ``None`` waits as long as it takes.
    """
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    found = poll.poll(None if seconds is None else math.ceil(1000 * seconds))
    return {descriptor for descriptor, _ in found}


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = channel.recv(min(size, 1024 * 1024))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
