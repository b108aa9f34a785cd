"""A proxy on the loopback that counts requests and bytes, and can delay each request.

    python -m benchmarks.proxy PORT SERVER_PORT [--rtt SECONDS]

``GET /--counts`` is answered by the proxy itself: what passed since the last time it was asked. Bodies are
passed on as they come, so that it holds no more than a chunk; times are measured without it wherever no delay
is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from contextlib import suppress

CHUNK = 256 * 1024
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class Proxy:
    """Passes connections on to one server.

    :param server_port: on the loopback.
    :param delay: seconds that each request waits before it is passed on.
    """

    def __init__(self, server_port: int, delay: float) -> None:
        self._server_port = server_port
        self._delay = delay
        self._counts = {"requests": 0, "sent": 0, "received": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, from its first request to its end."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server_port, limit=CHUNK)
        answers = asyncio.create_task(self._pass_answers(up_reader, writer))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._pass_requests(reader, up_writer, writer)
        up_writer.close()
        with suppress(ConnectionError):
            await answers
        writer.close()

    async def _pass_requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /--counts "):
                self._tell(client)
                continue
            self._counts["requests"] += 1
            self._counts["sent"] += len(head)
            if self._delay:
                await asyncio.sleep(self._delay)
            server.write(head)
            await self._pass_body(head, reader, server)

    async def _pass_body(
        self, head: bytes, reader: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        if CHUNKED.search(head):
            size = 1
            while size:
                line = await reader.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                server.write(line)
                await self._pass_bytes(size + 2, reader, server)
        elif found := LENGTH.search(head):
            await self._pass_bytes(int(found[1]), reader, server)

    async def _pass_bytes(
        self, left: int, reader: asyncio.StreamReader, server: asyncio.StreamWriter
    ) -> None:
        while left:
            data = await reader.read(min(left, CHUNK))
            if not data:
                raise ConnectionError
            left -= len(data)
            self._counts["sent"] += len(data)
            server.write(data)
            await server.drain()

    async def _pass_answers(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await server.read(CHUNK):
            self._counts["received"] += len(data)
            client.write(data)
            await client.drain()
        client.close()

    def _tell(self, client: asyncio.StreamWriter) -> None:
        body = json.dumps(self._counts).encode()
        self._counts = dict.fromkeys(self._counts, 0)
        client.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def run(port: int, server_port: int, delay: float) -> None:
    """Serve until killed."""
    proxy = Proxy(server_port, delay)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port, limit=CHUNK, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("server_port", type=int)
    parser.add_argument("--rtt", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(run(options.port, options.server_port, options.rtt))
