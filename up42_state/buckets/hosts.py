"""Whose hosts these are, and who can serve them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from up42_state.settings import Settings

__all__ = ["is_amazon", "serves_directly"]

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def is_amazon(endpoint: str | None) -> bool:
    """Whether an endpoint is one of AWS itself: a VPC endpoint of AWS is, and so is none at all."""
    host = urlsplit(endpoint or "").hostname or "amazonaws.com"
    return f".{host}".endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"))


def serves_directly(settings: Settings) -> bool:
    """Whether S3 can be reached without asking boto3 for anything: an endpoint of one's own, and keys.

    Roles, profiles and single sign-on, regions and partitions, encryption, proxies, and endpoints with a path
    are boto3's.
    """
    endpoint = settings.aws_endpoint_url
    if not endpoint or is_amazon(endpoint) or settings.aws_profile or settings.sse or settings.kms_key:
        return False
    if not (settings.aws_access_key_id and settings.aws_secret_access_key):
        return False
    parts = urlsplit(endpoint)
    if parts.path or parts.query or not parts.netloc.isascii():
        return False
    return not any(value for name, value in os.environ.items() if name.upper() in _PROXIES)
