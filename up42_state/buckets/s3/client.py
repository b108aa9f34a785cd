"""The boto3 client of a bucket: credentials, endpoint, timeouts, retries.

It is made by botocore, which makes boto3's clients, too: loading boto3 as well takes 0.1 s more, for
resources and transfers that nothing here uses.
"""

from __future__ import annotations

import gzip
import json
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.handlers import set_list_objects_encoding_type_url
from botocore.loaders import JSONFileLoader, Loader

from up42_state.buckets.network.connections import check_bundles
from up42_state.buckets.network.hosts import is_amazon
from up42_state.buckets.network.logs import hide_secrets
from up42_state.buckets.s3.answers import watch_answers
from up42_state.buckets.s3.checksums import Checksums, md5_of
from up42_state.buckets.s3.credentials import BUNDLES, check_credentials, ways
from up42_state.errors import SettingsError, StateError
from up42_state.secrets.redaction import clean

if TYPE_CHECKING:
    from botocore.config import _S3Dict
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

    from up42_state.settings.model import Settings

__all__ = ["checksums", "credentials_source", "gdal_options", "load_models", "make_client", "make_signer"]

_CONNECT_TIMEOUT = 10  # seconds
_READ_TIMEOUT = 60  # seconds without a byte
_OPENERS: dict[str, Any] = {".json": open, ".json.gz": gzip.open}  # as botocore's releases ship its data
_ATTEMPTS = 5  # at a request, the first included


def make_client(settings: Settings) -> S3Client:
    """A thread-safe client, with the credentials of the settings or of boto3's own chain.

    :raises SettingsError: the profile does not exist, or what boto3 reads for itself is malformed.
    :raises AccessDeniedError: there are no credentials anywhere.
    """
    hide_secrets()
    try:
        session = _session(settings)
        check_bundles(BUNDLES)
        check_credentials(session.get_credentials())
        client = _client(session, settings, settings.aws_endpoint_url)
        endpoint = client.meta.endpoint_url
        if not settings.aws_endpoint_url and not is_amazon(endpoint):  # boto3's configuration file names it
            client = _client(session, settings, endpoint)
    except ProfileNotFound:
        problem = _no_profile(settings)
    except StateError:
        raise
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"the S3 client cannot be set up: {error}", advice=ways()) from clean(error)
    except OSError as error:  # what the profile names as credential_process
        raise SettingsError(
            f"the S3 client cannot be set up: {error.strerror}: {error.filename}",
            advice="look at credential_process in the profile (AWS_CONFIG_FILE)",
        ) from clean(error)
    else:
        return _prepared(client)
    raise problem  # not chained: the cause quotes the name, which may be a key that was put there


def make_signer(settings: Settings, client: S3Client) -> S3Client:
    """A client that signs URLs by version 4 of Amazon's signature, and sends nothing.

    botocore signs URLs of some regions by version 2 unless it is told: that one is refused for objects that
    are encrypted by a key of KMS. For requests the client of :func:`make_client` stays free to choose, as
    S3's newer kinds of buckets need. Unless it is told, botocore also signs for the host of all regions, from
    which a new bucket is redirected to the host of its region, and the signature is not for that one.
    """
    session = _session(settings)
    endpoint = client.meta.endpoint_url
    config = _config(settings, endpoint).merge(Config(signature_version="s3v4"))
    if is_amazon(endpoint):
        config = config.merge(Config(s3={"addressing_style": "virtual"}))
    signer = session.create_client(
        "s3",
        region_name=_region(session, settings),
        endpoint_url=None if is_amazon(endpoint) and not settings.aws_endpoint_url else endpoint,
        config=config,
    )
    return cast("S3Client", signer)


def _prepared(client: S3Client) -> S3Client:
    # boto3 asks for keys in URL encoding, since XML has no control characters; ours have none either, and
    # LocalStack goes wrong with it: it compares encoded keys with the plain one that a page begins after.
    client.meta.events.unregister(
        "before-parameter-build.s3.ListObjectsV2", set_list_objects_encoding_type_url
    )
    if not is_amazon(client.meta.endpoint_url):
        client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
    watch_answers(client)
    return client


def _no_profile(settings: Settings) -> SettingsError:
    place = settings.variable("aws_profile") if settings.aws_profile else "AWS_DEFAULT_PROFILE"
    return SettingsError(
        f"{place}: there is no profile of this name in AWS's configuration files",
        advice="`aws configure list-profiles` shows those that there are",
    )


def load_models() -> None:
    """Read botocore's descriptions of S3 and of Amazon's regions, which a client is made of."""
    loader = _loader()
    for name in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", name, api_version=None)
    for name in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data_with_path(name)


def checksums(client: S3Client) -> Checksums:
    """What writes carry at first: CRC32 where Amazon's SDKs would send it, otherwise nothing."""
    asked = client.meta.config.request_checksum_calculation  # type: ignore[attr-defined]  # set by botocore
    return Checksums("crc32" if asked == "when_supported" else "")


