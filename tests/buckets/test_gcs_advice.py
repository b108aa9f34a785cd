"""What is said where Google Cloud Storage cannot be reached as it was set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from buckets.tls import over_tls, self_signed

from up42_state.buckets.gcs import errors
from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.errors import SettingsError, StateError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request is tried once, with no proxy and no certificates of this machine."""
    monkeypatch.setattr(errors, "_ATTEMPTS", 1)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def refusal(address: str) -> StateError:
    """The error of a request to an emulator."""
    with pytest.raises(StateError) as caught:
        GCSBucket("b", "", Settings(storage_emulator_host=address)).get("a")
    return caught.value


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_a_certificate_that_signs_itself(certificate: Path) -> None:
    """The variable that would trust it is named."""
    with over_tls(certificate, b"") as url:
        assert "set REQUESTS_CA_BUNDLE to a file with the certificate" in refusal(url).advice


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_none(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """A file without certificates is told by the variable that names it."""
    (tmp_path / "file").write_text("nothing")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with over_tls(certificate, b"") as url:
        assert f"{variable} names no certificates in PEM format" in refusal(url).advice


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no file of certificates is named, before anything is sent."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/planted")
    error = refusal(NOWHERE)
    assert isinstance(error, SettingsError)
    assert str(error).startswith("REQUESTS_CA_BUNDLE names no file")


@pytest.mark.parametrize("proxy", [NOWHERE, "http://not an:address"])
def test_a_proxy_that_is_away_or_none(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """Where it is the proxy that cannot be reached, its variables are named."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    assert "look at HTTP_PROXY" in refusal("http://store.invalid").advice


def test_an_empty_file_of_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable is named, and what may stand there."""
    (tmp_path / "key.json").touch()
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(SettingsError, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        GCSBucket("b", "", Settings()).get("a")
    assert "a file of credentials in JSON" in caught.value.advice
