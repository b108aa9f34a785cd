"""Signed URLs of Google Cloud Storage, which a private key makes on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import UnsupportedStoreError

if TYPE_CHECKING:
    from datetime import timedelta

    from google.cloud.storage import Blob

__all__ = ["signed_url"]


def signed_url(blob: Blob, url: str, lifetime: timedelta) -> str:
    """Return a signed URL of an object, by version 4 of Google's signature.

    :param url: the store's, for the message.
    :raises UnsupportedStoreError: the credentials hold no private key.
    """
    try:
        return str(blob.generate_signed_url(version="v4", expiration=lifetime, method="GET"))
    except AttributeError as error:  # that is how the client says it
        raise UnsupportedStoreError(
            f"{url}: the credentials hold no private key, and nothing can be signed without one",
            advice="give a service account's key (GOOGLE_KEY_STRING or GOOGLE_APPLICATION_CREDENTIALS), or "
            "do without signed URLs",
        ) from error
