"""Validation of STAC documents by pystac, with sockets blocked."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from doubles.outputs import write_output
from pystac import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.stage import Stage

SCHEMAS = Path(__file__).parent / "schemas"
KINDS = {
    "Feature": STACObjectType.ITEM,
    "Catalog": STACObjectType.CATALOG,
    "Collection": STACObjectType.COLLECTION,
}


@pytest.fixture(scope="session")
def validator() -> JsonSchemaSTACValidator:
    """pystac's validator, which has STAC's schemas with it, and those of extensions from this directory."""
    made = JsonSchemaSTACValidator()
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_text())
        made.schema_cache[schema["$id"].rstrip("#")] = schema
    return made


@pytest.fixture
def validate(validator: JsonSchemaSTACValidator, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Validates a document, or every item of an ItemCollection; no socket can be opened meanwhile."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a validation must not need the network")

    def run(value: dict[str, Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", refuse)
            documents = value["features"] if value["type"] == "FeatureCollection" else [value]
            for document in json.loads(json.dumps(documents, allow_nan=False)):
                kind, extensions = KINDS[document["type"]], document.get("stac_extensions", [])
                found = validator.validate(document, kind, "1.1.0", extensions)
                assert len(found) == 1 + len(extensions)

    return run


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A store in a directory."""
    return State((tmp_path / "store").as_uri())


@pytest.fixture
def saved(state: State, tmp_path: Path) -> Callable[..., Stage]:
    """Saves an output with these features and files as a stage."""

    def save(
        features: list[dict[str, Any]],
        files: dict[str, bytes] | None = None,
        name: str = "scenes:1",
        **options: Any,
    ) -> Stage:
        output = tmp_path / f"output-{name}-{len(list(tmp_path.iterdir()))}"
        members = options.pop("members", {})
        write_output(output, files or {}, features)
        if members:
            document = json.loads((output / "data.json").read_text())
            (output / "data.json").write_text(json.dumps(document | members))
        stage = state.job("3f0c").stage(name)
        stage.save(output, **options)
        return stage

    return save
