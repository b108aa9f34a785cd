"""A store of each kind, and the documents of the corpus with files for their data paths."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.documents import Document, documents
from doubles.sweep import Part

from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
DOCUMENTS = documents(CORPUS / "datajson")
SERVERS = ("localstack", "gcs")


@pytest.hookimpl(tryfirst=True)  # before the marks choose what is run
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A directory takes every document in every run, a server a sample, and the others in the long one."""
    for item in items:
        given = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        if given.get("state") in SERVERS and isinstance(document := given.get("document"), Document):
            step = DOCUMENTS.index(document) + SERVERS.index(given["state"])
            if not Part.SAMPLE.takes(step):
                item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=["directory", *SERVERS])
def state(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A state on a real store."""
    if request.param == "directory":
        yield State(tmp_path_factory.mktemp("store").as_uri())
    elif request.param == "localstack":
        endpoint = request.getfixturevalue("localstack_url")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
        yield State(f"s3://up42-state/corpus-{uuid.uuid4()}", aws_endpoint_url=endpoint, **keys)
    else:
        endpoint = request.getfixturevalue("gcs_emulator_url")
        yield State(f"gs://{_gcs_bucket(endpoint)}/corpus", storage_emulator_host=endpoint)


def _gcs_bucket(endpoint: str) -> str:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
    name = f"corpus-{uuid.uuid4()}"
    client.create_bucket(name)
    client.close()
    return name


@pytest.fixture(params=DOCUMENTS, ids=lambda document: document.name)
def document(request: pytest.FixtureRequest) -> Document:
    """Each ``data.json`` of the corpus in turn."""
    return request.param  # type: ignore[no-any-return]  # a parameter has no type of its own
