"""Make the environment of a block's command: this process's own without what opens the store.

Three kinds of variables are hidden: this package's settings; if the store is opened by the general names
(``AWS_…``, ``GOOGLE_…``, ``AZURE_…``), those names and all others of the same credentials; and any variable
that holds a secret of the store or names a file that does. Everything else stays, so that a data block which
reads a bucket of its own keeps its keys.
"""

from __future__ import annotations

import base64
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from up42_state.secrets.shapes import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from up42_state.settings.model import Settings

__all__ = ["child_environment", "hidden_names"]

# Sources: AWS SDKs and Tools Reference Guide, "Environment variables list"; botocore.credentials (old names);
# GDAL, "Virtual File Systems"; rclone, "Environment Variables"; gsutil, "boto config"; adlfs.spec;
# azure.identity, EnvironmentVariables; Azure CLI, "Configuration"; ssh(1), "Environment"; huggingface_hub,
# "Environment variables".
_WAYS = {
    "s3": re.compile(
        r"(?:AWS_(?:ACCESS_KEY(?:_ID)?|SECRET_(?:ACCESS_)?KEY|SESSION_TOKEN|SECURITY_TOKEN|(?:DEFAULT_)?PROFILE"
        r"|CREDENTIAL_FILE|CREDENTIAL_EXPIRATION|SHARED_CREDENTIALS_FILE|CONFIG_FILE|LOGIN_CACHE_DIRECTORY)"
        r"|AWS_(?:ROLE|WEB_IDENTITY|CONTAINER|SSO|BEARER_TOKEN)_\w+|BOTO_CONFIG|BOTO_PATH|RCLONE_\w+"
        r")(?:_FILE)?"
    ),
    "gs": re.compile(
        r"(?:GOOGLE_(?:KEY_STRING|CREDENTIALS|APPLICATION_CREDENTIALS|OAUTH_ACCESS_TOKEN|API_KEY|BACKEND_CREDENTIALS"
        r"|CLOUD_KEYFILE_JSON|IMPERSONATE_SERVICE_ACCOUNT|EXTERNAL_ACCOUNT_\w+)|CLOUDSDK_(?!CORE_CUSTOM_CA_CERTS_FILE$)\w+|GCLOUD_KEYFILE_JSON"
        r"|GS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY|OAUTH2_\w+)|BOTO_CONFIG|BOTO_PATH|RCLONE_\w+"
        r")(?:_FILE)?"
    ),
    "az": re.compile(
        r"(?:AZURE_STORAGE_(?:(?:ACCOUNT_|ACCESS_)?KEY|SAS_TOKEN|CONNECTION_STRING|ACCESS_TOKEN|CLIENT_\w+)"
        r"|AZURE_(?:CLIENT_\w+|USERNAME|PASSWORD|FEDERATED_TOKEN|CONFIG_DIR|TOKEN_CREDENTIALS)"
        r"|(?:ARM|MSI|IDENTITY)_(?:CLIENT_\w+|ENDPOINT|SECRET|HEADER)|RCLONE_\w+)(?:_FILE)?"
    ),
    "sftp": re.compile(r"SSH_AUTH_SOCK|SSH_ASKPASS|SSHPASS|RCLONE_\w+"),
    "hf": re.compile(r"HF_TOKEN(?:_PATH)?|HUGGING_?FACE_(?:HUB_)?TOKEN"),
    "oss": re.compile(r"(?:OSS|ALIBABA_CLOUD|ALICLOUD)_(?!ENDPOINT|REGION)\w+|RCLONE_\w+"),
    "hdfs": re.compile(r"KRB5CCNAME|KRB5_(?:CLIENT_)?KTNAME|HADOOP_TOKEN_FILE_LOCATION"),
}
_OTHER_NAMES = {  # of a scheme
    **dict.fromkeys(("s3a", "s3n"), "s3"),
    **dict.fromkeys(("abfs", "abfss", "adl", "wasb", "wasbs"), "az"),
    "gcs": "gs",
    "ssh": "sftp",
    "webhdfs": "hdfs",
    "https": "http",
}
_OPENED_BY_US = {
    "s3",
    "gs",
    "gcs",
}  # with our settings; fsspec opens all other stores, and knows none of them
_FREE = {"file", "local", "memory"}  # stores that need no credentials
_FIELDS = {
    "s3": ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile"),
    "gs": ("google_key", "google_application_credentials"),
}
_LEAST = 8  # characters of a secret that is looked for within other values; a shorter one is part of many
_MOST = 1024 * 1024  # bytes of a file that may hold a secret


