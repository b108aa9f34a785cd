"""Whose hosts these are."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["is_amazon", "origin_of"]


def is_amazon(endpoint: str | None) -> bool:
    """Whether an endpoint is one of AWS itself: a VPC endpoint of AWS is, and so is none at all."""
    host = urlsplit(endpoint or "").hostname or "amazonaws.com"
    return f".{host}".endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"))


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL: nothing that could be secret; empty where it has no host."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}" if parts.scheme in {"http", "https"} and host else ""
