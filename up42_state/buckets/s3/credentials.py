"""Credentials, and what leads to them, that cannot work: found out before anything is sent.

What a variable holds is never told, since it may be the secret itself, put into the wrong variable.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.errors import AccessDeniedError, SettingsError

if TYPE_CHECKING:
    from botocore.credentials import Credentials

__all__ = ["BUNDLES", "check_credentials", "ways"]

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_PROFILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
_KEPT = {"shared-credentials-file", "config-file", "custom-process"}  # botocore's names of where they were
_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name
_WAYS = (
    *(_TOKEN_FILE, "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", *_PROFILES),
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
        with open(path, encoding="utf-8", errors="replace") as file:
            token = file.read().strip()
    except OSError as error:
        what = "no file" if isinstance(error, FileNotFoundError) else "no file that can be read"
        raise SettingsError(f"{_TOKEN_FILE} names {what}: {error.strerror}", advice=advice) from None
    if not token:
        raise SettingsError(f"the file that {_TOKEN_FILE} names is empty", advice=advice)


def ways() -> str:
    """Which variables lead boto3 to credentials in this environment, for advice where these cannot be had."""
    names = [name for name in _WAYS if os.environ.get(name)]
    instead = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if not names:
        return f"look at the files of profiles in ~/.aws, or set {instead}"
    if _TOKEN_FILE in names and "AWS_ROLE_ARN" not in names:
        return f"set AWS_ROLE_ARN to the role that the token of {_TOKEN_FILE} is for, or set {instead}"
    return f"look at {' and '.join(names)}, or set {instead}"