def child_environment(
    settings: Settings, environment: Mapping[str, str], *, pass_credentials: bool = False
) -> dict[str, str]:
    """Return the environment of a block's command: the documented variables, and no credentials of the store.

    Hiding keeps credentials from leaking by accident, into a log or a subprocess. It is no barrier: a command
    that runs as the same user can read what that user can.

    :param environment: the environment of this process.
    :param pass_credentials: hide nothing, and only add the documented variables.
    """
    hidden = () if pass_credentials else _hidden(settings, environment)
    kept = {name: value for name, value in environment.items() if name not in hidden}
    parameters = json.dumps(settings.parameters)
    return {**kept, "UP42_TASK_PARAMETERS": parameters, "UP42_JOB_MODE": settings.job_mode}


def hidden_names(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Return the variables that are hidden from a command and that it may miss: all but our own settings."""
    hidden = _hidden(settings, environment)
    return sorted(name for name in hidden if not name.startswith("UP42_STATE_"))


def _hidden(settings: Settings, environment: Mapping[str, str]) -> frozenset[str]:
    url = settings.url or ""
    schemes = _schemes(url) - _FREE
    general = frozenset(scheme for scheme in schemes if not _has_its_own(settings, scheme))
    ways = [*(_WAYS[scheme] for scheme in general if scheme in _WAYS), _fsspec_names(general)]
    hidden = {
        name for name in environment if name.startswith("UP42_STATE_") or any(w.fullmatch(name) for w in ways)
    }
    secrets = {secret for scheme in schemes for secret in _secrets(settings, scheme)} | set(_in_url(url))
    secrets.update(
        value.strip()
        for name, value in environment.items()
        if name in hidden and is_secret_name(name) and len(value.strip()) >= _LEAST and general
    )
    return frozenset(hidden | {name for name, value in environment.items() if _leads_to(value, secrets)})


def _fsspec_names(schemes: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for the variables that fsspec reads for these schemes (``fsspec.config``)."""
    if not schemes:
        return re.compile(r"(?!)")
    names = {*schemes, *(other for other, scheme in _OTHER_NAMES.items() if scheme in schemes)}
    either = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"FSSPEC_(?:CONFIG_DIR|(?:{either})(?:_\w+)?)", re.IGNORECASE)


def _schemes(url: str) -> frozenset[str]:
    """Return the schemes in a URL, several if file systems are chained, each under its usual name."""
    found = (link.partition("://")[0].lower() for link in url.split("::"))
    return frozenset(_OTHER_NAMES.get(scheme, scheme) for scheme in found)


def _has_its_own(settings: Settings, scheme: str) -> bool:
    """Return True if the store has credentials of its own, so that the general names are the block's."""
    ours = (settings.url or "").partition("://")[0].lower() in _OPENED_BY_US
    return ours and any(map(settings.is_own, _FIELDS.get(scheme, ())))


def _secrets(settings: Settings, scheme: str) -> Iterator[str]:
    """Yield what opens the store: keys, the parts of a key, and the names of files with keys or profiles."""
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
    """Yield the passwords in a URL, one for each file system that is chained."""
    for link in url.split("::"):
        user, at, _ = link.partition("://")[2].rpartition("@")
        if at:
            password = user.partition(":")[2] or user
            yield from (password, unquote(password))


def _leads_to(value: str, secrets: Collection[str]) -> bool:
    """Return True if a variable holds one of the secrets, or is the path of a file that does."""
    if not secrets or not value.strip():
        return False
    texts = [value.strip(), _decoded(value), value.replace("\\n", "\n")]
    if os.path.isabs(value):
        texts.append(_text_of_file(value))
    return any(_holds(text, secret) for text in texts for secret in secrets)


def _holds(text: str, secret: str) -> bool:
    if len(secret) < _LEAST:
        return text == secret
    return secret in text or json.dumps(secret)[1:-1] in text


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except ValueError:
        return ""


def _text_of_file(path: str) -> str:
    """Return the text of a file that may hold a secret; an empty text if it cannot be read as text."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _MOST:
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
