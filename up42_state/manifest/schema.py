"""The JSON Schema files of the package (draft 2020-12); no other place says what a manifest may hold.

The files follow the platform's documentation, pages "Block manifest", "Block capabilities" and "Query filters
and runtime parameters"; the platform's own schema files are no longer published. Two keywords are this
package's own: ``x-documented`` lists the documented members of an open vocabulary (sensors, bands, capability
names of version 1), and ``x-resources`` gives the CPUs, memory and GPUs of a machine type.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema.protocols import Validator
    from referencing import Registry

__all__ = [
    "documented",
    "files",
    "machine_resources",
    "published",
    "validator",
    "value_validator",
]

VALUES = "urn:up42-state:values"


@cache
def files() -> Mapping[str, Mapping[str, Any]]:
    """Return every schema of the package by its ``$id``."""
    folder = resources.files("up42_state.manifest") / "schemas"
    texts = (entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".json"))
    return {schema["$id"]: schema for schema in map(json.loads, texts)}


def published(version: int = 2) -> dict[str, Any]:
    """Return one schema document for a specification version that needs no other file.

    The schemas that it refers to are embedded under ``$defs`` (JSON Schema 2020-12, section 9.3), so any
    validator can use the result as it is.
    """
    root = files()[f"urn:up42-state:manifest:{version}"]
    embedded: dict[str, Mapping[str, Any]] = {}
    waiting = sorted(_references(root))  # sorted, so that the document is the same at each call
    while waiting:
        uri = waiting.pop(0)
        if uri not in embedded:
            embedded[uri] = files()[uri]
            waiting.extend(sorted(_references(files()[uri])))
    return {
        **root,
        "$defs": {uri.removeprefix("urn:up42-state:"): schema for uri, schema in embedded.items()},
    }


def _references(schema: object) -> Iterator[str]:
    """Yield each ``$ref`` of a schema that names another file."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


@cache
def validator(version: int) -> Validator:
    """Return a validator of whole manifests that words its errors as the platform did."""
    return value_validator(files()[f"urn:up42-state:manifest:{version}"])


def value_validator(schema: Mapping[str, Any]) -> Validator:
    """Return a validator for a schema that may refer to the files of this package."""
    from up42_state.manifest.wording import PlatformValidator

    validator: Validator = PlatformValidator(schema, registry=_registry())
    return validator


@cache
def _registry() -> Registry[Mapping[str, Any]]:
    """Return all schema files without their ``$schema``.

    jsonschema picks its own validator class where it meets ``$schema``, and its own messages with it.
    """
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    bare = {
        uri: {key: part for key, part in file.items() if key != "$schema"} for uri, file in files().items()
    }
    return Registry().with_resources((uri, DRAFT202012.create_resource(file)) for uri, file in bare.items())


def documented(vocabulary: str) -> frozenset[str]:
    """Return the documented members of an open vocabulary.

    :param vocabulary: ``sensor``, ``band``, or ``v1`` for the capability names of version 1.
    """
    if vocabulary == "v1":
        return frozenset(files()["urn:up42-state:capabilities:1"]["x-documented"])
    definition = files()["urn:up42-state:capabilities:2"]["$defs"][vocabulary]
    return frozenset(definition.get("else", definition)["x-documented"])


def machine_resources() -> Mapping[str, Mapping[str, float]]:
    """Return the CPUs (``cpu``), memory in GB (``memory``) and GPUs (``gpu``) of every machine type."""
    found: Mapping[str, Mapping[str, float]] = files()["urn:up42-state:machine"]["x-resources"]
    return found
