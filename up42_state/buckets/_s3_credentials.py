"""Credentials, and what leads to them, that cannot work: found out before anything is sent.

What a variable holds is never told, since it may be the secret itself, put into the wrong variable.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.errors import AccessDeniedError, SettingsError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

__all__ = ["check_credentials", "check_files"]

_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_PROFILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
_KEPT = {"shared-credentials-file", "config-file", "custom-process"}  # botocore's names of where they were
_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name


def check_files() -> None:
    """Look at the files that variables name besides credentials.

    :raises SettingsError: a file of certificates is not there.
    """
    for name in _BUNDLES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            raise SettingsError(
                f"{name} names no file",
                advice="set it to a file or directory of certificates in PEM format, or not",
            )


def check_credentials(found: Credentials | None) -> None:
    """Look at the credentials that boto3's chain has found.

    :raises AccessDeniedError: there are none, or they are empty.
    :raises SettingsError: the file of a web identity's token is not there, or empty.
    """
    if found is None:
        raise AccessDeniedError(
            "there are no AWS credentials: neither in the settings nor in boto3's own chain",
            advice="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" + _unread(),
        )
    if found.method == "assume-role-with-web-identity":
        _check_token()
    elif found.method in _KEPT and not (found.access_key and found.secret_key):
        raise AccessDeniedError(
            f"the AWS credentials are empty ({found.method})",
            advice="fill in aws_access_key_id and aws_secret_access_key there, or take them out",
        )


def _unread() -> str:
    """The variables that name a file of profiles that is not there, for advice."""
    names = [name for name in _PROFILES if (path := os.environ.get(name)) and not os.path.exists(path)]
    return f"; {' and '.join(names)} names no file" if names else ""


def _check_token() -> None:
    path = os.environ.get(_TOKEN_FILE)
    if not path:  # the profile names it
        return
    advice = "the cluster or the CI system writes it there: look whether it is mounted, or unset the variable"
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise SettingsError(f"{_TOKEN_FILE} names no file: {error.strerror}", advice=advice) from None
    if not size:
        raise SettingsError(f"the file that {_TOKEN_FILE} names is empty", advice=advice)
