"""What a bucket of Google Cloud Storage keeps of objects that are deleted or replaced.

Source: Cloud Storage, "Soft delete", "Object Versioning" and "Bucket Lock". A new bucket has soft delete for
seven days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud import storage

__all__ = ["retention"]

_DAY = 24 * 3600


def retention(bucket: storage.Bucket) -> str:
    """In a sentence for people; empty where nothing is kept.

    :param bucket: with its metadata.
    """
    kept = []
    if bucket.versioning_enabled:
        kept.append("keeps versions: what prune and rm delete stays, and is paid for, until a lifecycle rule")
        kept[-1] += " deletes noncurrent ones"
    policy = bucket.soft_delete_policy
    if policy is not None and (seconds := int(policy.retention_duration_seconds or 0)):
        kept.append(
            f"keeps what is deleted for {_days(seconds)} days, and it is paid for that long (soft delete)"
        )
    if bucket.retention_period:
        kept.append(
            f"lets no object be deleted in its first {_days(bucket.retention_period)} days (retention)"
        )
    return "the bucket " + "; it ".join(kept) if kept else ""


def _days(seconds: int) -> str:
    return f"{seconds / _DAY:.3g}"
