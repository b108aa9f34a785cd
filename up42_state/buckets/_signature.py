"""Signatures of requests to S3.

Source: Amazon S3 API reference, "Authenticating Requests (AWS Signature Version 4)", "Signature Calculations
for the Authorization Header: Transferring Payload in a Single Chunk".
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EMPTY", "UNSIGNED", "Signer", "encode_path", "encode_query"]

EMPTY = hashlib.sha256().hexdigest()  # the digest of no bytes
UNSIGNED = "UNSIGNED-PAYLOAD"  # for bodies that TLS protects

_ALGORITHM = "AWS4-HMAC-SHA256"


def encode_path(path: str) -> str:
    """A path as it is signed and sent: its UTF-8 bytes escaped, but for ``/`` and what is unreserved."""
    return quote(path, safe="/~")


def encode_query(parameters: Mapping[str, str]) -> str:
    """A query as it is signed and sent: escaped, in the order of the escaped names."""
    pairs = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in parameters.items()]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


class Signer:
    """Signs requests with one set of credentials, which it never shows.

    :param token: of temporary credentials; may be empty.
    :param region: as the store calls the place of the bucket.
    """

    def __init__(self, key_id: str, secret: str, token: str, region: str) -> None:
        self._key_id, self._secret, self._token, self._region = key_id, secret, token, region

    def sign(
        self, method: str, path: str, query: str, headers: Mapping[str, str], payload: str, at: float
    ) -> dict[str, str]:
        """The headers of a request, completed by its signature.

        :param path: as :func:`encode_path` gives it, beginning with ``/``.
        :param query: as :func:`encode_query` gives it.
        :param headers: all that are to be signed, ``host`` among them; names in lower case.
        :param payload: the SHA-256 of the body in hex, or :data:`UNSIGNED`.
        :param at: the time now, in seconds since 1970.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        signed = {**headers, "x-amz-content-sha256": payload, "x-amz-date": moment}
        if self._token:
            signed["x-amz-security-token"] = self._token
        names = ";".join(sorted(signed))
        lines = [f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)]
        request = "\n".join([method, path, query, *lines, "", names, payload])
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = self._hmac(scope, "\n".join([_ALGORITHM, moment, scope, digest]))
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={self._key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return signed

    def _hmac(self, scope: str, text: str) -> str:
        """The digest of a text, keyed by the secret and, in turn, every part of the scope."""
        key = f"AWS4{self._secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()
