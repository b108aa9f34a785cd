"""The google-cloud-storage client of a bucket: credentials, endpoint, connections."""

from __future__ import annotations

import json
import os
import warnings
from typing import TYPE_CHECKING, Any

import google.auth
from google.auth.credentials import DEFAULT_UNIVERSE_DOMAIN, AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.oauth2.service_account import Credentials

from up42_state.buckets.gcs.answers import OneHost, StorageAnswers
from up42_state.buckets.gcs.errors import BUNDLES
from up42_state.buckets.network.connections import check_bundles
from up42_state.buckets.network.hosts import origin_of
from up42_state.buckets.network.logs import hide_secrets
from up42_state.errors import AccessDeniedError, SettingsError
from up42_state.secrets.redaction import clean, is_path

if TYPE_CHECKING:
    from up42_state.settings.model import Settings

__all__ = ["credentials_source", "gdal_options", "make_client"]

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def make_client(settings: Settings) -> tuple[storage.Client, AuthorizedSession]:
    """A thread-safe client, and the session that it sends with.

    :raises SettingsError: the key of the settings cannot be used, or a variable names no certificates.
    :raises AccessDeniedError: there are no credentials anywhere.
    """
    hide_secrets()
    check_bundles(BUNDLES)
    credentials = _credentials(settings)
    session = AuthorizedSession(credentials)
    if session._auth_request_session is not None:  # noqa: SLF001 - one of ours would be closed by nobody
        session._auth_request_session.mount("https://", OneHost(max_retries=3))  # noqa: SLF001 - as google-auth's
    project = settings.google_cloud_project or getattr(credentials, "project_id", None)
    options = _options(settings, credentials)
    client = storage.Client(project, credentials, _http=session, client_options=options)
    # Its threads would ask for the bucket's metadata, for traces: more requests, and a right of their own.
    client._bucket_metadata_cache = None  # noqa: SLF001 - there is no public way but a variable for all
    adapter = StorageAnswers(
        origin_of(client.api_endpoint), pool_connections=4, pool_maxsize=settings.concurrency + 4
    )
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return client, session


def credentials_source(settings: Settings) -> str:
    """Where the credentials come from, for messages; never what they are."""
    if settings.storage_emulator_host:
        return f"nowhere: STORAGE_EMULATOR_HOST is set ({settings.source('storage_emulator_host')})"
    if settings.google_key:
        return settings.source("google_key")
    if path := settings.google_application_credentials:
        return f"{path if is_path(path) else 'a file'} ({settings.source('google_application_credentials')})"
    return "the application default credentials (gcloud, or the machine's service account)"


def gdal_options(settings: Settings) -> dict[str, str]:
    """What GDAL's ``/vsigs/`` needs to reach the same store; without a key it looks for default credentials
    itself.

    Source: GDAL, "Virtual File Systems", /vsigs/.
    """
    if host := settings.storage_emulator_host:
        return {"CPL_GS_ENDPOINT": f"{host}/", "GS_NO_SIGN_REQUEST": "YES"}
    if settings.google_key:
        info = settings.google_key.get_secret_value()
        return {
            "GS_OAUTH2_PRIVATE_KEY": info["private_key"],
            "GS_OAUTH2_CLIENT_EMAIL": info["client_email"],
            "GS_OAUTH2_SCOPE": _SCOPE,
        }
    if path := settings.google_application_credentials:
        return {"GOOGLE_APPLICATION_CREDENTIALS": path}
    return {}


def _options(settings: Settings, credentials: Any) -> dict[str, str] | None:
    """Where the service is: an emulator, or the cloud that the credentials are of, where that is not Google's
    own ("universe domain").
    """
    if emulator := settings.storage_emulator_host:
        return {"api_endpoint": emulator}
    domain = credentials.universe_domain
    return None if domain == DEFAULT_UNIVERSE_DOMAIN else {"universe_domain": domain}


def _credentials(settings: Settings) -> Any:
    if settings.storage_emulator_host:
        return AnonymousCredentials()
    if settings.google_key:
        return _from_key(settings.google_key.get_secret_value(), settings.source("google_key"))
    path, source = settings.google_application_credentials, settings.source("google_application_credentials")
    if path and source == "argument":
        return _from_file(path, source)
    try:
        if path and path != os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            return _from_any_file(path)
        return google.auth.default(scopes=[_SCOPE])[0]
    except (DefaultCredentialsError, OSError) as error:
        if path:
            shown = path if is_path(path) else "the file that it names"
            raise SettingsError(
                f"{source}: {shown} cannot be used: {error}",
                advice="give the path of a file of credentials in JSON, or a key itself in GOOGLE_KEY_STRING",
            ) from clean(error)
        raise AccessDeniedError(
            "there are no Google credentials: neither in the settings nor application default credentials",
            advice="set GOOGLE_KEY_STRING or GOOGLE_APPLICATION_CREDENTIALS",
        ) from clean(error)


def _from_any_file(path: str) -> Any:
    """What ``UP42_STATE_GOOGLE_APPLICATION_CREDENTIALS`` names, of any kind: who sets our environment could
    set Google's own variable as well.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # about files of others, as google.auth.default does
        return google.auth.load_credentials_from_file(path, scopes=[_SCOPE])[0]


def _from_key(info: dict[str, Any], source: str) -> Credentials:
    try:
        return Credentials.from_service_account_info(info, scopes=[_SCOPE])  # type: ignore[no-any-return]
    except ValueError as error:
        problem = SettingsError(f"{source}: its private_key is not a PEM key ({type(error).__name__})")
    raise problem  # not chained: the cause may quote the key


def _from_file(path: str, source: str) -> Credentials:
    """A service account's key file. Other kinds of credentials are taken from the environment only, where
    google-auth reads them: they may name programs to run.
    """
    try:
        with open(path, encoding="utf-8") as file:
            info = json.load(file)
    except OSError as error:
        raise SettingsError(f"{source}: {path} cannot be read: {error.strerror}") from clean(error)
    except ValueError:
        info = None
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise SettingsError(f"{source}: {path} is not a service account's key")
    return _from_key(info, f"{source}: {path}")
