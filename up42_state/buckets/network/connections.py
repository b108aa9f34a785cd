"""What to do where no connection comes about: proxies, certificates, addresses. Both SDKs are told alike.

What a variable holds is never told, since it may be a secret, put into the wrong variable.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_bundles", "connection_advice", "is_of_a_proxy"]

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_NO_CERTIFICATES = ("NO_CERTIFICATE_OR_CRL_FOUND", "Is a directory", "PEM lib")


def check_bundles(names: Sequence[str]) -> None:
    """Look at the files of certificates that variables name.

    :raises SettingsError: one is not there.
    """
    for name in names:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            raise SettingsError(
                f"{name} names no file", advice="set it to a file of certificates in PEM format, or not"
            )


def connection_advice(error: Exception, address: str, bundles: Sequence[str], network: str) -> str:
    """What to do about a connection that does not come about.

    :param address: the variable that holds the store's address.
    :param bundles: the variables that name a file of certificates, the first that counts first.
    :param network: what to check where nothing else is known.
    """
    said = str(error)
    if is_of_a_proxy(error):
        names = " and ".join(_set(_PROXIES) or _PROXIES[:2])
        return f"look at {names}; hosts in NO_PROXY are reached without a proxy"
    if "WRONG_VERSION_NUMBER" in said or "HTTP_REQUEST" in said:
        return f"the server speaks no TLS at this port: write http:// in {address}, or another port"
    if any(text in said for text in _NO_CERTIFICATES):
        names = " and ".join(_set(bundles)[:1] or bundles[:1])
        return f"{names} names no certificates in PEM format: set it to a file that holds some, or not"
    if "doesn't match" in said or "mismatch" in said:
        return f"the certificate is another host's: write the host that it names in {address}"
    if "CERTIFICATE_VERIFY_FAILED" not in said:
        return network
    if "expired" in said:
        return "the server's certificate has expired: have it renewed, or set this machine's clock"
    return (
        f"nobody whom this machine trusts vouches for the server's certificate: set {bundles[0]} to a file"
        " with the certificate, or with that of the authority that signed it"
    )


def is_of_a_proxy(error: Exception) -> bool:
    """Whether it is the proxy that cannot be reached, or cannot be one. The words of such an error are not
    repeated: they quote the variable, or a part of it.
    """
    said = str(error)
    if "Proxy" in type(error).__name__ or "ProxyError(" in said:
        return True
    return bool(_set(_PROXIES)) and ("Failed to parse" in said or "invalid character" in said)


def _set(names: Sequence[str]) -> list[str]:
    """The variables that are set, as they are written: programs take proxies in lower case, too."""
    return [spelt for name in names for spelt in (name, name.lower()) if os.environ.get(spelt)]
