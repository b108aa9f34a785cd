"""Addresses of buckets that are none of the forms that are taken, and what to write instead."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

from up42_state.secrets.shapes import is_credential

__all__ = ["meant_directory", "mistaken"]

_BEGINS_A_PATH = re.compile(r"[/~]|\.{1,2}(?:/|$)")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]")

_ACCESS_POINT = re.compile(r"arn:[\w-]+:s3[\w-]*:[\w-]*:\d*:(?:access|out)", re.IGNORECASE)
_BUCKET_ARN = re.compile(r"arn:[\w-]+:s3:::([\w.-]+)(/.*)?", re.IGNORECASE)
_ACCESS_POINT_HOST = re.compile(r"[^/]*\.s3-accesspoint\.[^/]*amazonaws\.com(?:/.*)?", re.IGNORECASE)
_S3_HOST = re.compile(
    r"(?:(?P<bucket>[\w.-]+?)\.)?s3(?:[.-](?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?P<path>/.*)?",
    re.I,
)
_GOOGLE_HOST = re.compile(
    r"(?:(?P<bucket>[\w.-]+)\.)?storage\.(?:cloud\.)?google(?:apis)?\.com(?P<path>/.*)?", re.I
)


def mistaken(scheme: str, rest: str) -> tuple[str, str] | None:
    """What is wrong with an address, and what to write instead; ``None`` where it is none of these.

    :param rest: what follows ``scheme://``.
    """
    if _ACCESS_POINT.match(rest) or _ACCESS_POINT_HOST.fullmatch(rest):
        return "it names an access point, not a bucket", (
            "write the access point's alias in the bucket's place, as the console and"
            " `aws s3control get-access-point` show it: s3://…-s3alias/prefix"
        )
    if arn := _BUCKET_ARN.fullmatch(rest):
        return "it names the bucket by its ARN", f"write s3://{arn[1]}{(arn[2] or '').rstrip('/')}"
    if scheme not in {"s3", "gs", "http", "https"}:
        return None
    for host, kind in ((_S3_HOST, "s3"), (_GOOGLE_HOST, "gs")):
        if found := host.fullmatch(rest.partition("?")[0].partition("#")[0]):
            where = "/".join(filter(None, [found["bucket"], (found["path"] or "").strip("/")]))
            region = found.groupdict().get("region")
            advice = f"write {kind}://{where or 'bucket/prefix'}" + (
                f" and set AWS_REGION to {region}" if region else ""
            )
            return "it is the address of the service's host", advice
    return None


def _may_be_key(text: str) -> bool:
    """Whether a text that begins like an absolute path may be a random key: base64 has slashes, too."""
    if not text.startswith("/") or os.path.isdir(f"/{text.split('/')[1]}"):
        return False
    return all(any(map(test, text)) for test in (str.isupper, str.islower, str.isdigit))


def meant_directory(text: str) -> str | None:
    """Return the URL of the directory that a path names; ``None`` for what is most likely no path.

    The text may as well be a password that was put there, and whatever may be one is not quoted.
    """
    if "://" in text or "\0" in text or is_credential(text) or _may_be_key(text):
        return None
    if _WINDOWS_PATH.match(text):
        return PureWindowsPath(text).as_uri()
    is_path = _BEGINS_A_PATH.match(text) is not None or os.path.isdir(text)
    return Path(os.path.abspath(os.path.expanduser(text))).as_uri() if is_path else None