def credentials_source(settings: Settings) -> str:
    """Where the credentials come from, for messages; never what they are."""
    if settings.aws_access_key_id:
        places = dict.fromkeys(
            settings.source(name) for name in ("aws_access_key_id", "aws_secret_access_key")
        )
        return " and ".join(places)
    if settings.aws_profile:
        return f"the profile of {settings.source('aws_profile')}"
    return "boto3's own chain (environment, profiles, roles)"


def gdal_options(settings: Settings, endpoint: str) -> dict[str, str]:
    """What GDAL's ``/vsis3/`` needs to reach the same store with the same credentials.

    :param endpoint: the client's.

    Source: GDAL, "Virtual File Systems", /vsis3/.
    """
    session = _session(settings)
    options = {"AWS_REGION": _region(session, settings)}
    if credentials := session.get_credentials():
        frozen = credentials.get_frozen_credentials()
        found = {
            "AWS_ACCESS_KEY_ID": frozen.access_key,
            "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
            "AWS_SESSION_TOKEN": frozen.token,
        }
        options |= {name: value for name, value in found.items() if value}
    if settings.aws_endpoint_url or not is_amazon(endpoint):
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc + parts.path
        options["AWS_HTTPS"] = "YES" if parts.scheme == "https" else "NO"
        options["AWS_VIRTUAL_HOSTING"] = "TRUE" if is_amazon(endpoint) else "FALSE"
    return options


def _session(settings: Settings) -> Session:
    """A botocore session with the profile and the keys of the settings.

    botocore does not read AWS_PROFILE for itself: it would look for a profile named "" where the variable is
    empty. AWS_DEFAULT_PROFILE is left out, too, where keys or a profile are set for this store alone.
    """
    is_own = settings.is_own("aws_access_key_id") or settings.is_own("aws_profile")
    general = None if is_own else "AWS_DEFAULT_PROFILE"
    session = botocore.session.Session(session_vars={"profile": (None, general, None, None)})
    if settings.aws_profile:
        session.set_config_variable("profile", settings.aws_profile)
    if not session.get_config_variable("data_path"):
        session.register_component("data_loader", _loader())
    if settings.aws_access_key_id and settings.aws_secret_access_key:
        token = settings.aws_session_token
        session.set_credentials(
            settings.aws_access_key_id.get_secret_value(),
            settings.aws_secret_access_key.get_secret_value(),
            token.get_secret_value() if token else None,
        )
    return session


class _Files(JSONFileLoader):
    """Reads the files of botocore's data.

    botocore's own loader makes an ``OrderedDict`` of each object, in Python: that takes twice as long as a
    ``dict``, which keeps the order as well.
    """

    def load_file(self, file_path: str) -> Any:
        """The parsed file; ``None`` if there is none. The path lacks the ending, as botocore gives it."""
        for ending, opener in _OPENERS.items():
            with suppress(FileNotFoundError), opener(file_path + ending, "rb") as file:
                return json.loads(file.read())
        return None


class _Loader(Loader):
    """Reads botocore's data, each file once in a process."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the signature of botocore
        """All folders of the data. botocore looks into each of the 400 for a file of this type: 0.05 s."""
        folders = filter(os.path.isdir, self.search_paths)
        return sorted({name for folder in folders for name in os.listdir(folder)})


@cache
def _loader() -> _Loader:
    return _Loader(file_loader=_Files())


def _region(session: Session, settings: Settings) -> str:
    return settings.aws_region or session.get_config_variable("region") or "us-east-1"


def _client(session: Session, settings: Settings, endpoint: str | None) -> S3Client:
    config = _config(settings, endpoint)
    region = _region(session, settings)
    client = session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config)
    return cast("S3Client", client)


def _config(settings: Settings, endpoint: str | None) -> Config:
    """Timeouts, bounded retries, a pool as large as the concurrency; for a custom endpoint, path-style
    addresses and no checksums but where the protocol requires them, since many do not know the new ones.
    """
    options: dict[str, Any] = {}
    s3: _S3Dict = {}
    if not is_amazon(endpoint):
        s3["addressing_style"] = "path"
        for name in ("request_checksum_calculation", "response_checksum_validation"):
            if not os.environ.get(f"AWS_{name.upper()}"):
                options[name] = "when_required"
    if (endpoint or "https").startswith("https"):
        s3["payload_signing_enabled"] = False  # TLS protects the body: not hashed once more to be signed
    return Config(
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=settings.concurrency + 4,
        tcp_keepalive=True,
        s3=s3,
        **options,
    )


def _add_md5(params: dict[str, Any], **_: object) -> None:
    """Batch deletes carry a checksum; of those that do not know CRC32, S3's older clones want this one."""
    params["headers"]["Content-MD5"] = md5_of(params["body"])
