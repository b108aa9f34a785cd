"""Messages between this process and the ones that it starts: a length, and so many bytes of JSON.

Whatever is secret goes this way: a command line can be read by everybody on the machine.
"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["readable", "receive", "send"]

_LENGTH = struct.Struct("!I")


def send(channel: socket.socket, message: dict[str, Any], *, descriptor: int | None = None) -> None:
    """Send a message, and with it an open file for the other process to use.

    :raises OSError: the other process is gone.
    """
    data = json.dumps(message).encode()
    data = _LENGTH.pack(len(data)) + data
    if descriptor is not None:
        sent = socket.send_fds(channel, [data], [descriptor])
        data = data[sent:]
    channel.sendall(data)


def receive(channel: socket.socket, *, with_descriptor: bool = False) -> tuple[dict[str, Any], int]:
    """Wait for a message; return it, and the descriptor of the open file that came with it, or -1.

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
        message: dict[str, Any] = json.loads(_exactly(channel, *_LENGTH.unpack(head)))
    except (EOFError, OSError) as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise EOFError from error
    return message, descriptor


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
