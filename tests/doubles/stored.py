"""Stages that no save of ours has written: whatever somebody with access to the store may have put there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from up42_state.stages.format.commit import _digest_member

if TYPE_CHECKING:
    from up42_state.buckets.base import Bucket

EMPTY = b'{"type":"FeatureCollection","features":[]}'


def forge(
    bucket: Bucket, job: str, stage: str, attempt: str, *, index: bytes, data: bytes = EMPTY, **members: Any
) -> None:
    """Write a revision 1 whose commit is right in itself: digests, sizes and keys.

    :param members: of the commit, in place of what is right.
    """
    prefix = f"{job}/{stage}/attempts/{attempt}/"
    commit: dict[str, Any] = {
        "format": "1.0",
        "job": job,
        "stage": stage,
        "revision": 1,
        "attempt": attempt,
        "time": "2026-01-01T00:00:00Z",
        "refers": [f"{stage}/{attempt}"],
    }
    for name, content in (("index", index), ("data", data)):
        key = f"{prefix}{name}.json"
        bucket.put(key, content)
        commit[name] = {"key": key, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    bucket.put(f"{prefix}files/x", b"bytes")
    body = json.dumps(commit | members).encode()[:-1]
    bucket.put(f"{job}/{stage}/commits/00000001.json", body + _digest_member(body))
