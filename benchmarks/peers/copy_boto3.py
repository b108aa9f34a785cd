"""boto3's managed transfer of a directory: ``copy_boto3.py up|down DIRECTORY BUCKET PREFIX``.

Prints ``{"seconds": …}``: those of the copying, in a process whose client has made a request before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

THREADS = 16


def main(direction: str, directory: str, bucket: str, prefix: str) -> None:
    """Copy every file, several at once, each as boto3 does by itself."""
    client = boto3.client("s3", config=Config(max_pool_connections=THREADS))
    client.put_object(Bucket=bucket, Key="warm/boto3", Body=b"")
    client.get_object(Bucket=bucket, Key="warm/boto3")["Body"].read()
    alone = TransferConfig(use_threads=False)  # small files: one thread each, out of one pool
    shared = TransferConfig(max_concurrency=THREADS)

    def upload(path: Path) -> None:
        large = path.stat().st_size > alone.multipart_threshold
        key = f"{prefix}/{path.relative_to(directory)}"
        client.upload_file(str(path), bucket, key, Config=shared if large else alone)

    def download(found: dict[str, Any]) -> None:
        target = Path(directory, found["Key"].removeprefix(f"{prefix}/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        large = found["Size"] > alone.multipart_threshold
        client.download_file(bucket, found["Key"], str(target), Config=shared if large else alone)

    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        if direction == "up":
            walk = ((Path(folder, name) for name in names) for folder, _, names in os.walk(directory))
            list(pool.map(upload, (path for paths in walk for path in paths)))
        else:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
            list(pool.map(download, (found for page in pages for found in page["Contents"])))
    print(json.dumps({"seconds": time.perf_counter() - began}))


main(*sys.argv[1:])
