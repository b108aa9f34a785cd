"""obstore's transfer of a directory: ``copy_obstore.py up|down DIRECTORY BUCKET PREFIX``.

Prints ``{"seconds": …}``: those of the copying, in a process whose store has made a request before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from obstore.store import S3Store

THREADS = 16


def main(direction: str, directory: str, bucket: str, prefix: str) -> None:
    """Copy every file, several at once; its own put sends large ones in parts."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    store = S3Store(bucket, endpoint=endpoint, client_options={"allow_http": True})
    store.put("warm/obstore", b"")
    store.get("warm/obstore").bytes()

    def upload(path: Path) -> None:
        store.put(f"{prefix}/{path.relative_to(directory)}", path)

    def download(found: dict[str, str]) -> None:
        target = Path(directory, found["path"].removeprefix(f"{prefix}/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in store.get(found["path"]).stream():
                file.write(chunk)

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        if direction == "up":
            walk = ((Path(folder, name) for name in names) for folder, _, names in os.walk(directory))
            list(pool.map(upload, (path for paths in walk for path in paths)))
        else:
            list(pool.map(download, (found for page in store.list(prefix) for found in page)))
    print(json.dumps({"seconds": time.perf_counter() - began}))


main(*sys.argv[1:])
