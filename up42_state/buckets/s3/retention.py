"""What a bucket of S3 keeps of objects that are deleted or replaced.

Source: Amazon S3 user guide, "How S3 Versioning works" and "Using S3 Object Lock".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["retention"]

_VERSIONS = (
    "the bucket keeps versions: what prune and rm delete stays as noncurrent versions, and is paid for, until"
    " a lifecycle rule expires them (NoncurrentVersionExpiration)"
)
_SUSPENDED = (
    "the bucket has kept versions, and keeps those: deleting frees what is written from now on, not what was"
    " written before"
)


def retention(client: S3Client, bucket: str) -> str | None:
    """In a sentence for people; empty where nothing is kept, ``None`` where that may not be asked."""
    try:
        status = client.get_bucket_versioning(Bucket=bucket).get("Status")
    except ClientError:  # most often the right to ask is missing, or the store knows no versions
        return None
    versions = {"Enabled": _VERSIONS, "Suspended": _SUSPENDED}.get(status or "", "")
    return f"{versions}{_lock(client, bucket)}" if versions else ""


def _lock(client: S3Client, bucket: str) -> str:
    """What the bucket's lock adds. A lock is on versions: a bucket without versions has none."""
    try:
        found = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except (ClientError, KeyError):
        return ""
    rule = found.get("Rule", {}).get("DefaultRetention", {})
    if not rule:
        return "; objects can be locked, and are not by default"
    length = f"{rule['Days']} days" if "Days" in rule else f"{rule.get('Years', '?')} years"
    return (
        f"; each version is locked for {length} ({rule.get('Mode', '?')}), in which nobody can free it, and"
        " saves send the checksums that such a bucket wants"
    )
