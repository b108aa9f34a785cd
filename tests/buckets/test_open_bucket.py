"""URLs and the buckets that they open."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import TYPE_CHECKING

import pytest
from doubles.planted import PLANTED

from up42_state.buckets import open_bucket
from up42_state.errors import SettingsError
from up42_state.settings.model import Settings
from up42_state.state import State

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(aws_access_key_id="test", aws_secret_access_key="test")


@pytest.mark.parametrize(
    ("url", "kind", "canonical"),
    [
        ("s3://bucket", "S3Bucket", "s3://bucket"),
        ("s3://bucket/", "S3Bucket", "s3://bucket"),
        ("s3://bucket/some prefix/é/", "S3Bucket", "s3://bucket/some prefix/é"),
        ("S3://bucket/a", "S3Bucket", "s3://bucket/a"),
        ("gs://bucket/a/b", "GCSBucket", "gs://bucket/a/b"),
        ("gcs://bucket/a/b", "GCSBucket", "gs://bucket/a/b"),
        ("file:///tmp/a", "DirectoryBucket", "file:///tmp/a"),
        ("file:///tmp/a/", "DirectoryBucket", "file:///tmp/a"),
        ("file://localhost/tmp/a", "DirectoryBucket", "file:///tmp/a"),
        ("file:///tmp/a%20b/%C3%A9", "DirectoryBucket", "file:///tmp/a%20b/%C3%A9"),
        ("file:///tmp/a#b?c", "DirectoryBucket", "file:///tmp/a%23b%3Fc"),
        ("memory://", "MemoryBucket", "memory://"),
        ("memory://name/a/", "MemoryBucket", "memory://name/a"),
        ("local:///tmp/a", "FsspecBucket", "local:///tmp/a"),
    ],
)
def test_known_forms(url: str, kind: str, canonical: str) -> None:
    """Every documented form opens its kind of bucket, whose URL is canonical."""
    bucket = open_bucket(url, SETTINGS)
    assert type(bucket).__name__ == kind
    assert bucket.url == canonical
    bucket.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket/prefix",
        "s3:bucket",
        "s3://",
        "s3:///prefix",
        "gs://",
        "s3://bucket//prefix",
        "s3://bucket/a/../b",
        "file://",
        "file://relative/path",
        "file://host/path",
        "file:///a%00b",
        "memory://name/../b",
        "unheardof://x",
    ],
)
def test_malformed(url: str) -> None:
    """A URL that is none, or of no known kind, is a wrong setting that says so and which forms there are."""
    with pytest.raises(SettingsError, match=r"(URL.*(s3://bucket/prefix|file:///directory)|^fsspec)"):
        open_bucket(url, SETTINGS)


def test_malformed_url_is_named_by_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named where the URL came from it, and not where another one was given."""
    monkeypatch.setenv("UP42_STATE_URL", "s3:bucket")
    with pytest.raises(SettingsError, match="environment variable UP42_STATE_URL: it is not a URL"):
        open_bucket(settings=Settings())
    with pytest.raises(SettingsError, match="the given URL: it is not a URL"):
        open_bucket("s3:other", Settings())
    with pytest.raises(SettingsError, match="the given URL: it is not a URL"):
        open_bucket(settings=Settings(url="s3:other"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"s3://key:{PLANTED}@bucket/prefix", "in variables of their own"),
        (f"s3://key:{PLANTED}/x@bucket/prefix", "in variables of their own"),
        (f"gs://{PLANTED}:x/prefix", "in variables of their own"),
        (f"file://user:{PLANTED}@host/path", "no absolute path"),
        (f"s3//key:{PLANTED}@bucket", "it is not a URL"),
        (f"s3:/key:{PLANTED}@bucket", "it is not a URL"),
        (f"s3:key:{PLANTED}@bucket", "it is not a URL"),
        (f"S3 ://key:{PLANTED}@bucket", "it is not a URL"),
        (f"s3:/key://{PLANTED}@bucket", "it is not a URL"),
        (f"{PLANTED}", "it is not a URL"),
        (f"s3s://key:{PLANTED}@bucket", "fsspec cannot open s3s://bucket: .* – use s3://bucket/prefix, "),
        (f"ftp://user:pa/{PLANTED}@host/path", "as %2F"),
        (f"ftp://user:pa#{PLANTED}@host/path", "as %2F"),
        (f"ftp://user:pa?{PLANTED}@host/path", "as %2F"),
        (f"simplecache::sftp://user:pa/{PLANTED}@host/path", "as %2F"),
    ],
)
def test_credentials_in_the_url(url: str, says: str) -> None:
    """Credentials do not belong into a URL, and are not repeated, however it is mistyped."""
    with pytest.raises(SettingsError, match=says) as caught:
        open_bucket(url, SETTINGS)
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_url_of_the_settings() -> None:
    """Without an argument the settings say where the state lies."""
    assert open_bucket(settings=Settings(url="memory://here")).url == "memory://here"


def test_url_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings the environment does."""
    monkeypatch.setenv("UP42_STATE_URL", "memory://there")
    assert open_bucket().url == "memory://there"


def test_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any URL the error says which variable to set, and to what."""
    monkeypatch.delenv("UP42_STATE_URL", raising=False)
    with pytest.raises(SettingsError, match=r"UP42_STATE_URL is not set.*s3://bucket/prefix"):
        open_bucket()


@pytest.mark.parametrize("url", [None, "file:///tmp/a", "memory://a"])
def test_loads_no_sdk(url: str | None) -> None:
    """Neither the package nor a local bucket loads an SDK, or pydantic."""
    opened = f"buckets.open_bucket({url!r})" if url else ""
    heavy = {"boto3", "botocore", "google.cloud", "fsspec", "pydantic", "requests", "urllib3"}
    code = f"import sys\nfrom up42_state import buckets\n{opened}\nprint(*({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("./store", "{here}/store"),
        ("store", "{here}/store"),
        (".", "{here}"),
        ("../store", "{above}/store"),
        ("./my store", "{here}/my%20store"),
        ("/data/store", "file:///data/store"),
        (r"C:\x", "file:///C:/x"),
    ],
)
@pytest.mark.parametrize("way", ["argument", "variable", "handle"])
def test_path_in_place_of_a_url(
    path: str, meant: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path gets the URL of the directory that it names, however it was given."""
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UP42_STATE_URL", path)
    expected = meant.format(here=tmp_path.as_uri(), above=tmp_path.parent.as_uri())
    ways = {
        "argument": lambda: open_bucket(path),
        "variable": open_bucket,
        "handle": lambda: State(path).jobs(),
    }
    with pytest.raises(SettingsError, match="it is not a URL") as raised:
        ways[way]()
    assert raised.value.advice == f"did you mean {expected}?"


@pytest.mark.parametrize(
    "text", ["hunter2", "no store", "/wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "/x9K/aB"]
)
def test_what_may_be_a_password_is_not_taken_for_a_path(text: str) -> None:
    """What is neither a path nor a URL may be a secret in the wrong place, and is not quoted."""
    with pytest.raises(SettingsError, match="it is not a URL") as raised:
        open_bucket(text)
    assert text not in str(raised.value)
    assert "did you mean" not in raised.value.advice
