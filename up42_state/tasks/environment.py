"""The environment of a block's command: without what the store is opened with.

Only that is hidden: a data block that reads a bucket of its own keeps its keys. What is hidden are our own
settings; where the store goes by the general names (``AWS_…``, ``GOOGLE_…``), those and all other ways to the
same; and whatever variable holds a secret of the store, or names a file that does, under whatever name.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.settings import Settings

__all__ = ["child_environment", "hidden_names"]

# Sources: AWS SDKs and Tools Reference Guide, "Environment variables list"; botocore.credentials (old names);
# GDAL, "Virtual File Systems"; rclone, "Environment Variables"; fsspec.config; gsutil, "boto config".
_WAYS = {
    "s3": re.compile(
        r"(?:AWS_(?:ACCESS_KEY(?:_ID)?|SECRET_(?:ACCESS_)?KEY|SESSION_TOKEN|SECURITY_TOKEN|(?:DEFAULT_)?PROFILE"
        r"|CREDENTIAL_FILE|CREDENTIAL_EXPIRATION|SHARED_CREDENTIALS_FILE|CONFIG_FILE|LOGIN_CACHE_DIRECTORY)"
        r"|AWS_(?:ROLE|WEB_IDENTITY|CONTAINER|SSO|BEARER_TOKEN)_\w+|BOTO_CONFIG|BOTO_PATH|RCLONE_\w+"
        r"|FSSPEC_S3\w*)(?:_FILE)?"
    ),
    "gs": re.compile(
        r"(?:GOOGLE_(?:KEY_STRING|CREDENTIALS|APPLICATION_CREDENTIALS|OAUTH_ACCESS_TOKEN|API_KEY|BACKEND_CREDENTIALS"
        r"|CLOUD_KEYFILE_JSON|IMPERSONATE_SERVICE_ACCOUNT|EXTERNAL_ACCOUNT_\w+)|CLOUDSDK_(?!CORE_CUSTOM_CA_CERTS_FILE$)\w+|GCLOUD_KEYFILE_JSON"
        r"|GS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|OAUTH2_\w+)|BOTO_CONFIG|BOTO_PATH|RCLONE_\w+"
        r"|FSSPEC_G(?:S|CS)\w*)(?:_FILE)?"
    ),
}
_SAME = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}  # other names of a scheme
_FIELDS = {
    "s3": ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile"),
    "gs": ("google_key", "google_application_credentials"),
}
_LEAST = 8  # characters of a secret that is looked for within other values
_MOST = 1024 * 1024  # bytes of a file that may hold a secret


def child_environment(
    settings: Settings, environment: Mapping[str, str], *, pass_credentials: bool = False
) -> dict[str, str]:
    """The environment of a block's command: the documented variables, and no credentials of the store.

    This keeps credentials from leaking by accident, into a log or a subprocess; a command that runs as the
    same user can still read what that user can.

    :param environment: this process's own.
    :param pass_credentials: leave it as it is, but for the documented variables.
    """
    hidden = () if pass_credentials else _hidden(settings, environment)
    kept = {name: value for name, value in environment.items() if name not in hidden}
    parameters = json.dumps(settings.parameters)
    return {**kept, "UP42_TASK_PARAMETERS": parameters, "UP42_JOB_MODE": settings.job_mode}


def hidden_names(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """The variables that a command may miss: those that are hidden from it, but for our own settings."""
    hidden = _hidden(settings, environment)
    return sorted(name for name in hidden if not name.startswith("UP42_STATE_"))


def _hidden(settings: Settings, environment: Mapping[str, str]) -> frozenset[str]:
    schemes = _schemes(settings.url or "")
    ways = [_WAYS[scheme] for scheme in schemes if scheme in _WAYS and not _has_its_own(settings, scheme)]
    secrets = frozenset(secret for scheme in schemes for secret in _secrets(settings, scheme))
    secrets |= frozenset(_in_url(settings.url or ""))
    prefixes = tuple(f"FSSPEC_{scheme.upper()}_" for scheme in schemes)
    return frozenset(
        name
        for name, value in environment.items()
        if name.startswith(("UP42_STATE_", *prefixes))
        or any(way.fullmatch(name) for way in ways)
        or _leads_to(value, secrets)
    )


def _schemes(url: str) -> frozenset[str]:
    """The kinds of stores that a URL leads to, several where file systems are chained."""
    found = (link.partition("://")[0].lower() for link in url.split("::"))
    return frozenset(_SAME.get(scheme, scheme) for scheme in found)


def _has_its_own(settings: Settings, scheme: str) -> bool:
    """Whether the store goes by credentials of its own, so that the general names are the block's."""
    return any(map(settings.is_own, _FIELDS[scheme]))


def _secrets(settings: Settings, scheme: str) -> Iterator[str]:
    """What opens the store: keys, a key's parts, and the names of a profile's and a key's files."""
    for name in _FIELDS.get(scheme, ()):
        value: Any = getattr(settings, name)
        if name == "google_application_credentials" and value:
            yield from (value, *_private_key(_text_of_file(value)))
        elif name != "aws_profile" and value is not None:
            secret = value.get_secret_value()
            yield from (secret,) if isinstance(secret, str) else _of_key(secret)
    if scheme == "s3" and settings.aws_profile and settings.aws_access_key_id is None:
        names = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
        yield from (os.environ[name] for name in names if os.environ.get(name))


def _of_key(key: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(key[name]) for name in ("private_key", "private_key_id") if key.get(name))


def _private_key(text: str) -> Iterator[str]:
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            yield from _of_key(found)


def _in_url(url: str) -> Iterator[str]:
    """The passwords in a URL, one for each file system that is chained."""
    for link in url.split("::"):
        user, at, _ = link.partition("://")[2].rpartition("@")
        if at:
            yield user.partition(":")[2] or user


def _leads_to(value: str, secrets: frozenset[str]) -> bool:
    """Whether a variable holds one of the secrets, or is the path of a file that does."""
    if not secrets or not value.strip():
        return False
    texts = [value.strip(), _decoded(value), value.replace("\\n", "\n")]
    if os.path.isabs(value):
        texts.append(_text_of_file(value))
    return any(_holds(text, secret) for text in texts for secret in secrets)


def _holds(text: str, secret: str) -> bool:
    if len(secret) < _LEAST:  # a part of many words
        return text == secret
    return secret in text or json.dumps(secret)[1:-1] in text


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except ValueError:
        return ""


def _text_of_file(path: str) -> str:
    """The text of a file that may hold a secret; nothing, if it is none or cannot be read."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MOST:
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
